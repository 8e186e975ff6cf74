"""Which pixels may keep their painting although the flow cannot be believed."""

import cv2
import numpy as np

from brushflow.flow.borders import stays_inside
from brushflow.flow.warp import warp_array

_WINDOW = 9  # pixels that a colour is averaged over, in both directions
_LIMIT = 16.0  # of 255, in each channel


def rescue(
    reliability: np.ndarray, flow: np.ndarray, frame: np.ndarray, previous: np.ndarray
) -> np.ndarray:
    """Count as reliable, too, what looks as it did where the flow points.

    On water, glass, smoke or a plain wall no flow is consistent, and yet nothing new comes to
    light: the mean colour of a window around the pixel is that of the window it is said to come
    from. A painting that is carried along there stays a painting of the same thing, while a hole
    in the prior is painted anew in every frame, and flickers. Where something was hidden, or hides
    something else now, colours differ. This is ours, not the published systems'.

    Args:
        reliability: float32 (H, W) in [0, 1], 1 = reliable.
        flow: float32 (H, W, 2) in pixels, (x, y), from ``frame`` into ``previous``.
        frame, previous: uint8 or uint16 (H, W, 3).

    Returns:
        float32 (H, W) in [0, 1], nowhere less than ``reliability``; unchanged where the flow
        leaves the picture.
    """
    inside = stays_inside(flow)
    change = cv2.subtract(warp_array(previous.astype(np.float32), flow), frame, dtype=cv2.CV_32F)
    change[~inside] = 0  # and what is no number would spread
    change = cv2.blur(change, (_WINDOW, _WINDOW), dst=change)
    limit = _LIMIT / 255 * np.iinfo(frame.dtype).max
    alike = cv2.inRange(change, (-limit,) * 3, (limit,) * 3) != 0
    return np.maximum(reliability, (alike & inside).astype(np.float32))
