"""The Middlebury .flo file: a tag, width, height, then rows of (u, v) float32, little-endian.

Baker et al., A Database and Evaluation Methodology for Optical Flow, IJCV 2011.
"""

import struct
from pathlib import Path

import numpy as np

from brushflow.common.atomic_files import atomic_path
from brushflow.common.errors import BrushflowError
from brushflow.flow.types import Flow

_TAG = b"PIEH"  # 202021.25 as little-endian float32
_HEADER = struct.Struct("<4sii")


def read_flo(path: Path | str) -> Flow:
    """Read a flow field as float32 (H, W, 2) in pixels; unknown flow is left as stored (> 1e9).

    Raises:
        BrushflowError: the file cannot be read, is not a .flo file, or its length does not fit
            its width and height.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER.size)
            if len(header) < _HEADER.size or not header.startswith(_TAG):
                raise BrushflowError(
                    f"'{path}' is not a .flo file: it does not begin with the Middlebury tag."
                )
            _, width, height = _HEADER.unpack(header)
            if width < 1 or height < 1:
                raise BrushflowError(
                    f"'{path}' is damaged: it claims a size of {width}x{height} pixels; "
                    "compute this flow again."
                )
            # Checked before anything is allocated: a damaged header may claim any size.
            expected = _HEADER.size + 8 * width * height
            actual = path.stat().st_size
            if actual != expected:
                raise BrushflowError(
                    f"'{path}' is damaged: {width}x{height} flow vectors take {expected} bytes, "
                    f"the file has {actual}; compute this flow again."
                )
            vectors = np.fromfile(file, "<f4", 2 * width * height)
    except OSError as error:
        raise BrushflowError(f"Cannot read the flow file '{path}': {error.strerror}.") from error
    return vectors.reshape(height, width, 2).astype(np.float32, copy=False)


def write_flo(path: Path | str, flow: Flow) -> None:
    """Write a flow field, float32 (H, W, 2), whole or not at all.

    Raises:
        ValueError: the array has another shape.
        BrushflowError: the file cannot be written.
    """
    if flow.ndim != 3 or flow.shape[2] != 2:
        raise ValueError(f"a flow field has shape (H, W, 2), not {flow.shape}")
    height, width = flow.shape[:2]
    try:
        with atomic_path(path) as partial, partial.open("wb") as file:
            file.write(_HEADER.pack(_TAG, width, height))
            file.write(np.ascontiguousarray(flow, "<f4").data)
    except OSError as error:
        raise BrushflowError(f"Cannot write the flow file '{path}': {error.strerror}.") from error
