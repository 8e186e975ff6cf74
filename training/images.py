"""Pictures in and out of training: the painting, and sheets to watch the network by."""

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from torch import Tensor

from brushflow.common.atomic_files import atomic_path
from brushflow.common.errors import BrushflowError, UsageError
from brushflow.common.sizes import fit_size, resized
from brushflow.models.preprocessing import deprocess, from_rgb
from brushflow.video import read_image

if TYPE_CHECKING:
    from brushflow.training.unroll import Step

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


def debug_sheet(path: Path, steps: list["Step"]) -> None:
    """A picture of the first frame's painting and of every later step of a batch.

    One row per sequence; each step shows the frame, the earlier painting warped to it, the
    certainty as the network saw it, and the painting.
    """
    columns = [_column(steps[0].frame), _column(steps[0].output)]
    for step in steps[1:]:
        white = step.certainty.expand_as(step.frame) * 255
        columns += [_column(t) for t in (step.frame, step.prior, from_rgb(white), step.output)]
    height = max(len(column) for column in columns)
    # The first frame of a vr sequence is a narrow strip, which may lie across.
    padded = [np.pad(c, ((0, height - len(c)), (0, 0), (0, 0))) for c in columns]
    with atomic_path(path) as partial:
        _, encoded = cv2.imencode(".jpg", np.hstack(padded)[..., ::-1])
        partial.write_bytes(encoded.tobytes())


def _column(pictures: Tensor) -> np.ndarray:
    return np.vstack([deprocess(picture[None].detach()) for picture in pictures])
