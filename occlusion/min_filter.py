"""Keeping away from the border of what is reliable."""

import cv2
import numpy as np

from brushflow.common.errors import UsageError


def min_filter(reliability: np.ndarray, width: int = 7) -> np.ndarray:
    """The lowest value in a window of odd ``width`` around each pixel, float32 (H, W).

    Outside the picture there is nothing to be lower (Ruder et al. 2018 shrink their masks by 7
    pixels this way, against artefacts at occlusions). UsageError for an even width.
    """
    if width < 1 or width % 2 == 0:
        raise UsageError(f"The min filter needs a centre, so an odd width, not {width}.")
    if width == 1:
        return reliability
    # cv2.erode's default border is larger than any value.
    return cv2.erode(reliability, np.ones((width, width), np.uint8))
