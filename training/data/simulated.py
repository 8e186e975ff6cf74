"""Training sequences made from photographs, with exact flow (Ruder et al. 2018, sec. 5.3).

Moving a window over a picture gives frames whose motion is known, so a video network can learn
from photographs alone. Flows here apply exactly: ``warp(frame k, flow k)`` is frame k+1 wherever
the certainty is 1.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from brushflow.training.data.cube_faces import vr_views

MAX_MOTION = 12  # pixels per step; the video's motion beyond it is covered by occlusion


@dataclass(frozen=True)
class Sequence:
    """Frames in temporal order with the motion between them.

    ``frames``: n+1 tensors (3, H, W), RGB in 0–255; only the first one of a ``vr`` sequence has
    another size. ``flows``: n backward flows (H, W, 2), the k-th lives on frame k+1 and points
    into frame k. ``certainties``: n maps (1, H, W) of 0 and 1.
    """

    frames: list[Tensor]
    flows: list[Tensor]
    certainties: list[Tensor]


Size = tuple[int, int]  # height and width of a window in pixels
# (picture RGB float (3, H, W) at least as large as the window, window size, steps, random)
Source = Callable[[Tensor, Size, int, np.random.Generator], Sequence]


def single_image(picture: Tensor, size: Size, steps: int, random: np.random.Generator) -> Sequence:
    """One frame without a past: teaches the network to stylize where there is no prior."""
    height, width = size
    top, left = place_window(picture, height, width, random)
    return Sequence([picture[:, top : top + height, left : left + width]], [], [])


def shift(picture: Tensor, size: Size, steps: int, random: np.random.Generator) -> Sequence:
    """A window that moves by the same whole number of pixels in every step."""
    reach = round(_reach(picture, size, steps) * random.random())
    dx, dy = (int(d) for d in random.integers(-reach, reach + 1, 2))
    height, width = size
    path_w, path_h = width + abs(dx) * steps, height + abs(dy) * steps
    top, left = place_window(picture, path_h, path_w, random)
    x0 = left + (abs(dx) * steps if dx < 0 else 0)
    y0 = top + (abs(dy) * steps if dy < 0 else 0)
    frames = [
        picture[:, y0 + k * dy : y0 + k * dy + height, x0 + k * dx : x0 + k * dx + width]
        for k in range(steps + 1)
    ]
    flow = torch.tensor([dx, dy], dtype=torch.float32).expand(height, width, 2)
    return Sequence(frames, [flow] * steps, [pointing_inside(flow)] * steps)


def zoom_out(picture: Tensor, size: Size, steps: int, random: np.random.Generator) -> Sequence:
    """A window that grows while all frames keep the same size.

    Each side moves outwards by its own number of pixels per step. Pixel p of frame k lies at
    a_k + p·(w_k − 1)/(width − 1) of the picture (bilinear, corners aligned), so the flow between
    two frames is affine and exact.
    """
    height, width = size
    most = round(min(MAX_MOTION, min(size) // max(1, 6 * steps)) * random.random())
    left_out, right_out, top_out, bottom_out = (int(d) for d in random.integers(0, most + 1, 4))
    top, left = place_window(picture, height, width, random)
    frames, windows = [], []
    for k in range(steps + 1):
        shrink = steps - k
        x, y = left + left_out * shrink, top + top_out * shrink
        w, h = width - (left_out + right_out) * shrink, height - (top_out + bottom_out) * shrink
        crop = picture[None, :, y : y + h, x : x + w]
        frames.append(F.interpolate(crop, size, mode="bilinear", align_corners=True)[0])
        windows.append((x, w, y, h))
    flows = []
    across, down = (torch.arange(side, dtype=torch.float32) for side in (width, height))
    for (x0, w0, y0, h0), (x1, w1, y1, h1) in pairwise(windows):
        u = (x1 - x0 + across * (w1 - 1) / (width - 1)) * (width - 1) / (w0 - 1) - across
        v = (y1 - y0 + down * (h1 - 1) / (height - 1)) * (height - 1) / (h0 - 1) - down
        flows.append(torch.stack([u.expand(size), v[:, None].expand(size)], dim=2))
    return Sequence(frames, flows, [pointing_inside(flow) for flow in flows])


def vr(picture: Tensor, size: int, turns: int, random: np.random.Generator) -> Sequence:
    """A face of a cube after the strip of its neighbour that looks at the same part of the scene.

    One step only (Ruder et al. 2018, sec. 5.4; REFERENCE E3). The neighbour lies to the right,
    turned by ``turns`` quarters counter-clockwise.
    """
    top, left = place_window(picture, size, size, random)
    strip, face, flow, certainty = vr_views(picture, size, top, left, turns)
    return Sequence([strip, face], [flow], [certainty])


SOURCES: dict[str, Source] = {
    "single_image": single_image,
    "shift": shift,
    "zoom_out": zoom_out,
}


def place_window(
    picture: Tensor, height: int, width: int, random: np.random.Generator
) -> tuple[int, int]:
    """Row and column of the top left corner of a random window of this size."""
    rows, columns = picture.shape[-2:]
    return int(random.integers(0, rows - height + 1)), int(random.integers(0, columns - width + 1))


def pointing_inside(flow: Tensor) -> Tensor:
    """(1, H, W): 1 where the flow (H, W, 2) points into the picture, as the consistency check says.

    That rule asks for the pixels right of and below the target too, so the last column and row
    are never certain; the network must meet here what it will meet there. A thousandth forgives
    rounding.
    """
    h, w = flow.shape[:2]
    x = torch.arange(w) + flow[..., 0]
    y = torch.arange(h)[:, None] + flow[..., 1]
    inside = (x > -1e-3) & (x < w - 1 - 1e-3) & (y > -1e-3) & (y < h - 1 - 1e-3)
    return inside.float()[None]


def with_holes(certainty: Tensor, random: np.random.Generator) -> Tensor:
    """Hide nothing, up to two rectangles, scattered blobs as real maps have them, or both.

    So the network learns to repaint inside the picture, where its neighbourhood is known. Sizes
    reach down to a few pixels: instance norm amplifies what is rare in a picture, and a network
    that knows large holes only paints small ones in glaring colours.
    """
    certainty = certainty.clone()
    h, w = certainty.shape[-2:]
    if random.random() < 0.5:
        for _ in range(random.integers(1, 3)):
            hole_h, hole_w = (int(side / random.uniform(1.8, 4.9) ** 2) for side in (h, w))
            y, x = int(random.integers(0, h - hole_h + 1)), int(random.integers(0, w - hole_w + 1))
            certainty[:, y : y + hole_h, x : x + hole_w] = 0
    if random.random() < 0.5:
        coarse = random.standard_normal((1, 1, 2 + h // 12, 2 + w // 12), np.float32)
        blobs = F.interpolate(torch.from_numpy(coarse), (h, w), mode="bilinear")[0]
        certainty[blobs > random.uniform(1.0, 2.2)] = 0
    return certainty


def _reach(picture: Tensor, size: Size, steps: int) -> int:
    room = min(side - least for side, least in zip(picture.shape[-2:], size, strict=True))
    return min(MAX_MOTION, room // max(1, steps))
