"""High-frequency flicker: how much a result trembles where its source stands still.

No flow is needed there, so this sees what motion estimation would excuse. Per pixel the temporal
spectrum of the luminance is taken over windows of eight frames; changes that come and go within
about two and a half frames are flicker, slower ones are light and motion.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from brushflow.flow.types import Frame

WINDOW = 8
HOP = 4
# The source stands still where its blurred luminance keeps within this in a window.
STILL = 3 / 255
# A window with a smaller share of still pixels says nothing: single pixels are chance.
SMALLEST_SHARE = 0.005
_LUMA = np.array([[0.2126, 0.7152, 0.0722]], np.float32)  # BT.709

# Squared projections on these rows sum to the power in bins 3, 4 and 5 of eight under a Hann
# window (5 is the mirror image of 3), so that a sine of amplitude a at half the frame rate, the
# fastest there is, has power a², and a sine of period 8 or a constant has none.
_TIMES = np.arange(WINDOW)
_HANN = np.sqrt(8 / 3) * np.sin(np.pi * _TIMES / WINDOW) ** 2 / WINDOW
_BASIS = np.stack(
    [
        np.sqrt(2) * _HANN * np.cos(2 * np.pi * 3 * _TIMES / WINDOW),
        np.sqrt(2) * _HANN * np.sin(2 * np.pi * 3 * _TIMES / WINDOW),
        _HANN * np.cos(np.pi * _TIMES),
    ]
).astype(np.float32)


def luminance(frame: Frame) -> NDArray[np.float32]:
    """BT.709 luma of RGB (H, W, 3) as stored, without linearization; float32 (H, W) in [0, 1]."""
    scaled = frame.astype(np.float32) / np.iinfo(frame.dtype).max
    return np.asarray(cv2.transform(scaled, _LUMA), np.float32)


def still_region(window: Sequence[NDArray[np.float32]]) -> NDArray[np.bool_]:
    """Where a source stands still over a window of luminances (H, W); bool (H, W).

    The luminance, averaged over 5×5 pixels against noise, keeps within 3 of 255 grey levels.
    """
    blurred = [cv2.blur(values, (5, 5)) for values in window]
    return np.maximum.reduce(blurred) - np.minimum.reduce(blurred) <= STILL


def fast_power(window: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Power of fast changes per pixel; float32 (H, W) ≥ 0, squared luminance.

    P = Σ_{k=3..5} |Σ_t h(t) y(t) e^{−2πikt/8}|² / (8 Σ h²), h the periodic Hann window: the share
    of the mean square above 5/16 cycles per frame (Welch's estimate, bins 3 to 5 of eight).
    """
    stack = np.stack(window).reshape(WINDOW, -1)
    return np.square(_BASIS @ stack).sum(axis=0).reshape(window[0].shape)


def flicker(window: Sequence[NDArray[np.float32]], still: NDArray[np.bool_]) -> float:
    """√ of the mean of ``fast_power`` over the still region, in [0, 1]; NaN if too little is still.

    A luminance that alternates between m − a and m + a every frame gives a; independent noise of
    standard deviation σ gives about 0.6 σ.
    """
    if still.mean() < SMALLEST_SHARE:
        return float("nan")
    return float(np.sqrt(fast_power(window)[still].mean(dtype=np.float64)))
