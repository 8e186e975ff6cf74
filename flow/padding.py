"""Frames made large enough for an algorithm by repeating their border."""

import numpy as np

from brushflow.flow.types import Frame


def replicate(frame: Frame, minimum: int, multiple: int = 1) -> tuple[Frame, tuple[slice, slice]]:
    """Repeat the border until both sides reach ``minimum`` and a multiple of ``multiple``.

    Returns:
        The frame, at most one pixel off the centre of the larger one, and the slices that cut it
        (or a flow of the larger size) out again. A frame that is large enough comes back as it is.
    """
    height, width = frame.shape[:2]
    rows, columns = (_margins(side, minimum, multiple) for side in (height, width))
    inside = slice(rows[0], rows[0] + height), slice(columns[0], columns[0] + width)
    if not any((*rows, *columns)):
        return frame, inside
    return np.pad(frame, (rows, columns, (0, 0)), mode="edge"), inside


def _margins(side: int, minimum: int, multiple: int) -> tuple[int, int]:
    wanted = -(-max(side, minimum) // multiple) * multiple
    before = (wanted - side) // 2
    return before, wanted - side - before
