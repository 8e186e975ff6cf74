"""Flow near the border of the picture."""

import numpy as np
from numpy.typing import NDArray

from brushflow.flow.types import Flow

_MARGIN = 1.0  # pixels of the grid that the flow is on


@np.errstate(invalid="ignore")
def stays_inside(flow: Flow) -> NDArray[np.bool_]:
    """Where a flow (H, W, 2) points into a picture of its own size; bool (H, W).

    Inside means 0 ≤ x ≤ W−1 and 0 ≤ y ≤ H−1, so that all of a bilinear sample is picture. Flow that
    is not a number points outside.
    """
    height, width = flow.shape[:2]
    x = flow[..., 0] + np.arange(width, dtype=np.float32)
    y = flow[..., 1] + np.arange(height, dtype=np.float32)[:, None]
    return (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)


@np.errstate(invalid="ignore")
def hold_inside(flow: Flow) -> Flow:
    """Make what points up to a pixel outside the picture point to its border.

    Even where nothing moves, an estimate does by a hundredth of a pixel, and half of the border
    would be lost to the painting in every frame. In a slow pan, what comes in is given the
    border's painting to begin with, and changes less than if it were painted from nothing.

    Args:
        flow: float32 (H, W, 2) in pixels, (x, y), on a picture of the same size; not changed.

    Returns:
        float32 (H, W, 2); what points farther away, or is no number, is as it was.
    """
    held = flow.copy()
    for axis, length in enumerate(flow.shape[1::-1]):
        places = np.arange(length, dtype=flow.dtype)
        target = flow[..., axis] + (places if axis == 0 else places[:, None])
        border = target.clip(0, length - 1)
        beyond = np.nonzero(target != border)  # few, most often
        target, border = target[beyond], border[beyond]
        near = np.abs(target - border) <= _MARGIN
        to_border = border - places[beyond[1 - axis]]
        held[..., axis][beyond] = np.where(near, to_border, flow[..., axis][beyond])
    return held
