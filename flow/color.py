"""Flow as a picture for people: hue is direction, paleness is slowness.

The colour wheel of Baker et al., A Database and Evaluation Methodology for Optical Flow, IJCV
2011: right is red, down yellow, left cyan-blue, up violet; no motion is white.
"""

import numpy as np
from numpy.typing import NDArray

from brushflow.flow.types import Flow

# The wheel's corners and the number of steps from each to the next. The steps are unequal because
# people tell reds and yellows apart better than greens.
_CORNERS = np.array(
    [(1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 1, 1), (0, 0, 1), (1, 0, 1), (1, 0, 0)], np.float32
)
_STEPS = np.cumsum([0, 15, 6, 4, 11, 13, 6])
_UNKNOWN = 1e9


def flow_to_color(flow: Flow, max_norm: float | None = None) -> NDArray[np.uint8]:
    """Paint a flow field.

    Args:
        flow: float32 (H, W, 2) in pixels; values that are not finite or above 1e9 are unknown.
        max_norm: the length in pixels that gets full colour; without it, the longest known
            vector. Longer ones are darkened.

    Returns:
        uint8 (H, W, 3), RGB; unknown flow is black.
    """
    known: NDArray[np.bool_] = np.all(np.abs(flow) < _UNKNOWN, axis=2)
    vectors = np.where(known[..., None], flow, 0)
    length = np.hypot(vectors[..., 0], vectors[..., 1])
    if max_norm is None:
        max_norm = float(length.max())
    radius = length / max(max_norm, np.finfo(np.float32).tiny)
    turn = np.arctan2(vectors[..., 1], vectors[..., 0]) / (2 * np.pi) % 1
    hue = np.stack(
        [np.interp(turn * _STEPS[-1], _STEPS, channel) for channel in _CORNERS.T], axis=2
    )
    inside = radius[..., None] <= 1
    color = np.where(inside, 1 - radius[..., None] * (1 - hue), 0.75 * hue)
    color[~known] = 0
    return np.round(255 * color).astype(np.uint8)
