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
        try:
            if backward:
                file.seek((frames - 1 - count) * frame.nbytes)
            file.write(np.ascontiguousarray(frame).data)
        except OSError as error:
            raise _not_written(path, error) from error
        count += 1

    inside: BaseException | None = None
    try:
        with atomic_path(path) as partial, partial.open("wb") as file:
            try:
                yield write
            except BaseException as error:
                inside = error  # which is none of this file's
                raise
    except OSError as error:
        if error is inside:
            raise
        raise _not_written(path, error) from error


def _not_written(path: Path, error: OSError) -> BrushflowError:
    if error.errno == errno.ENOSPC:
        return BrushflowError(f"The disk is full, and {path} could not be written.", "full_disk")
    return BrushflowError(f"{path} could not be written: {error.strerror}.")


def read_pixels(path: Path, shape: tuple[int, ...], dtype: np.dtype) -> Iterator[np.ndarray]:
    """The frames of such a file, of this shape and type each, in its order."""
    with path.open("rb") as file:
        while len(frame := np.fromfile(file, dtype, int(np.prod(shape)))):
            yield frame.reshape(shape)
