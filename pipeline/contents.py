"""Whether a frame shows anything, or is a black, white or plain one."""

import cv2
import numpy as np

# Standard deviations, of 255, of a frame that has nothing to paint, and of one that is a picture.
_FLAT, _PICTURE = 2.0, 10.0
_EVERY = 4  # of how many rows one is looked at


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
