"""Scores of the painted faces of spherical frames, as the original program means to give them."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from brushflow.evaluation.frame_scores import NAMES as FLAT_NAMES
from brushflow.evaluation.frame_scores import FrameScores, output_of, temporal_error
from brushflow.evaluation.score_table import Key, Row
from brushflow.models import preprocess, to_rgb
from brushflow.occlusion.motion import Motion
from brushflow.pipeline.stylizer import Stylized
from brushflow.spherical import Cube, Overlaps

NAMES = ("gradx", "grady", "gradmag", "edge", *FLAT_NAMES)


class FaceScores(FrameScores):
    """Scores six faces as they are painted and keeps a table of them in a file (REFERENCE D5).

    A row per frame and face: three ratios of gradients, see ``border_gradients``; ``edge``, see
    ``edge_error``; and what ``FrameScores`` has for flat frames.

    Args:
        numbers: those of the faces in file names, in the order of ``FACES``.
        overlap: what a face sees too much across and down, in pixels, see ``Cube``.
        motion: as for ``FrameScores``, but of six faces.
        Others as for ``FrameScores``.
    """

    keys = ("frame", "face")
    names = NAMES

    def __init__(self, *arguments: Any, numbers: tuple[int, ...], overlap: tuple[int, int]) -> None:
        super().__init__(*arguments)
        self.numbers = numbers
        self.overlap = overlap
        self.overlaps: Overlaps | None = None

    def _scores(self, stylized: Stylized) -> dict[Key, Row]:
        outputs = output_of(stylized).to(self.device)
        if self.overlaps is None:
            (height, width), (across, down) = outputs.shape[-2:], self.overlap
            cube = Cube(width, across, height, down, turned_poles=True)
            self.overlaps = Overlaps(cube, self.device)
        return {
            (stylized.index, number): [
                *border_gradients(outputs[face, None], *(side // 2 for side in self.overlap)),
                edge_error(outputs, face, self.overlaps),
                *map(float, self.losses(outputs[face, None], preprocess(picture, self.device))),
            ]
            for face, (number, picture) in enumerate(zip(self.numbers, stylized.frame, strict=True))
        }

    def _temporal(
        self, earlier: Stylized, later: Stylized, motion: Sequence[Motion]
    ) -> dict[Key, float]:
        faces = zip(output_of(earlier).split(1), output_of(later).split(1), motion, strict=True)
        errors = [temporal_error(y, z, moved, self.forward) for y, z, moved in faces]
        keys = [(later.index, number) for number in self.numbers]
        return dict(zip(keys, errors, strict=True))


def border_gradients(face: Tensor, across: int, down: int) -> tuple[float, float, float]:
    """Mean absolute central differences at a face's borders over those in all of it; 1 is no seam.

    Horizontal ones at the left and right border, vertical ones at the upper and lower border, and
    the length of both at all four. A border lies between two pixels, and both count.

    Args:
        face: (1, 3, H, W).
        across, down: pixels of it that belong to the neighbours, on each side.
    """
    right = (face[..., 1:-1, 2:] - face[..., 1:-1, :-2]).abs() / 2
    below = (face[..., 2:, 1:-1] - face[..., :-2, 1:-1]).abs() / 2
    length = torch.hypot(right, below)
    (near_column, within_columns), (near_row, within_rows) = (
        _border_places(side, margin, face.device)
        for side, margin in ((face.shape[-1], across), (face.shape[-2], down))
    )
    columns = near_column & within_rows[:, None]
    rows = near_row[:, None] & within_columns
    each = ((right, columns), (below, rows), (length, columns | rows))
    horizontal, vertical, both = (
        float(x[..., here].mean() / x.mean().clamp(min=1e-9)) for x, here in each
    )
    return horizontal, vertical, both


def _border_places(side: int, margin: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Which pixels along an axis are at a border, and which in the true face; bool (side - 2,)."""
    place = torch.arange(1, side - 1, device=device)  # the outermost have no difference
    last = side - margin
    near = (place - margin + 0.5).abs().minimum((place - last + 0.5).abs()) < 1
    return near, (place >= margin - 1) & (place <= last)


def edge_error(faces: Tensor, face: int, overlaps: Overlaps) -> float:
    """Mean squared difference of the pixels on both sides of a true face's four edges.

    The outermost pixels of the face without its margin are compared with the neighbours' painting
    of the pixels next to them, as they adjoin in the finished picture. RGB in [0, 1].

    Args:
        faces: (6, 3, H, W), in network space.
        face: index of the one whose edges are compared.
        overlaps: of these faces.
    """
    rgb = to_rgb(faces) / 255
    around, _ = overlaps.seen(face, dict(enumerate(rgb.split(1))))
    across, down = (overlaps.cube.overlaps // 2).tolist()
    width, height = overlaps.cube.sides.tolist()
    columns, rows = slice(across, width - across), slice(down, height - down)
    squares = [
        (own[..., line, inside] - beside[..., line + step, inside]).square().mean()
        for own, beside, side, margin, inside in (
            (rgb[face], around[0], height, down, columns),
            (rgb[face].mT, around[0].mT, width, across, rows),
        )
        for line, step in ((margin, -1), (side - margin - 1, 1))
    ]
    return float(torch.stack(squares).mean())
