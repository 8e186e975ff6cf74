"""Drift: does a result become darker, flatter or paler with time?

A recurrent network sees its own output again and again, so small errors can add up. No error
between neighbouring frames can see that.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from brushflow.evaluation.flicker import luminance
from brushflow.flow.types import Frame


@dataclass(frozen=True)
class Appearance:
    """One frame in four numbers; samples count in [0, 1].

    ``luminance``: mean of the BT.709 luma Y; ``contrast``: its standard deviation; ``color``: root
    mean square over pixels and channels of the distance from grey, RGB − Y; ``sharpness``: the
    standard deviation of Y's Laplacian (four neighbours minus four times the middle).
    """

    luminance: float
    contrast: float
    color: float
    sharpness: float


def appearance(frame: Frame) -> Appearance:
    """Measure one RGB frame, uint8 or uint16 (H, W, 3)."""
    y = luminance(frame)
    chroma = frame.astype(np.float32) / np.iinfo(frame.dtype).max - y[..., None]
    return Appearance(
        float(y.mean(dtype=np.float64)),
        float(y.std(dtype=np.float64)),
        math.sqrt(np.square(chroma).mean(dtype=np.float64)),
        float(cv2.Laplacian(y, cv2.CV_32F).std(dtype=np.float64)),
    )


def drift_percent(result: Sequence[float], source: Sequence[float], frame_rate: float) -> float:
    """How far a result has moved away from its source: the last second against the second one.

    100·((r_last / s_last) / (r_2 / s_2) − 1) in percent, with r and s the means of result and
    source over that second; 0 is best, negative is darker (flatter, paler). NaN as for
    ``change_percent``.
    """
    count = min(len(result), len(source))
    ours, theirs = (change_percent(v[:count], frame_rate) for v in (result, source))
    # A source that ends in one colour has no contrast but for rounding.
    return 100 * ((100 + ours) / (100 + theirs) - 1) if theirs > -99.999 else math.nan


def change_percent(values: Sequence[float], frame_rate: float) -> float:
    """How the mean of the last second differs from the second one's, in percent of that.

    The first second is left out because a recurrence settles there. A video shorter than three
    seconds is divided into thirds instead. NaN below three frames or where it began black.
    """
    span = min(round(frame_rate), len(values) // 3)
    if span < 1:
        return math.nan
    early, late = np.mean(values[span : 2 * span]), np.mean(values[len(values) - span :])
    return float(100 * (late / early - 1)) if early > 1e-6 else math.nan
