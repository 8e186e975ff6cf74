"""A median filter of any odd width."""

import cv2
import numpy as np

_WIDEST = 5  # that OpenCV filters more than 8 bits with


def median(picture: np.ndarray, width: int) -> np.ndarray:
    """The median of each channel in a window of odd ``width`` around each pixel.

    ``picture``: uint8, uint16 or float32 (H, W, 3); the result is the like. Borders are replicated.
    """
    if width <= _WIDEST or picture.dtype == np.uint8:
        return cv2.medianBlur(picture, width) if width > 1 else picture
    half = width // 2
    padded = np.pad(picture, ((half, half), (half, half), (0, 0)), "edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (width, width), (0, 1))
    # Row by row, as all windows together are width² times the picture.
    filtered = [np.median(row.reshape(*row.shape[:2], -1), -1) for row in windows]
    return np.stack(filtered).astype(picture.dtype)
