"""A painting's file, as a style is learned from it and judged by it."""

from pathlib import Path

import numpy as np

from brushflow.common.errors import BrushflowError, UsageError
from brushflow.common.sizes import fit_size, resized
from brushflow.video.images import read_image

SMALLEST_PAINTING = 64
_ENOUGH = 4096  # pixels of the shortest side; of more nothing is seen
_SLIMMEST = 10  # times as long as wide is what is seen as a whole


def read_painting(path: Path, longest_side: int) -> np.ndarray:
    """RGB uint8 (H, W, 3), resized: its longest side has ``longest_side`` pixels.

    Of a scroll that is longer than ten times its width, the width has a tenth of that. What is
    transparent is white, as paper is.
    """
    if not path.is_file():
        raise UsageError(f"There is no style picture {path}.")
    try:
        picture = read_image(path, alpha=True, shortest=_ENOUGH)
    except BrushflowError as error:
        raise BrushflowError(f"The style picture {path} is not a readable picture.") from error
    height, width = picture.shape[:2]
    if min(height, width) < SMALLEST_PAINTING:
        raise UsageError(
            f"The style picture {path} is only {width}×{height}; strokes need at least "
            f"{SMALLEST_PAINTING} pixels a side to be seen."
        )
    size = fit_size((width, height), longest_side, enlarge=True)
    if max(height, width) > _SLIMMEST * min(height, width):
        size = fit_size((width, height), longest_side // _SLIMMEST, enlarge=True, cover=True)
    return resized(_on_paper(picture), size)


def _on_paper(picture: np.ndarray) -> np.ndarray:
    if picture.shape[2] == 3:
        return picture
    share = picture[..., 3:].astype(np.float32) / 255
    return np.rint(picture[..., :3] * share + 255 * (1 - share)).astype(np.uint8)
