"""Reliability maps as binary PGM files, as the original checkers write them."""

import re
from pathlib import Path

import numpy as np

from brushflow.errors import BrushflowError
from brushflow.files import atomic_path

_HEADER = re.compile(
    rb"P5(?:\s|#[^\n]*\n)+(\d{1,6})(?:\s|#[^\n]*\n)+(\d{1,6})(?:\s|#[^\n]*\n)+(\d{1,5})\s"
)
_LONGEST_HEADER = 4096


def read_pgm(path: Path | str) -> np.ndarray:
    """Read a map, float32 (H, W) in [0, 1]; BrushflowError for anything but an 8-bit P5 file."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise BrushflowError(f"Could not read {path}: {error.strerror}.") from error
    header = _HEADER.match(data[:_LONGEST_HEADER])
    if header is None:
        raise BrushflowError(f"{path} is not a binary PGM file (P5).")
    width, height, top = (int(number) for number in header.groups())
    if not 0 < top < 256:
        raise BrushflowError(f"{path} has {top} grey levels; a reliability map has up to 255.")
    if width * height == 0 or len(data) - header.end() != width * height:
        raise BrushflowError(
            f"{path} is damaged: {width}×{height} pixels are announced, and "
            f"{len(data) - header.end()} bytes follow."
        )
    values = np.frombuffer(data, np.uint8, offset=header.end()).reshape(height, width)
    return np.minimum(values.astype(np.float32) / np.float32(top), 1)


def write_pgm(path: Path | str, reliability: np.ndarray) -> None:
    """Write a map (H, W) in [0, 1], atomically, with 255 grey levels.

    Fractions of a level are cut off as the original does; a hundredth of one forgives rounding,
    so that what is read from a file is written back the same.
    """
    levels = np.clip(reliability, 0, 1) * np.float32(255) + np.float32(0.01)
    height, width = reliability.shape
    try:
        with atomic_path(path) as partial:
            header = b"P5\n%d %d\n255\n" % (width, height)
            partial.write_bytes(header + levels.astype(np.uint8).tobytes())
    except OSError as error:
        raise BrushflowError(f"Could not write {path}: {error.strerror}.") from error
