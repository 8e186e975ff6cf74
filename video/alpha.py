"""Pictures with transparent parts, RGBA: as they are stored, or put on black."""

from __future__ import annotations

import cv2
import numpy as np

from brushflow.common.sizes import resized

ON_BLACK = "The video has transparent parts, which were put on black."
_NEAR = 31  # pixels of the window that hidden colours are taken from


def on_black(picture: np.ndarray) -> np.ndarray:
    """RGB (H, W, 3) of RGBA (H, W, 4), uint8 or uint16."""
    share = picture[..., 3:].astype(np.float32) / np.iinfo(picture.dtype).max
    return np.rint(picture[..., :3] * share).astype(picture.dtype)


def with_alpha(color: np.ndarray, alpha: np.ndarray | None, size: tuple[int, int]) -> np.ndarray:
    """RGBA of RGB (H, W, 3) and alpha (H, W), None where all is opaque, at (width, height).

    What is hidden has any colour in a file, which must not come to light at its edge: it gets that
    of what is visible near it, or on the whole, before the picture is scaled.
    """
    top = np.iinfo(color.dtype).max
    if alpha is None:
        color = resized(np.ascontiguousarray(color), size)
        return np.dstack([color, np.full(color.shape[:2], top, color.dtype)])
    share = alpha.astype(np.float32)[..., None] / top
    if not share.all():
        seen = color * share
        near, weight = (cv2.blur(part, (_NEAR, _NEAR)) for part in (seen, share))
        mean = seen.sum((0, 1)) / max(float(share.sum()), 1.0)
        known = np.where(weight[..., None] > 0, near / np.maximum(weight, 1e-6)[..., None], mean)
        color = np.where(share > 0, color, np.clip(np.rint(known), 0, top)).astype(color.dtype)
    color, alpha = (resized(np.ascontiguousarray(part), size) for part in (color, alpha))
    return np.dstack([color, alpha])
