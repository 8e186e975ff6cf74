"""Pictures in and out of training: the painting, and sheets to watch the network by."""

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from brushflow.errors import BrushflowError, UsageError
from brushflow.files import atomic_path
from brushflow.models.preprocessing import deprocess

if TYPE_CHECKING:
    from brushflow.training.loop import Stylized

SMALLEST_PAINTING = 64


def read_painting(path: Path, longest_side: int) -> np.ndarray:
    """RGB uint8 (H, W, 3), resized its longest side now ``longest_side`` pixels."""
    if not path.is_file():
        raise UsageError(f"There is no style picture {path}.")
    encoded = np.fromfile(path, np.uint8)
    bgr = cv2.imdecode(encoded, cv2.IMREAD_COLOR) if encoded.size else None
    if bgr is None:
        raise BrushflowError(f"The style picture {path} is not a readable picture.")
    if min(bgr.shape[:2]) < SMALLEST_PAINTING:
        raise UsageError(
            f"The style picture {path} is only {bgr.shape[1]}×{bgr.shape[0]}; strokes need at "
            f"least {SMALLEST_PAINTING} pixels a side to be seen."
        )
    scale = longest_side / max(bgr.shape[:2])
    height, width = (max(1, round(n * scale)) for n in bgr.shape[:2])
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.resize(bgr, (width, height), interpolation=interpolation)[..., ::-1]


def debug_sheet(path: Path, stylized: "Stylized") -> None:
    """One row per picture of the batch: frame, prior, certainty, output."""
    rows = []
    for i in range(len(stylized.frame)):
        certainty = stylized.certainty[i, 0].numpy()
        mask = np.repeat((certainty * 255).astype(np.uint8)[..., None], 3, axis=2)
        shown = [deprocess(t[i : i + 1].detach()) for t in (stylized.frame, stylized.prior)]
        rows.append(np.hstack([*shown, mask, deprocess(stylized.output[i : i + 1].detach())]))
    with atomic_path(path) as partial:
        _, encoded = cv2.imencode(".jpg", np.vstack(rows)[..., ::-1])
        encoded.tofile(partial)
