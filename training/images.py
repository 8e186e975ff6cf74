"""Pictures out of training: sheets to watch the network by."""

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from torch import Tensor

from brushflow.common.atomic_files import atomic_path
from brushflow.models.preprocessing import deprocess, from_rgb

if TYPE_CHECKING:
    from brushflow.training.unroll import Step


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
