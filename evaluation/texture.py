"""What a painting makes of flat areas: strokes, or the hatch, dots or weave of a network."""

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from brushflow.evaluation.flicker import luminance
from brushflow.flow.types import Frame

_WINDOW, _STEP = 16, 8  # pixels
_BLUR = 4.0  # pixels; what is finer does not make an area uneven
_EVEN = 3.0  # grey levels, the deviation within a window of what is left
_QUARTER = 0.25  # of the sampling rate, in cycles per pixel


def flat_windows(frame: Frame) -> np.ndarray:
    """Which windows of 16×16 pixels, every 8, are flat but for fine texture; bool (h, w)."""
    coarse = cv2.GaussianBlur(255 * luminance(frame), (0, 0), _BLUR)
    return _windows(coarse).std((2, 3)) < _EVEN


def fine_energy(frame: Frame, where: np.ndarray) -> float:
    """Mean power of the luma above a quarter of the sampling rate, in squared grey levels.

    ``frame``: (H, W, 3); ``where``: bool (windows down, windows across), ``flat_windows`` of it or
    of its source. By a spectrum of those windows under Hann's; NaN where there are none.
    """
    if not where.any():
        return float("nan")
    taper = np.outer(*2 * (np.hanning(_WINDOW + 2)[1:-1],))
    windows = _windows(255 * luminance(frame))[where]
    windows = (windows - windows.mean((1, 2), keepdims=True)) * taper
    power = np.abs(np.fft.fft2(windows)) ** 2 / (_WINDOW**2 * np.square(taper).sum())
    frequency = np.abs(np.fft.fftfreq(_WINDOW))
    fine = np.maximum(frequency, frequency[:, None]) > _QUARTER
    return float(power[:, fine].sum(1).mean())


def stroke_contrast(frame: Frame, where: np.ndarray) -> float:
    """The deviation of the luma within windows, in grey levels; those as for ``fine_energy``."""
    if not where.any():
        return float("nan")
    return float(np.sqrt(_windows(255 * luminance(frame))[where].var((1, 2)).mean()))


def _windows(picture: np.ndarray) -> np.ndarray:
    return sliding_window_view(picture, (_WINDOW, _WINDOW))[::_STEP, ::_STEP]
