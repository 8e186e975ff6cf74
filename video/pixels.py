"""Frames as plain pixels in a file: what is painted, until enough of it is there to be coded."""

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from brushflow.common.atomic_files import atomic_path
from brushflow.common.errors import BrushflowError


@contextmanager
def writing_pixels(
    path: Path, frames: int, backward: bool = False
) -> Iterator[Callable[[np.ndarray], None]]:
    """Yields what takes ``frames`` frames of one shape and type, one after another.

    The file appears when the block has ended, and has them in this order, or, ``backward``, in the
    opposite one. BrushflowError if the disk does not take them.
    """
    count = 0

    def write(frame: np.ndarray) -> None:
        nonlocal count
        if backward:
            file.seek((frames - 1 - count) * frame.nbytes)
        file.write(np.ascontiguousarray(frame).data)
        count += 1

    try:
        with atomic_path(path) as partial, partial.open("wb") as file:
            yield write
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise BrushflowError(
                f"The disk is full, and {path} could not be written; make room and type the same "
                f"command again."
            ) from error
        raise BrushflowError(f"{path} could not be written: {error.strerror}.") from error


def read_pixels(path: Path, shape: tuple[int, ...], dtype: np.dtype) -> Iterator[np.ndarray]:
    """The frames of such a file, in its order."""
    with path.open("rb") as file:
        while len(frame := np.fromfile(file, dtype, int(np.prod(shape)))):
            yield frame.reshape(shape)
