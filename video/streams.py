"""Frames on streams, from program to program: y4m, or rawvideo of bare rgb24."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import BinaryIO, Protocol

import av
import numpy as np

from brushflow.common.errors import BrushflowError, UsageError

_Y4M = "yuv4mpegpipe"
# Formats that are given back as they came, and what y4m calls them.
_KEPT = {"yuv420p": "420jpeg", "yuv422p": "422", "yuv444p": "444"}


class Readable(Protocol):
    """What frames come from."""

    def read(self, count: int, /) -> bytes:
        """So many bytes; fewer at the end, and none after it."""


class StreamReader:
    """Reads frames from a binary stream that cannot be rewound.

    ``raw``: (width, height) of rgb24 frames without any header; None: the stream is y4m, and says
    so itself. ``size``, ``rate``, ``aspect`` and ``format`` are what it says, then.

    Raises:
        UsageError: the stream is no y4m.
    """

    def __init__(self, stream: Readable, raw: tuple[int, int] | None = None) -> None:
        self._stream = stream
        self.raw = raw
        self.rate, self.aspect, self.format = Fraction(25), Fraction(1), "yuv420p"
        if raw is not None:
            self.size = raw
            return
        try:
            self._container = av.open(stream, "r", format=_Y4M)
            video = self._container.streams.video[0]
        except (av.FFmpegError, EOFError, IndexError, ValueError) as error:
            raise UsageError(
                "What comes in is no y4m, as ffmpeg's yuv4mpegpipe makes it.", about="raw"
            ) from error
        self.size = video.width, video.height
        self.rate = Fraction(video.average_rate or self.rate)
        self.aspect = Fraction(video.sample_aspect_ratio or 1)
        if video.format is not None and video.format.name in _KEPT:
            self.format = video.format.name

    def __iter__(self) -> Iterator[np.ndarray]:
        """RGB uint8 (H, W, 3); BrushflowError if the stream ends within a frame."""
        return self._bare() if self.raw else self._of_y4m()

    def _bare(self) -> Iterator[np.ndarray]:
        width, height = self.size
        length = 3 * width * height
        while data := self._stream.read(length):
            if len(data) < length:
                raise BrushflowError(
                    f"The stream ended within a frame: {len(data)} bytes of {length} that "
                    f"{width}×{height} pixels of rgb24 have."
                )
            yield np.frombuffer(data, np.uint8).reshape(height, width, 3)

    def _of_y4m(self) -> Iterator[np.ndarray]:
        try:
            for frame in self._container.decode(video=0):
                yield frame.to_ndarray(format="rgb24")
        except av.FFmpegError as error:
            raise BrushflowError(f"The stream cannot be read on: {error.strerror}.") from error


class StreamWriter:
    """Writes frames to a binary stream, of the kind and at the rate of those of ``like``."""

    def __init__(self, stream: BinaryIO, like: StreamReader) -> None:
        self._stream = stream
        self._like = like
        self._begun = False

    def write(self, frame: np.ndarray) -> None:
        """Give one frame away, RGB uint8 (H, W, 3); BrushflowError where nobody reads any more."""
        parts = [frame.tobytes()] if self._like.raw else [b"FRAME\n", *self._planes(frame)]
        if not self._like.raw and not self._begun:
            parts.insert(0, self._header())
        self._begun = True
        try:
            self._stream.write(b"".join(parts))
            self._stream.flush()
        except OSError as error:
            raise BrushflowError(
                f"The painted frames cannot be given away: {error.strerror}."
            ) from error

    def _header(self) -> bytes:
        like = self._like
        width, height = like.size
        rate, aspect = (f"{n.numerator}:{n.denominator}" for n in (like.rate, like.aspect))
        words = f"W{width} H{height} F{rate} Ip A{aspect} C{_KEPT[like.format]}"
        return f"YUV4MPEG2 {words} XCOLORRANGE=LIMITED\n".encode()

    def _planes(self, frame: np.ndarray) -> Iterator[bytes]:
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        for plane in picture.reformat(format=self._like.format).planes:
            lines = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
            yield lines[: plane.height, : plane.width].tobytes()
