"""Anything that frames can be read from, behind one interface."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Generator, Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import cv2

from brushflow.common.errors import BrushflowError
from brushflow.video.animation import ANIMATIONS, Animation
from brushflow.video.filters import changes_when_read
from brushflow.video.images import IMAGE_SUFFIXES, holds_one_picture, moving_kind
from brushflow.video.ogg import leaves_tracks_out
from brushflow.video.probe import VideoInfo, probe
from brushflow.video.read import FrameReader, TimedFrame
from brushflow.video.sequence import ImageSequence, is_image_place

# What video files in a folder are known by; a file that is named may be called anything.
VIDEO_SUFFIXES = frozenset(
    {".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".m2ts"}
    | {".wmv", ".flv", ".ogv", ".3gp", ".mxf"}
)
_ROWS_OF_JPEG = frozenset({".mjpeg", ".mjpg"})  # videos that begin as a picture does
_HASHED_BYTES = 1 << 20


class Source(Protocol):
    """Frames with timestamps, from a video file or from images.

    ``kind`` is ``"video"``, ``"animation"`` (a WebP or PNG with several pictures), ``"images"`` or
    ``"image"``. ``problem`` is set when a read from the
    start has ended and the input turned out to be damaged; setting it beforehand makes reads
    careful, see FrameReader. ``filled``: pts of frames that could not be decoded and show the one
    before. ``notes``: a sentence for each thing that frames lose when they are read.
    """

    kind: str
    info: VideoInfo
    problem: str | None

    @property
    def filled(self) -> Collection[int]: ...

    @property
    def notes(self) -> Sequence[str]: ...

    def read(
        self,
        *,
        size: tuple[int, int] | None = None,
        bit_depth: int = 8,
        gray: bool = False,
        first: int = 0,
        table: Sequence[int] | None = None,
        until: Fraction | None = None,
        alpha: bool = False,
    ) -> Generator[TimedFrame, None, None]:
        """Yield the frames from number ``first`` on; see FrameReader.read."""
        ...

    def identity(self) -> dict[str, Any]:
        """Return what tells this input from any other, as JSON values."""
        ...


class VideoSource(FrameReader):
    """A video file as a Source."""

    kind = "video"

    @property
    def notes(self) -> list[str]:
        """Sentences about HDR, transparency, interlacing, and what a joined file has left out."""
        notes = changes_when_read(self.info)
        if leaves_tracks_out(self.info.path):
            notes.append(
                "The file was joined of several recordings, and what only the later ones have is "
                "left out."
            )
        return notes

    def identity(self) -> dict[str, Any]:
        """Return what tells this file from any other."""
        return _file_identity(self.info.path)


class AnimationSource(Animation):
    """An animated picture as a Source."""

    def identity(self) -> dict[str, Any]:
        """Return what tells this file from any other."""
        return _file_identity(self.info.path)


def _file_identity(path: Path) -> dict[str, Any]:
    """The file's path, size, time of change and a hash of its first and last MiB."""
    path = path.resolve()
    digest = hashlib.sha256()
    try:
        status = path.stat()
        with path.open("rb") as file:
            digest.update(file.read(_HASHED_BYTES))
            file.seek(max(0, status.st_size - _HASHED_BYTES))
            digest.update(file.read(_HASHED_BYTES))
    except OSError as error:
        raise BrushflowError(f"{path} cannot be read: {error.strerror}.") from error
    return {
        "path": str(path),
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,
        "sha256": digest.hexdigest(),
    }


class ImageSource(ImageSequence):
    """A set of images as a Source."""

    def identity(self) -> dict[str, Any]:
        """Return the place, the number of images, and a hash of their names, sizes and times."""
        digest = hashlib.sha256()
        total = 0
        for path in self.images:
            try:
                status = path.stat()
            except OSError as error:
                raise BrushflowError(f"{path} cannot be read: {error.strerror}.") from error
            total += status.st_size
            digest.update(f"{path.name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
        return {
            "path": str(self.info.path.absolute()),
            "frames": len(self.images),
            "frame_rate": str(self.info.frame_rate),
            "size": total,
            "sha256": digest.hexdigest(),
        }


def open_source(path: str | Path, fps: Fraction = Fraction(25)) -> Source:
    """Open a video file, a folder of images, a pattern of images or one image.

    What a single file holds decides, and not what it is called. ``fps`` is the frame rate that
    images get. Raises UsageError for what is not there and BrushflowError for what cannot be read.
    """
    place = Path(path)
    if place.is_file():
        moving = moving_kind(place)
        if moving in ANIMATIONS:
            return AnimationSource(place)
        if moving or (is_image_place(str(path)) and not cv2.haveImageReader(str(place))):
            with suppress(BrushflowError):  # which is about videos
                return VideoSource(probe(place))
    if is_image_place(str(path)) or is_still(place):
        return ImageSource(str(path), Fraction(fps))
    return VideoSource(probe(path))


def is_still(path: Path) -> bool:
    """Whether a file has a single picture in it, or is damaged and called like one."""
    suffix = path.suffix.lower()
    if not path.is_file() or suffix in _ROWS_OF_JPEG:
        return False
    return holds_one_picture(path) or (suffix in IMAGE_SUFFIXES and not moving_kind(path))
