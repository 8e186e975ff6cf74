"""Flow as KITTI stores it: a 16-bit RGB PNG with u, v and whether the pixel's flow is known.

R = 64·u + 2¹⁵, G = 64·v + 2¹⁵, B = 1 where the flow is valid, else 0 (development kit of Menze and
Geiger, Object Scene Flow for Autonomous Vehicles, CVPR 2015). Vectors reach from −512 to just
below +512 pixels in steps of 1/64.
"""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from brushflow.common.atomic_files import atomic_path
from brushflow.common.errors import BrushflowError
from brushflow.flow.types import Flow

_SCALE = 64
_ZERO = 1 << 15
_TOP = (1 << 16) - 1


def read_kitti(path: Path | str) -> tuple[Flow, NDArray[np.bool_]]:
    """Read a flow field and where it is known.

    Returns:
        Flow, float32 (H, W, 2) in pixels, 0 where it is not known; and bool (H, W), True where it
        is known.

    Raises:
        BrushflowError: the file cannot be read or is not a 16-bit RGB PNG.
    """
    path = Path(path)
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise BrushflowError(f"Cannot read the flow file '{path}': {error.strerror}.") from error
    # No flag that converts: a picture of another kind must not pass for flow.
    stored = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    if stored is None or stored.dtype != np.uint16 or stored.ndim != 3 or stored.shape[2] != 3:
        raise BrushflowError(f"'{path}' is not a flow file of KITTI: these are 16-bit RGB PNGs.")
    valid = stored[..., 0] != 0  # OpenCV's channels are B, G, R
    flow: Flow = stored[..., :0:-1].astype(np.float32)
    flow -= _ZERO
    flow /= _SCALE
    flow[~valid] = 0
    return flow, valid


def write_kitti(path: Path | str, flow: Flow, valid: NDArray[np.bool_] | None = None) -> None:
    """Write a flow field, whole or not at all; vectors are rounded to 1/64 pixel.

    Args:
        path: ends in .png.
        flow: float32 (H, W, 2) in pixels. Vectors that are not finite or do not fit the format's
            range are stored as not known, because clipping would make wrong ones of them.
        valid: bool (H, W), where the flow is known; None: everywhere.

    Raises:
        ValueError: arrays of other shapes.
        BrushflowError: the file cannot be written.
    """
    if (
        flow.ndim != 3
        or flow.shape[2] != 2
        or (valid is not None and valid.shape != flow.shape[:2])
    ):
        raise ValueError(
            f"a flow field has shape (H, W, 2) and its valid map (H, W), not {flow.shape} and "
            f"{None if valid is None else valid.shape}"
        )
    levels = np.rint(flow.astype(np.float64) * _SCALE) + _ZERO
    known = ((levels >= 0) & (levels <= _TOP)).all(axis=2)  # false for what is not a number
    if valid is not None:
        known &= valid.astype(bool)
    stored = np.zeros((*known.shape, 3), np.uint16)
    stored[known, 0] = 1
    stored[known, 1:] = levels[known][:, ::-1]
    done, data = cv2.imencode(".png", stored)
    assert done
    try:
        with atomic_path(path) as partial:
            partial.write_bytes(data.tobytes())
    except OSError as error:
        raise BrushflowError(f"Cannot write the flow file '{path}': {error.strerror}.") from error
