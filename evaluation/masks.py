"""Which pixels a temporal error may be measured at."""

import cv2
import numpy as np
from numpy.typing import NDArray

from brushflow.flow import stays_inside, warp_array
from brushflow.flow.types import Flow

Mask = NDArray[np.bool_]


def traceable(flow: Flow, reverse: Flow) -> Mask:
    """Where ``flow`` can be believed and lies off motion boundaries; bool (H, W).

    With w = flow(p) and ŵ = reverse(p + w), pixel p is left out if
    |w + ŵ|² > 0.01 (|w|² + |ŵ|²) + 0.5 (hidden), or |∇u|² + |∇v|² > 0.01 |w|² + 0.002 (motion
    boundary), or it leaves the picture. These are the rules of Lai et al., Learning Blind Video
    Temporal Consistency, ECCV 2018, after Ruder et al. 2016; as in Lai's released program the
    gradient is a one-sided difference, 0 in the last column and row. The in-frame rule is ours.

    Args:
        flow: float32 (H, W, 2) in pixels, on the grid that the mask is for.
        reverse: float32 (H, W, 2), on the grid that ``flow`` points into.
    """
    u, v = (np.asarray(plane, np.float32) for plane in cv2.split(flow))
    back_u, back_v = (warp_array(plane, flow) for plane in cv2.split(reverse))
    length = u * u + v * v
    back = back_u * back_u + back_v * back_v
    apart = np.square(u + back_u) + np.square(v + back_v)
    hidden = apart > 0.01 * (length + back) + 0.5
    boundary = _gradient_energy(u) + _gradient_energy(v) > 0.01 * length + 0.002
    return stays_inside(flow) & ~hidden & ~boundary


def _gradient_energy(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    energy = np.zeros_like(plane)
    energy[:, :-1] = np.square(np.diff(plane, axis=1))
    energy[:-1] += np.square(np.diff(plane, axis=0))
    return energy
