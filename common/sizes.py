"""The size of a picture that is to fit somewhere."""

from fractions import Fraction

import cv2
import numpy as np


def fit_size(
    size: tuple[int, int],
    box: int | tuple[int, int],
    *,
    step: int = 1,
    enlarge: bool = False,
    cover: bool = False,
) -> tuple[int, int]:
    """(width, height) of a picture that is shrunk to lie within a box, in its own shape.

    Reckoned in whole numbers, so that it is the same on every machine.

    Args:
        size: (width, height) of the picture.
        box: (width, height), or one number for both.
        step: what both sides are multiples of, at least 1 of it; 2 is what most codecs ask for.
        enlarge: a smaller picture grows until it fits; else it stays as it is, but for ``step``.
        cover: the picture fills the box and reaches beyond it, instead of lying within.
    """
    width, height = (box, box) if isinstance(box, int) else box
    ratios = Fraction(width, size[0]), Fraction(height, size[1])
    scale = max(ratios) if cover else min(ratios)
    if not enlarge and scale >= 1:
        return max(step, size[0] // step * step), max(step, size[1] // step * step)
    across, down = (max(step, round(side * scale / step) * step) for side in size)
    return across, down


def resized(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A picture (H, W) or (H, W, C) at another (width, height), or as it is if that is its own.

    Averages of areas when shrinking, cubic when growing.
    """
    height, width = picture.shape[:2]
    if (width, height) == size:
        return picture
    smaller = size[0] * size[1] < width * height
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)
