"""Which flow is believed by what is seen where it points, whatever consistency says."""

import cv2
import numpy as np

from brushflow.flow.borders import stays_inside
from brushflow.flow.warp import warp_array

# Pixels of a window that colours are averaged over, in both directions, and grey levels, of 255,
# that its mean changes by, in any channel: up to the one it is the same thing, above the other not.
_ALIKE, _LEAST_CHANGE = 9, 16.0
_OTHER, _MOST_CHANGE = 5, 24.0


def by_looks(
    reliability: np.ndarray, flow: np.ndarray, frame: np.ndarray, previous: np.ndarray
) -> np.ndarray:
    """Count as reliable what looks as it did where the flow points, and not what looks otherwise.

    On water, glass, smoke or a plain wall no flow is consistent, and yet nothing new comes to
    light: the mean colour of a window around the pixel is that of the window it is said to come
    from. A painting that is carried along there stays a painting of the same thing, while a hole
    in the prior is painted anew in every frame, and flickers. Where something was hidden, or hides
    something else now, colours differ.

    And what is small and fast is not found: in both directions flow is that of the ground behind
    it, which is consistent, and the ground's painting would be carried over the thing. There the
    colours of a small window differ. This is ours, not the published systems'.

    Args:
        reliability: float32 (H, W) in [0, 1], 1 = reliable.
        flow: float32 (H, W, 2) in pixels, (x, y), from ``frame`` into ``previous``.
        frame, previous: uint8 or uint16 (H, W, 3).

    Returns:
        float32 (H, W) in [0, 1]; no more than ``reliability`` where the flow leaves the picture.
    """
    inside = stays_inside(flow)
    change = cv2.subtract(warp_array(previous.astype(np.float32), flow), frame, dtype=cv2.CV_32F)
    change[~inside] = 0  # and what is no number would spread
    level = np.iinfo(frame.dtype).max / 255
    alike = inside & _within(change, _ALIKE, _LEAST_CHANGE * level)
    known = np.maximum(reliability, alike.astype(np.float32))
    known *= _within(change, _OTHER, _MOST_CHANGE * level)
    return known


def _within(change: np.ndarray, window: int, limit: float) -> np.ndarray:
    """Where the mean change (H, W, 3) in a window is no larger than the limit; bool (H, W)."""
    mean = cv2.blur(change, (window, window))
    return cv2.inRange(mean, (-limit,) * 3, (limit,) * 3) != 0
