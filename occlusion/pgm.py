"""Reliability maps as files: binary PGM, as the original checkers write them, or other pictures."""

import re
from pathlib import Path

import cv2
import numpy as np

from brushflow.common.atomic_files import atomic_path
from brushflow.common.errors import BrushflowError

_HEADER = re.compile(
    rb"P5(?:\s|#[^\n]*\n)+(\d{1,6})(?:\s|#[^\n]*\n)+(\d{1,6})(?:\s|#[^\n]*\n)+(\d{1,5})\s"
)
_LONGEST_HEADER = 4096
_COLOURLESS = 8  # of 255: what JPEG makes of grey


def read_map(path: Path | str) -> np.ndarray:
    """Read a map from a grey picture of any kind, float32 (H, W) in [0, 1]; white is 1.

    PNG above all, of any bit depth; colours are refused, transparency is not looked at.
    BrushflowError for a file that cannot be read or is none.
    """
    try:
        with Path(path).open("rb") as file:
            if file.read(2) == b"P5":
                return read_pgm(path)
        picture = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    except OSError as error:
        raise BrushflowError(f"Could not read {path}: {error.strerror}.") from error
    except cv2.error:
        picture = None
    if picture is None:
        raise BrushflowError(
            f"{path} is not a picture that can be read; a reliability map is a grey one, such as "
            f"PGM or PNG."
        )
    top = 1 if picture.dtype.kind == "f" else np.iinfo(picture.dtype.name).max
    values = picture.astype(np.float32) / np.float32(top)
    if values.ndim == 3:
        colours = values[..., :3]
        if np.ptp(colours, axis=2).max() > _COLOURLESS / 255:
            raise BrushflowError(f"{path} is a picture in colour; a reliability map is a grey one.")
        values = colours[..., 1]
    return np.clip(values, 0, 1)


def read_pgm(path: Path | str) -> np.ndarray:
    """Read a map, float32 (H, W) in [0, 1]; BrushflowError for anything but P5."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise BrushflowError(f"Could not read {path}: {error.strerror}.") from error
    header = _HEADER.match(data[:_LONGEST_HEADER])
    if header is None:
        raise BrushflowError(f"{path} is not a binary PGM file (P5).")
    width, height, top = (int(number) for number in header.groups())
    depth = np.dtype(np.uint8 if top < 256 else ">u2")
    if not 0 < top < 65536:
        raise BrushflowError(f"{path} has {top} grey levels; a PGM file has up to 65535.")
    if width * height == 0 or len(data) - header.end() != width * height * depth.itemsize:
        raise BrushflowError(
            f"{path} is damaged: {width}×{height} pixels are announced, and "
            f"{len(data) - header.end()} bytes follow."
        )
    values = np.frombuffer(data, depth, offset=header.end()).reshape(height, width)
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
