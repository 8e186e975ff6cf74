"""Two neighbouring faces of a cube made from one photograph (REFERENCE D2, E3).

A face of ``size`` pixels looks a little beyond 90 degrees: its true border lies ``OVERLAP``/2 of
the size inside. Beyond that border it sees what its neighbour sees as well. With focal length f
and the centre c, pixel (c + X, c + Y) in the strip beyond the right border is the neighbour's
pixel (c − f²/X, c + Y·f/X).
"""

import torch
from torch import Tensor

from brushflow.flow.warp import warp

OVERLAP = 1 / 4  # of a face's size, over both sides; between the published 1/6 and 70 of 256


def vr_views(
    picture: Tensor, size: int, top: int, left: int, turns: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The neighbour's strip, the face, the flow from the face into the strip, and its certainty.

    The photograph ``picture`` (3, H, W) is the scene, seen by the face as its window of ``size``
    pixels at (``top``, ``left``). The neighbour lies to the right, after ``turns`` quarter turns
    counter-clockwise at the top, to the left, or at the bottom. Strip (3, size, w) or
    (3, w, size); face (3, size, size); flow (size, size, 2); certainty (1, size, size).
    """
    scene = torch.rot90(picture, -turns, (1, 2))
    top, left = _turned(top, left, size, picture.shape[-2:], turns)
    face = scene[:, top : top + size, left : left + size]
    centre = (size - 1) / 2
    focal = size * (1 - OVERLAP) / 2
    strip = _strip(scene, size, top, left, centre, focal)

    x = torch.arange(size, dtype=torch.float32)
    across, down = torch.meshgrid(x - centre, x - centre, indexing="xy")
    beyond = across > focal
    across = torch.where(beyond, across, 1.0)  # elsewhere the flow means nothing
    target_x = centre - focal**2 / across
    target_y = centre + down * focal / across
    flow = torch.stack([target_x - x, target_y - x[:, None]], dim=2)
    height, width = strip.shape[-2:]
    seen = beyond & (target_x <= width - 1) & (target_y >= 0) & (target_y <= height - 1)
    certainty = torch.rot90(seen.float()[None], turns, (1, 2))
    return (
        torch.rot90(strip, turns, (1, 2)),
        torch.rot90(face, turns, (1, 2)),
        _turned_flow(flow, width - size, turns) * certainty[0, ..., None],
        certainty,
    )


def _strip(scene: Tensor, size: int, top: int, left: int, centre: float, focal: float) -> Tensor:
    """The neighbour's picture, from its left edge to a quarter of its width.

    Where it looks past the photograph it sees the photograph's edge.
    """
    height, width = scene.shape[-2:]
    x = torch.arange(size // 4 + 1, dtype=torch.float32)
    y = torch.arange(size, dtype=torch.float32)[:, None]
    away = focal / (centre - x)  # the way back: X = f²/(c − x), Y = (y − c)·f/(c − x)
    scene_x = (left + centre + focal * away).clamp(0, width - 1)
    scene_y = (top + centre + (y - centre) * away).clamp(0, height - 1)
    flow = torch.stack([(scene_x - x).expand_as(scene_y), scene_y - y], dim=2)
    return warp(scene[None], flow[None])[0]


def _turned(top: int, left: int, size: int, shape: torch.Size, turns: int) -> tuple[int, int]:
    """The window's corner in the picture turned ``turns`` quarters clockwise."""
    height, width = shape
    for _ in range(turns):
        top, left = left, height - size - top
        height, width = width, height
    return top, left


def _turned_flow(flow: Tensor, wider: int, turns: int) -> Tensor:
    """Turn a flow counter-clockwise; ``wider``: width of the picture it points into − its own.

    Positions count from the upper left corner, which is another corner after a turn, so pictures
    of unlike size move against each other.
    """
    across, down = wider, 0
    for _ in range(turns):
        u, v = flow.unbind(2)
        # What was y is x now; what is y now was x, counted from the right.
        flow = torch.rot90(torch.stack([v, across - u], dim=2), 1, (0, 1))
        across, down = down, across
    return flow
