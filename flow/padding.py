"""Frames made large enough for an algorithm by repeating their border."""

import numpy as np

from brushflow.flow.estimators import Frame


def replicate(frame: Frame, minimum: int, multiple: int = 1) -> tuple[Frame, tuple[slice, slice]]:
    """Repeat the border until both sides reach ``minimum`` and a multiple of ``multiple``.

    Returns:
        The frame, at most one pixel off the centre of the larger one, and the slices that cut it
        (or a flow of the larger size) out again. A frame that is large enough comes back as it is.
    """
    margins = [_margins(side, minimum, multiple) for side in frame.shape[:2]]
    inside = tuple(
        slice(before, before + side)
        for (before, _), side in zip(margins, frame.shape[:2], strict=True)
    )
    if not np.any(margins):
        return frame, inside
    return np.pad(frame, (*margins, (0, 0)), mode="edge"), inside


def _margins(side: int, minimum: int, multiple: int) -> tuple[int, int]:
    wanted = -(-max(side, minimum) // multiple) * multiple
    before = (wanted - side) // 2
    return before, wanted - side - before
