"""Plain grounds: a card of one colour stays as it is, and so do the words on it.

A network paints what it sees around words into the ground, and the words away. What is of one
colour over most of a picture is none of the painting, nor is what stands on it and is no wider
than a brush, or small: letters and lines. What is larger is painted.
"""

import cv2
import numpy as np

_ONE_COLOUR = 3  # grey levels around the ground's own, in any channel
_PEAK = 2  # grey levels of luminance around its most frequent one
_LEAST = 0.35  # of a picture are of one colour where there is a ground at all
# Shares of a picture that ground and letters cover: at the first they are painted like anything,
# from the second on they stay.
_SOME, _MOST = 0.55, 0.7
_LOOKED_AT = 160  # pixels of the width; enough to see whether there is a ground
_GRID = 480  # of the width that it is outlined at
_SPECKS = 12  # pixels of that; what is smaller is no ground but chance
_SOFT = 3  # pixels of that
_LETTERS = 0.1  # of the height; strokes of letters are no wider
_SMALL = 0.02  # of the picture; what covers no more stays, what covers twice as much is painted


def plain_ground(frame: np.ndarray) -> np.ndarray | None:
    """Where a picture is a plain ground and what is written on it, None where nothing is.

    Args:
        frame: uint8 or uint16 (H, W, 3).

    Returns:
        float32 (H, W) in [0, 1], with a soft edge.
    """
    height, width = frame.shape[:2]
    scale = np.float32(255 / np.iinfo(frame.dtype).max)
    few = _shrunk(frame, _LOOKED_AT).reshape(-1, 3) * scale
    light = few.mean(1)
    counts = np.bincount(light.astype(int), minlength=256)
    peak = int(np.convolve(counts, np.ones(2 * _PEAK + 1), "same").argmax())
    colour = np.median(few[np.abs(light.astype(int) - peak) <= _PEAK], 0).astype(np.float32)
    if (np.abs(few - colour).max(1) <= _ONE_COLOUR).mean() <= _LEAST:
        return None
    small = _shrunk(frame, _GRID) * scale
    plain = (np.abs(small - colour).max(2) <= _ONE_COLOUR).astype(np.uint8)
    _, parts, sizes, _ = cv2.connectedComponentsWithStats(plain, connectivity=4)
    plain = (plain.astype(bool) & (sizes[:, cv2.CC_STAT_AREA] >= _SPECKS)[parts]).astype(np.uint8)
    reach = 2 * round(_LETTERS * small.shape[0] / 2) + 1
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    plain = cv2.morphologyEx(plain, cv2.MORPH_CLOSE, brush).astype(np.float32)
    _, parts, sizes, _ = cv2.connectedComponentsWithStats((plain == 0).astype(np.uint8))
    islands = np.clip(2 - sizes[:, cv2.CC_STAT_AREA] / (_SMALL * plain.size), 0, 1)
    plain = np.maximum(plain, islands.astype(np.float32)[parts])
    stays = float(np.clip((plain.mean() - _SOME) / (_MOST - _SOME), 0, 1))
    if stays == 0:
        return None
    soft = cv2.blur(plain, (_SOFT, _SOFT)) * np.float32(stays)
    return cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR)


def _shrunk(frame: np.ndarray, width: int) -> np.ndarray:
    """A frame no wider than this."""
    scale = min(1.0, width / frame.shape[1])
    size = [max(1, round(side * scale)) for side in frame.shape[1::-1]]
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
