"""Strokes belong to the picture: a network's are so many pixels wide, fine grain on a large frame.

Painted at 1/N of the size they are N times as wide, at a fraction of the work; the painting is
brought to full size with the source's contours.
"""

import cv2
import numpy as np

from brushflow.common.sizes import resized

USUAL_HEIGHT = 480  # pixels of the shorter side; strokes as wide as on this look right on any
FINEST, COARSEST = 0.5, 6.0
_RADIUS = 2  # pixels of the window in which a painting is fitted to the source
_EPSILON = 40.0  # squared grey levels; contrast well below it is no contour


def stroke_for(size: tuple[int, int], stroke: float | None) -> float:
    """How many times as wide strokes are to be on frames of ``size``; None: as on any other."""
    if stroke is not None:
        return stroke
    return min(COARSEST, max(1.0, min(size) / USUAL_HEIGHT))


def painted_size(size: tuple[int, int], stroke: float) -> tuple[int, int]:
    """(width, height) at which frames of ``size`` are painted, even numbers; as it is for 1."""
    if stroke == 1:
        return size
    width, height = (max(2, round(side / stroke / 2) * 2) for side in size)
    return width, height


def at_full_size(painting: np.ndarray, seen: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """A painting with the contours of the frame that is larger than it.

    In a small window the painting is fitted by a line to the brightness of what was painted; the
    line's slope and offset are enlarged and applied to the frame's brightness (guided filter: He
    et al. 2013; enlarged: He and Sun 2015). What the fit leaves, the strokes, is enlarged as it
    is. So colours are the painting's, contours the source's, and where the source is flat nothing
    of it shows. A frame no larger than the painting gets the painting, resized.

    Args:
        painting: RGB (h, w, 3); ``seen``: (h, w, 3), what it is a painting of; ``frame``:
            (H, W, 3), the same at full size. uint8 or uint16, all alike.

    Returns:
        (H, W, 3) of that type.
    """
    height, width = frame.shape[:2]
    if width < painting.shape[1]:
        return resized(painting, (width, height))
    scale = np.iinfo(frame.dtype).max / 255
    guide, full = (
        cv2.cvtColor(f, cv2.COLOR_RGB2GRAY).astype(np.float32) / np.float32(scale)
        for f in (seen, frame)
    )
    mean, variance = _box(guide), _box(guide * guide)
    variance -= mean * mean
    depth = cv2.CV_8U if frame.dtype == np.uint8 else cv2.CV_16U
    planes = []
    for colour in cv2.split(painting):  # plane by plane, as what OpenCV does to one is quickest
        plane = colour.astype(np.float32) / np.float32(scale)
        slope = _box((_box(guide * plane) - mean * _box(plane)) / (variance + _EPSILON))
        rest = plane - slope * guide  # the line's offset and what the fit leaves, in one
        enlarged = cv2.resize(slope, (width, height), interpolation=cv2.INTER_LINEAR)
        cv2.multiply(enlarged, full, enlarged, scale)
        rest = cv2.resize(rest, (width, height), interpolation=cv2.INTER_CUBIC)
        planes.append(cv2.addWeighted(enlarged, 1, rest, scale, 0, dtype=depth))
    return cv2.merge(planes)


def _box(picture: np.ndarray) -> np.ndarray:
    """The mean over a window around each pixel, (H, W)."""
    side = 2 * _RADIUS + 1
    return cv2.blur(picture, (side, side))
