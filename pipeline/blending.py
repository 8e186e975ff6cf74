"""A painting beside an older one of the same frame: both mixed, and whether they still fit."""

from collections.abc import Sequence

import cv2
import torch
from torch import Tensor
from torch.nn import functional as F

_NEAR = 16  # pixels over which strokes have their contrast, and a place its colour
_ALIKE = 1.0  # squared grey levels of contrast; what has less is taken to be alike
# Levels by which a place's mean colour may differ from what it would be painted in now. Forgotten
# by and by, an older painting would come back whenever a younger one that shows some of the new
# fills up what it lacks.
_STALE = 24.0
_ROUND = 3  # cells of ``_NEAR`` pixels that the colour of a place is a mean of
_FAINT = 1e-3  # of sight; with less of it there is nothing to compare


def blended(fresh: Tensor, carried: Tensor, share: Tensor) -> Tensor:
    """A painting with a ``share`` of another of the same frame, as rich in contrast as they are.

    The mean of two patterns of strokes that differ is softer than either, and would be so anew with
    every frame that it is carried to. Of patterns of one variance whose correlation is r, a mix
    with the share s has 1 - 2s(1 - s)(1 - r) of it; so the contrast around each pixel is divided
    by the root of that (blends of textures: Heitz and Neyret 2018, sec. 3).

    Args:
        fresh, carried: (N, 3, H, W); ``share``: of ``carried``, (N, 1, H, W) in [0, 1].
    """
    mixed = torch.lerp(fresh, carried, share)
    # Every second pixel of every second row tells as much of contrast, in a quarter of the time.
    one, other = (picture[..., ::2, ::2].mean(1, keepdim=True) for picture in (fresh, carried))
    size = fresh.shape[-2:]
    cells = [max(1, side // _NEAR) for side in size]
    mean, mean_of_other = _blocks(one, cells), _blocks(other, cells)
    variance = _blocks(one * one, cells) - mean * mean
    variance_of_other = _blocks(other * other, cells) - mean_of_other * mean_of_other
    common = _blocks(one * other, cells) - mean * mean_of_other
    deviations = (variance * variance_of_other).clamp(min=0).sqrt()
    apart = 1 - ((common + _ALIKE) / (deviations + _ALIKE)).clamp(0, 1)
    kept = 1 - 2 * share * (1 - share) * enlarged(apart, size)
    around = enlarged(_blocks(mixed[..., ::2, ::2], cells), size)
    return torch.lerp(around, mixed, kept.rsqrt_())


def fitting(held: Tensor, fresh: Tensor, sight: Tensor) -> Tensor:
    """Where what is held of a painting still is what would be painted now, by cells.

    A network paints by what all of the picture looks like. When a bright sky has left, the ground
    is painted lighter; beside what is held of it, what comes to light behind a thing that moves
    would be a pale trail.

    Args:
        held, fresh: (N, 3, H, W); ``sight``: where ``held`` is shown, (N, 1, H, W) in [0, 1].

    Returns:
        (N, 1, rows, columns), 1 where it is or nothing is held, else 0.
    """
    cells = [max(1, side // _NEAR) for side in held.shape[-2:]]
    held, fresh, sight = (picture[..., ::2, ::2] for picture in (held, fresh, sight))
    sums = _blocks(torch.cat([(fresh - held) * sight, sight], 1), cells)
    sums = F.avg_pool2d(sums, _ROUND, 1, _ROUND // 2)
    apart = (sums[:, :3] / (sums[:, 3:] + _FAINT)).abs().amax(1, keepdim=True)
    return (apart < _STALE).to(apart)


def _blocks(picture: Tensor, cells: Sequence[int]) -> Tensor:
    """Means of so many cells of it, (N, C, rows, columns)."""
    return F.interpolate(picture, list(cells), mode="area")


def enlarged(blocks: Tensor, size: torch.Size) -> Tensor:
    """Blocks (N, C, h, w) as a picture (N, C, H, W) that is smooth."""
    height, width = size
    if blocks.device.type != "cpu":
        return F.interpolate(blocks, (height, width), mode="bilinear")
    # In a third of PyTorch's time.
    picture = blocks.new_empty(*blocks.shape[:2], height, width)
    for plane, target in zip(
        blocks.flatten(0, 1).numpy(), picture.flatten(0, 1).numpy(), strict=True
    ):
        cv2.resize(plane, (width, height), target, interpolation=cv2.INTER_LINEAR)
    return picture
