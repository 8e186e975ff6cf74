"""Which size can be painted fast enough, found by painting."""

import time
from collections.abc import Callable, Sequence
from statistics import median

import numpy as np

from brushflow.common.sizes import fit_size, resized
from brushflow.shots.looks import contents

# Longest sides in pixels, a quarter to a third apart.
SIZES = (128, 160, 192, 256, 320, 400, 512, 640, 800, 960, 1280, 1600, 1920)
# Of a frame's time; the rest is for the window, the recording, and a busy moment.
SHARE = 0.8
_WARM_UP = 2  # the first frame has no prior, the second is the first to be like all others
_TIMED = 3


def within(frame: np.ndarray, longest: int) -> np.ndarray:
    """A frame (H, W, C) shrunk so that its longest side is at most this, with even sides."""
    height, width = frame.shape[:2]
    return resized(frame, fit_size((width, height), longest // 2 * 2, step=2))


def choose_size(
    frame: np.ndarray,
    paint: Callable[[np.ndarray], object],
    fps: float,
    sizes: Sequence[int] = SIZES,
) -> tuple[int, float]:
    """The longest side of the largest size that holds ``fps``, and its seconds per frame.

    ``frame`` is one of the device's. Sizes are tried from the smallest on, which is taken if none
    is fast enough; none is larger than the frame.
    """
    if contents(frame) == 0:  # which takes less time, and cameras often begin black
        frame = np.random.default_rng(0).integers(0, 256, frame.shape, np.uint8)
    longest = max(frame.shape[:2])
    tried = [*(size for size in sizes if size < longest), longest]
    chosen = None
    for size in tried:
        seconds = _seconds_per_frame(within(frame, size), paint)
        if chosen is not None and seconds > SHARE / fps:
            break
        chosen = (size, seconds)
        if seconds > SHARE / fps:
            break
    assert chosen is not None
    return chosen


def _seconds_per_frame(frame: np.ndarray, paint: Callable[[np.ndarray], object]) -> float:
    times = []
    for count in range(_WARM_UP + _TIMED):
        moved = np.roll(frame, 2 * count, axis=1)  # something for the optical flow to find
        began = time.perf_counter()
        paint(moved)
        times.append(time.perf_counter() - began)
    return median(times[_WARM_UP:])
