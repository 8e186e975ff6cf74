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


def read_painting(path: Path, longest_side: int) -> np.ndarray:
    """RGB uint8 (H, W, 3), resized its longest side now ``longest_side`` pixels."""
    if not path.is_file():
        raise UsageError(f"There is no style picture {path}.")
    try:
        rgb = read_image(path)
    except BrushflowError as error:
        raise BrushflowError(f"The style picture {path} is not a readable picture.") from error
    if min(rgb.shape[:2]) < SMALLEST_PAINTING:
        raise UsageError(
            f"The style picture {path} is only {rgb.shape[1]}×{rgb.shape[0]}; strokes need at "
            f"least {SMALLEST_PAINTING} pixels a side to be seen."
        )
    return resized(rgb, fit_size((rgb.shape[1], rgb.shape[0]), longest_side, enlarge=True))


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
