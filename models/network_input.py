"""What a network sees of a frame, put together for painting and for training alike.

A network paints well what it has learned from, so both show it the same: the frame; the painting
before, moved to it, times the certainty; and the certainty (Ruder et al. 2018, sec. 5.1).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from brushflow.models.preprocessing import from_rgb

FILLS = ("mean", "noise", "clouds")  # what stands where nothing is certain
_TILE = 512  # pixels after which clouds repeat
_WIDEST = 16.0  # pixels of the longest wave in clouds; longer ones are patches that follow nothing
_CONTRAST = 60.0  # their standard deviation in grey levels
_CELL = 16  # pixels of a side; a cell of clouds moves as a whole: stretched, they would be patches
# Of what is certain, beside clouds. A network that is shown nothing but its own painting paints
# that plainer every time, and after ten frames the strokes are gone.
_BELIEVED = 0.25


@dataclass(frozen=True)
class Filling:
    """What stands where nothing is certain.

    ``give``: of pictures (N, 3, H, W) and their drift (see ``input_for``), something of their
    shape; ``believed``: the most that anything is certain, so that some of this stands everywhere.
    """

    give: Callable[[Tensor, Tensor | None], Tensor]
    believed: float = 1.0


def input_for(
    channels: int,
    frame: Tensor,
    prior: Tensor | None = None,
    certainty: Tensor | None = None,
    before: Tensor | None = None,
    fill: Filling | None = None,
    drift: Tensor | None = None,
) -> Tensor:
    """What a network with so many input channels sees, (N, channels, H, W).

    Args:
        channels: 3, the frame alone; 6, also the painting before as it is (Xu et al. 2021); 7, also
            what is known of the frame's painting and how certain that is.
        frame: (N, 3, H, W) in network space, as all pictures are.
        prior, certainty: (N, 3, H, W), and (N, 1, H, W) in [0, 1]; None: nothing is known.
        before: (N, 3, H, W), zeros where there is none of the frame's size.
        fill: stands where nothing is certain, in place of the mean colour, which is 0.
        drift: way from each pixel to where what it shows was in the shot's first frame, in pixels
            of its own grid, (N, h, w, 2) on any device; None: nowhere else.
    """
    if channels == 3:
        return frame
    if channels == 6:
        if before is None or before.shape != frame.shape:
            before = torch.zeros_like(frame)
        return torch.cat([frame, before], 1)
    if prior is None or certainty is None:
        prior, certainty = torch.zeros_like(frame), torch.zeros_like(frame[:, :1])
    if fill is None:
        return torch.cat([frame, prior * certainty, certainty], 1)
    certainty = fill.believed * certainty
    return torch.cat([frame, torch.lerp(fill.give(frame, drift), prior, certainty), certainty], 1)


def uniform_noise(like: Tensor, random: np.random.Generator) -> Tensor:
    """Noise in network space of the shape and on the device of ``like``, (N, 3, H, W).

    In RGB it is uniform over all of 0–255, fractions and all, as the original programs fill.
    """
    rgb = random.random(tuple(like.shape), np.float32) * 255
    return from_rgb(torch.from_numpy(rgb)).to(like.device)


def filling(kind: str, random: np.random.Generator) -> Filling | None:
    """One of ``FILLS``; None for the mean colour. ``random`` draws noise, or the clouds' place.

    A network gives what looks alike the same paint, so on a plain wall it can but weave. Noise is
    what its strokes begin from there (Ulyanov et al. 2016, sec. 3.1): clouds, with as much of it at
    every size of strokes. They lie on what is seen, and move as it does, so that what is painted
    anew gets the strokes that it had.
    """
    if kind == "noise":
        return Filling(lambda like, drift: uniform_noise(like, random))
    if kind == "clouds":
        top, left = random.integers(_TILE, size=2).tolist()
        return Filling(lambda like, drift: _clouds(like, top, left, drift), _BELIEVED)
    return None


def _clouds(like: Tensor, top: int, left: int, drift: Tensor | None) -> Tensor:
    """A window of the clouds of the shape and on the device of ``like``, (N, 3, H, W)."""
    count, _, height, width = like.shape
    drift = torch.zeros(1, 1, 1, 2) if drift is None else drift
    drift = drift.to(like.device)
    rows, columns = (torch.arange(0, side, _CELL, device=like.device) for side in (height, width))
    grid = drift.shape[1:3]
    down, across = (
        ((2 * start + _CELL) * here // (2 * side)).clamp(max=here - 1)
        for start, here, side in zip((rows, columns), grid, (height, width), strict=True)
    )
    came = drift[:, down[:, None], across]
    came = (came * came.new_tensor([width / grid[1], height / grid[0]])).round().long()
    y = (rows[:, None] + top + came[..., 1]) % _TILE
    x = (columns + left + came[..., 0]) % _TILE
    sky = _endless(like.device)
    across_all = sky.shape[-1]
    within = torch.arange(_CELL, device=like.device)
    within = within[:, None, None] * across_all + within  # (_CELL, 1, _CELL)
    places = (y * across_all + x)[:, :, None, :, None] + within
    whole = sky.flatten(1).index_select(1, places.flatten())
    whole = whole.view(3, -1, len(rows) * _CELL, len(columns) * _CELL).transpose(0, 1)
    return whole[..., :height, :width].expand(count, -1, -1, -1)


@lru_cache(maxsize=2)
def _endless(device: torch.device) -> Tensor:
    """The clouds with as much of them again as a cell reaches beyond their border, (3, S, S)."""
    return F.pad(torch.from_numpy(_sky()), (0, _CELL - 1, 0, _CELL - 1), "circular").to(device)


@lru_cache(maxsize=1)
def _sky() -> np.ndarray:
    """Noise of the same energy in every octave, endless: float32 (3, _TILE, _TILE), of mean 0."""
    white = np.fft.rfft2(np.random.default_rng(0).standard_normal((3, _TILE, _TILE)))
    frequency = np.hypot(np.fft.fftfreq(_TILE)[:, None], np.fft.rfftfreq(_TILE))
    white[:, 0, 0] = 0
    sky = np.fft.irfft2(white / np.maximum(frequency, 1 / _WIDEST), (_TILE, _TILE))
    return (sky * (_CONTRAST / sky.std())).astype(np.float32)
