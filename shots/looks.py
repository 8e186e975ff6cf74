"""Films as they are: the picture within its bars and at full light, and back again.

A network with instance normalization is blind to a gain, so what fades is painted as at full light
and faded again; bars are none of the painting.
"""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

import cv2
import numpy as np

from brushflow.shots.bars import NO_BARS, Sides
from brushflow.shots.fades import LEAST_GAIN
from brushflow.shots.scan import Scan

# Gain that a frame is lit up by at most; beyond, its noise would be what is painted.
_DARKEST = 1 / 12
# Standard deviations, of 255, of a frame that has nothing to paint, and of one that is a picture.
_FLAT, _PICTURE = 2.0, 10.0
_EVERY = 4  # of how many rows one is looked at


@dataclass(frozen=True)
class Look:
    """How a film shows a picture.

    ``bars``: rows and columns at the top, bottom, left and right; inside them the picture times
    ``gain``, plus ``colour`` (RGB, 0–255) times the rest. ``mixed``: two shots at once.
    """

    bars: Sides = NO_BARS
    gain: float = 1.0
    colour: tuple[float, float, float] = (0.0, 0.0, 0.0)
    mixed: bool = False

    def picture(self, frame: np.ndarray) -> np.ndarray:
        """What is to be painted of a frame, uint8 or uint16 (H, W, 3); contiguous."""
        inside = np.ascontiguousarray(self._inside(frame))
        if self.gain == 1:
            return inside
        top = np.iinfo(frame.dtype).max
        gain = np.float32(max(self.gain, _DARKEST))
        lit = (inside - (1 - gain) * self._colour(top)) / gain
        return np.clip(lit + 0.5, 0, top).astype(frame.dtype)

    def shown(self, painting: np.ndarray, frame: np.ndarray) -> np.ndarray:
        """A painting of ``picture(frame)`` as the film would show it, of the frame's size."""
        if self.gain < 1:
            top = np.iinfo(frame.dtype).max
            gain = np.float32(self.gain)
            faded = painting * gain + (1 - gain) * self._colour(top)
            painting = np.clip(faded + 0.5, 0, top).astype(frame.dtype)
        if not any(self.bars):
            return painting
        whole = frame.copy()
        self._inside(whole)[:] = painting
        return whole

    def _inside(self, frame: np.ndarray) -> np.ndarray:
        top, bottom, left, right = self.bars
        height, width = frame.shape[:2]
        return frame[top : height - bottom, left : width - right]

    def _colour(self, top: int) -> np.ndarray:
        return np.array(self.colour, np.float32) * np.float32(top / 255)


AS_IT_IS = Look()
# The look of the frame with an index.
Looks = Callable[[int], Look]


def plain_look(index: int) -> Look:
    """Every frame is all picture."""
    return AS_IT_IS


def looks_of(scan: Scan, source: tuple[int, int], size: tuple[int, int]) -> Looks:
    """What the scan of frames of size ``source`` says of them, read at ``size`` (width, height)."""
    starts = [first for first, _ in scan.bars]
    by_start = [scaled(sides, source, size) for _, sides in scan.bars]
    lights = {
        fade.first + number: (gain, fade.colour)
        for fade in scan.fades
        for number, gain in enumerate(fade.gains)
        if LEAST_GAIN <= gain < 1
    }

    def look(index: int) -> Look:
        place = bisect_right(starts, index) - 1
        bars = by_start[place] if place >= 0 else NO_BARS
        gain, colour = lights.get(index, (1.0, AS_IT_IS.colour))
        mixed = any(first <= index <= last for first, last in scan.dissolves)
        return Look(bars, gain, colour, mixed)

    return look


def contents(frame: np.ndarray) -> float:
    """How far a frame is a picture, from 0, all of one colour but for a few pixels, to 1.

    Networks with instance normalization see no contrast: they turn what little noise a black
    frame has into glaring strokes.

    Args:
        frame: uint8 or uint16 (..., W, 3); several faces are one frame.
    """
    rows = frame.reshape(-1, *frame.shape[-2:])[::_EVERY]
    deviation = cv2.meanStdDev(rows)[1].max()
    deviation *= 255 / np.iinfo(frame.dtype).max
    return float(np.clip((deviation - _FLAT) / (_PICTURE - _FLAT), 0, 1))


def scaled(sides: Sides, source: tuple[int, int], size: tuple[int, int]) -> Sides:
    """Bars as wide in frames of another size; a line that is half picture is a bar's."""
    down, across = size[1] / source[1], size[0] / source[0]
    top, bottom, left, right = (
        # Not by a hair more than exact.
        ceil(side * scale - 1e-6)
        for side, scale in zip(sides, (down, down, across, across), strict=True)
    )
    return top, bottom, left, right
