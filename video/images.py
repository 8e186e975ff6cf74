"""Still pictures: reading and writing one, whatever its name and kind."""

from __future__ import annotations

import functools
import io
import logging
import mmap
import re
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import ExifTags, Image, ImageOps

from brushflow.common.atomic_files import atomic_path
from brushflow.common.errors import BrushflowError, UsageError
from brushflow.common.sizes import fit_size, resized
from brushflow.video.alpha import on_black
from brushflow.video.icc import cmyk_to_srgb, mode_of, to_srgb

logger = logging.getLogger(__name__)

IMAGE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}
)
_HOLD_ALPHA = frozenset({".png", ".tif", ".tiff", ".webp"})
# Kinds that a video may become, which have their note near the end.
ANIMATED_SUFFIXES = frozenset({".gif", ".apng", ".webp"})
_NOTE = re.compile(rb"brushflow [0-9a-f]{16}(-part)?")
_TAIL = 128  # bytes
MAKER = "Software"  # PNG's keyword for what has made a picture
_PNG_HEADER = 8 + 25  # bytes of the signature and of IHDR
# Kinds, by Pillow's names, whose transparency counts, whatever their files are called. The fourth
# channel of a BMP is mostly empty.
_TRANSPARENT = frozenset({"PNG", "WEBP", "TIFF", "GIF", "JPEG2000"})
_KINDS = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
# Kinds with several pictures that follow one another; those of a TIFF are pages.
_MOVING = frozenset({"PNG", "WEBP", "GIF"})
# OpenCV's flags for decoding a JPEG so many times smaller.
_REDUCED = (
    (8, cv2.IMREAD_REDUCED_COLOR_8), (4, cv2.IMREAD_REDUCED_COLOR_4),
    (2, cv2.IMREAD_REDUCED_COLOR_2),
)  # fmt: skip
_limit = threading.Lock()  # for Pillow's, which is one for all threads
# Of JPEG (ITU-T T.81, annex B): markers, none of which is in the compressed data.
_JPEG_BEGINS, _JPEG_ENDS = b"\xff\xd8", 0xD9
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True)
class _Header:
    """What a picture's file says beside its pixels; ``kind`` by Pillow's name, "" if unknown."""

    kind: str = ""
    mode: str = ""
    orientation: int = 1
    profile: bytes = b""
    size: tuple[int, int] = (0, 0)
    pictures: int = 1


@contextmanager
def _of_any_size() -> Iterator[None]:
    """Pillow refuses what is larger than 179 million pixels even before it decodes anything.

    Nor does it warn here, of files that others read.
    """
    with _limit, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        usual, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = usual


def _read_header(file: io.BytesIO | Path) -> _Header:
    try:
        with _of_any_size(), Image.open(file, formats=_KINDS) as opened:
            return _Header(
                opened.format or "",
                opened.mode,
                int(opened.getexif().get(ExifTags.Base.Orientation, 1)),
                opened.info.get("icc_profile") or b"",
                opened.size,
                _pictures_in(opened),  # last, as it turns pages
            )
    except Exception:  # Pillow's readers fail in every way; what matters is what OpenCV reads
        return _Header()


def _pictures_in(opened: Image.Image) -> int:
    """How many pictures follow one another; of pages, no more than two are counted."""
    if opened.format in _MOVING:
        return getattr(opened, "n_frames", 1)
    if opened.format == "TIFF":
        with suppress(EOFError):
            opened.seek(1)
            return 2
    return 1


def moving_kind(path: Path) -> str:
    """Pillow's name of the kind of a picture's file with several in a row, "" for any other."""
    header = _read_header(path)
    several = header.kind in _MOVING and header.pictures > 1
    several = several or (header.kind == "JPEG" and is_motion_jpeg(path))
    return header.kind if several else ""


def holds_one_picture(path: Path) -> bool:
    """Whether a file has a single picture in it, by its content."""
    return _read_header(path).kind not in ("", "GIF") and not moving_kind(path)


def is_motion_jpeg(path: Path) -> bool:
    """Whether a second JPEG of the same size follows at once on the first, as in a raw video.

    A depth map or a gain map is of another kind (multi-picture format, CIPA DC-007) or elsewhere.
    """
    with path.open("rb") as file:
        if file.read(2) != _JPEG_BEGINS:
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            size, end = _jpeg_size_and_end(content, 0)
            return size is not None and _jpeg_size_and_end(content, end)[0] == size


def _jpeg_size_and_end(content: mmap.mmap, place: int) -> tuple[bytes | None, int]:
    """Height and width as stored in the JPEG that begins at ``place``, and where it ends.

    The size is None where none begins, or one that is part of a group.
    """
    nothing = None, len(content)
    if content[place : place + 2] != _JPEG_BEGINS:
        return nothing
    size: bytes | None = None
    place += 2
    while marker := _MARKER.search(content, place):
        place = marker.end()
        kind = content[place - 1]
        if kind == _JPEG_ENDS:
            return size, place
        if content[place + 2 : place + 6] == b"MPF\0":
            return nothing
        if kind in _FRAME_HEADERS:
            size = content[place + 3 : place + 7]
        place += int.from_bytes(content[place : place + 2], "big")
    return nothing


def read_image(
    path: Path | str, bit_depth: int = 8, alpha: bool = False, shortest: int | None = None
) -> np.ndarray:
    """Return a picture as RGB (H, W, 3): uint8, or uint16 over 0–65535 if ``bit_depth`` > 8.

    EXIF orientation is applied, colours are converted to sRGB where an ICC profile tells others,
    transparency is put on black, or, with ``alpha``, a fourth channel where the file has it; gray
    becomes RGB; of an animation it is the first picture. Where the shortest side is larger
    than ``shortest``, the picture is shrunk to that before anything else is done to it; a JPEG is
    not even decoded in full. Raises UsageError if there is no such file and BrushflowError if it
    is not a picture.
    """
    path = Path(path)
    try:
        data = np.fromfile(path, np.uint8)
    except FileNotFoundError as error:
        raise UsageError(f"There is no picture {path}; check the name.") from error
    except OSError as error:
        raise BrushflowError(f"The picture {path} cannot be read: {error.strerror}.") from error
    picture = _decode(data, path, alpha, shortest)
    if picture is None:
        raise BrushflowError(f"{path} is not a picture that can be read; it may be damaged.")
    return _to_depth(picture, bit_depth)


def image_note(path: Path) -> str:
    """What a picture's file was given as ``made_by``, "" where it has no such note.

    Raises OSError, ValueError or SyntaxError for what is no picture.
    """
    if path.suffix.lower() in ANIMATED_SUFFIXES:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL))
            found = _NOTE.search(file.read())
        return found[0].decode("ascii") if found else ""
    with Image.open(path) as picture:
        return str(picture.info.get(MAKER, ""))


def png_chunk(text: str) -> bytes:
    """A text chunk that says who has made a picture (PNG specification, 11.3.4.3)."""
    chunk = b"tEXt" + f"{MAKER}\0{text}".encode("ascii")
    return struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))


def _decode(data: np.ndarray, path: Path, alpha: bool, shortest: int | None) -> np.ndarray | None:
    if data.size == 0:
        return None
    header = _read_header(io.BytesIO(data.data))
    if header.pictures > 1:
        _tell_of_more(path, "an animation" if header.kind in _MOVING else "of several pages")
    try:
        if header.mode == "CMYK" and header.profile and mode_of(header.profile) == "CMYK":
            with _of_any_size(), Image.open(io.BytesIO(data.data)) as opened:
                if shortest:
                    opened.thumbnail(fit_size(opened.size, shortest, cover=True), reducing_gap=2.0)
                return cmyk_to_srgb(ImageOps.exif_transpose(opened), header.profile)
        if header.kind in _TRANSPARENT or not header.kind:  # a TIFF of fractions, say
            picture = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
            if picture is not None and picture.ndim == 3 and picture.shape[2] == 4:
                # Only "unchanged" keeps alpha, but it leaves out the rotation, except a TIFF's.
                turned = picture if header.kind == "TIFF" else _turned(picture, header.orientation)
                turned = _whole_numbers(_shrunk(turned, shortest))
                color = to_srgb(cv2.cvtColor(turned, cv2.COLOR_BGRA2RGB), header.profile)
                picture = np.dstack([color, turned[..., 3]])
                return picture if alpha else on_black(picture)
            if picture is not None and picture.ndim == 2 and picture.dtype.kind == "f":
                return np.dstack([_whole_numbers(_shrunk(picture, shortest))] * 3)
        flags = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH
        if shortest and header.kind == "JPEG":
            shrinking = (flag for by, flag in _REDUCED if shortest * by <= min(header.size))
            flags = next(shrinking, flags)
        picture = cv2.imdecode(data, flags)
    except (cv2.error, OSError):
        return None
    if picture is None:
        return None
    picture = _shrunk(picture, shortest)
    return to_srgb(_whole_numbers(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)), header.profile)


@functools.cache
def _tell_of_more(path: Path, what: str) -> None:
    logger.warning("%s is %s, of which the first picture is taken.", path, what)


def _shrunk(picture: np.ndarray, shortest: int | None) -> np.ndarray:
    if shortest is None:
        return picture
    size = fit_size((picture.shape[1], picture.shape[0]), shortest, cover=True)
    return resized(picture, size)


def _turned(picture: np.ndarray, orientation: int) -> np.ndarray:
    """The picture upright, by EXIF's number for how it is stored."""
    if orientation in (5, 6, 7, 8):
        picture = picture.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        picture = picture[:, ::-1]
    if orientation in (3, 4, 7, 8):
        picture = picture[::-1]
    return np.ascontiguousarray(picture)


def _whole_numbers(picture: np.ndarray) -> np.ndarray:
    """The picture as uint8 or uint16; floats are from 0 to 1."""
    if picture.dtype.kind != "f":
        return picture
    return np.rint(np.clip(picture, 0, 1) * 65535).astype(np.uint16)


def _to_depth(picture: np.ndarray, bit_depth: int) -> np.ndarray:
    if bit_depth > 8 and picture.dtype == np.uint8:
        return picture.astype(np.uint16) * 257
    if bit_depth <= 8 and picture.dtype == np.uint16:
        return ((picture.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return np.ascontiguousarray(picture)


def stored_form(path: Path) -> tuple[int, bool]:
    """Return 16 for a picture stored with more than 8 bits per channel, else 8; and whether some of
    it is transparent."""
    data = np.fromfile(path, np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    if picture is None:
        return 8, False
    depth = 8 if picture.dtype == np.uint8 else 16
    fourth = picture.ndim == 3 and picture.shape[2] == 4
    return depth, fourth and _read_header(path).kind in _TRANSPARENT


def write_image(
    path: Path | str, pixels: np.ndarray, replace: bool = True, made_by: str = ""
) -> None:
    """Write RGB (H, W, 3) or gray (H, W) pixels, uint8 or uint16, in the kind the suffix names.

    RGBA (H, W, 4) is put on black where that kind knows no transparency.

    The file appears whole or not at all. ``made_by`` is a note (ASCII) that .png files keep.
    Raises UsageError for a suffix that is no picture's and BrushflowError if the file cannot be
    written, or is there and not to be replaced.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in IMAGE_SUFFIXES:
        known = ", ".join(sorted(IMAGE_SUFFIXES))
        raise UsageError(f"{path} does not end in a picture's suffix; use one of {known}.")
    if pixels.dtype == np.uint16 and suffix not in {".png", ".tif", ".tiff"}:
        pixels = _to_depth(pixels, 8)
    if pixels.ndim == 3 and pixels.shape[2] == 4 and suffix not in _HOLD_ALPHA:
        pixels = on_black(pixels)
    order = {3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}
    ordered = cv2.cvtColor(pixels, order[pixels.shape[2]]) if pixels.ndim == 3 else pixels
    options = [cv2.IMWRITE_JPEG_QUALITY, 95] if suffix in {".jpg", ".jpeg"} else []
    done, data = cv2.imencode(suffix, ordered, options)
    if not done:
        raise BrushflowError(f"The picture {path} cannot be encoded as {suffix[1:]}.")
    content = data.tobytes()
    if made_by and suffix == ".png":
        content = content[:_PNG_HEADER] + png_chunk(made_by) + content[_PNG_HEADER:]
    try:
        with atomic_path(path, replace) as partial:
            partial.write_bytes(content)
    except OSError as error:
        raise BrushflowError(f"The picture {path} cannot be written: {error.strerror}.") from error
