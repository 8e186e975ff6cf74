"""Frames into one encoded segment: a small Matroska file that is complete or does not exist."""

from __future__ import annotations

import errno
import os
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType

import av
import ffmpeg as ffmpeg_graph
import numpy as np

from brushflow.common.atomic_files import atomic_path
from brushflow.common.errors import BrushflowError, UsageError
from brushflow.video import ffmpeg
from brushflow.video.assemble import assemble
from brushflow.video.color import BT709, ColorTags
from brushflow.video.encoders import (
    EncodeSettings,
    check_encoder,
    encoder_options,
    pixel_format,
)
from brushflow.video.filters import encode_chain

# A segment's own clock only has to keep the frames apart; Matroska's ticks are milliseconds.
_RATES = (Fraction(1), Fraction(240))
# What comes in, by whether there is alpha and whether there are more than 8 bits.
_PACKED = {
    (False, False): "rgb24",
    (False, True): "rgb48le",
    (True, False): "rgba",
    (True, True): "rgba64le",
}
_TRIAL_RATE = Fraction(25)
_TRIAL_SIZE = (256, 256)  # which all encoders take


class SegmentWriter:
    """Encodes frames to ``path``, as a context manager.

    The segment starts with a key frame and refers to nothing outside it. Its clock is
    ``frame_rate`` throughout: the real timestamps are given when segments are assembled. The file
    appears under its name when the block has ended and every frame is on disk; if the block or
    ffmpeg fails, nothing is left. The same frames and settings make the same bytes.
    """

    def __init__(
        self,
        path: Path,
        width: int,
        height: int,
        settings: EncodeSettings,
        frame_rate: Fraction,
        color: ColorTags = BT709,
        sample_aspect_ratio: Fraction = Fraction(1),
    ) -> None:
        self.path = Path(path)
        self.settings = settings
        self.frames = 0
        self._shape = (height, width, 4 if settings.alpha else 3)
        self._dtype = np.dtype(np.uint8 if settings.bit_depth == 8 else "<u2")
        self._rate = min(max(Fraction(frame_rate), _RATES[0]), _RATES[1]).limit_denominator(10**6)
        self._color = color
        self._sample_aspect_ratio = sample_aspect_ratio

    def __enter__(self) -> SegmentWriter:
        check_encoder(self.settings)
        with ExitStack() as stack:
            try:
                partial = stack.enter_context(atomic_path(self.path))
            except OSError as error:
                raise BrushflowError(
                    f"The segment {self.path} cannot be written: {error.strerror}."
                ) from error
            process = ffmpeg.FFmpegProcess(self._command(partial), stdin=True)
            self._process = stack.enter_context(process)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._stack.__exit__(kind, error, trace)
            return
        with self._stack:
            if self._process.finish() != 0:
                raise self._failure()
            if self.frames == 0:
                raise ValueError(f"no frame was written to {self.path}")

    def write(self, frame: np.ndarray) -> None:
        """Encode one frame: RGB (H, W, 3), uint8, or uint16 over 0–65535 for bit depth 10.

        RGBA (H, W, 4) where the settings say so.

        Raises BrushflowError with ffmpeg's own words if the encoder has failed.
        """
        if frame.shape != self._shape or frame.dtype != self._dtype:
            raise ValueError(
                f"a frame of {frame.shape} {frame.dtype} for a segment of "
                f"{self._shape} {self._dtype}"
            )
        try:
            self._process.stdin.write(np.ascontiguousarray(frame).data)
        except OSError as error:
            self._process.finish()
            raise self._failure() from error
        self.frames += 1

    def _failure(self) -> BrushflowError:
        reason = self._process.last_message() or f"it ended with code {self._process.finish()}"
        if os.strerror(errno.ENOSPC) in reason:
            return BrushflowError(
                f"The disk is full, and {self.path} could not be written.", about="full_disk"
            )
        return BrushflowError(
            f"ffmpeg could not encode {self.path.name} with {self.settings.codec}: {reason}."
        )

    def _command(self, partial: Path) -> list[str]:
        height, width, _ = self._shape
        color = self._color
        pix_fmt = pixel_format(self.settings, width, height)
        stream = ffmpeg_graph.input(
            "pipe:0",
            **{
                "f": "rawvideo",
                "pix_fmt": _PACKED[self.settings.alpha, self.settings.bit_depth > 8],
                "s": f"{width}x{height}",
                "framerate": f"{self._rate.numerator}/{self._rate.denominator}",
            },
        )
        output = stream.output(
            "SEGMENT",
            **{
                "f": "matroska",
                "vf": encode_chain(color, pix_fmt, self._sample_aspect_ratio),
                "color_primaries": color.code("primaries"),
                "color_trc": color.code("transfer"),
                "colorspace": color.code("matrix"),
                "color_range": color.range,
                "flags:v": "+bitexact",
                "fflags": "+bitexact",
                **ffmpeg.keep_timestamps_option(),
                **encoder_options(self.settings),
            },
        ).global_args("-hide_banner", "-v", "error", "-y")
        return ffmpeg.command_line(output, {"SEGMENT": partial})


def try_settings(
    settings: EncodeSettings, width: int, height: int, color: ColorTags, suffix: str = ".mkv"
) -> None:
    """Encode one frame of this size and put it into a file with this suffix.

    UsageError if the encoder or the file does not take the settings, or not for such a size.

    What the usual settings meet as well, a full disk say, is not the settings' fault, nor is what
    does not happen again: an ffmpeg that something killed.
    """
    problem = _trial(settings, width, height, color, suffix)
    if problem is None:
        return
    if _trial(EncodeSettings(), width, height, color) is not None:
        if _trial(settings, *_TRIAL_SIZE, color, suffix) is None:
            _refuse(settings, width, height, color, suffix, "frame_size")
        return
    _refuse(settings, width, height, color, suffix, "encoding")


def _refuse(
    settings: EncodeSettings, width: int, height: int, color: ColorTags, suffix: str, about: str
) -> None:
    """Raise UsageError if the trial fails once more."""
    problem = _trial(settings, width, height, color, suffix)
    if problem is not None:
        raise UsageError(
            f"Frames of {width}×{height} cannot be encoded like this. {problem}", about
        ) from problem


def _trial(
    settings: EncodeSettings, width: int, height: int, color: ColorTags, suffix: str = ".mkv"
) -> BrushflowError | None:
    """What goes wrong with a black frame, if anything does."""
    frame = np.zeros(
        (height, width, 3 + settings.alpha), np.uint8 if settings.bit_depth == 8 else "<u2"
    )
    with TemporaryDirectory() as folder:
        path = Path(folder) / "trial.mkv"
        try:
            with SegmentWriter(path, width, height, settings, _TRIAL_RATE, color) as writer:
                writer.write(frame)
            assemble([path], [0], 1 / _TRIAL_RATE, path.with_name(f"joined{suffix}"))
        except BrushflowError as error:
            return error
    return None


def verify_segment(path: Path) -> int:
    """Return the number of frames in a segment; BrushflowError if it is damaged or missing."""
    try:
        with av.open(f"file:{Path(path).absolute()}") as container:
            stream = container.streams.video[0]
            return sum(1 for packet in container.demux(stream) if packet.size)
    except (av.FFmpegError, EOFError, IndexError) as error:
        raise BrushflowError(
            f"The segment {path} is damaged or missing; delete it and start again."
        ) from error
