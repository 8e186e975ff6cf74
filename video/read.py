"""Decoded frames with the exact timestamps of the source.

ffmpeg decodes and converts, and writes the frames as NUT into a pipe: the one container that holds
raw video together with any time base. PyAV takes the pipe apart.
"""

from __future__ import annotations

import functools
import logging
import signal
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import ffmpeg as ffmpeg_graph
import numpy as np

from brushflow.common.errors import BrushflowError
from brushflow.video import ffmpeg
from brushflow.video.alpha import with_alpha
from brushflow.video.clock import JoinedClock, joined_offsets, tick_of
from brushflow.video.damage import announced_pictures, expected_times, fill_gaps
from brushflow.video.filters import decode_chain
from brushflow.video.ogg import is_joined, pages
from brushflow.video.opening import input_options, open_input
from brushflow.video.probe import VideoInfo

logger = logging.getLogger(__name__)

# What ends a healthy decoder; the other signals are its own undoing by a damaged file.
_KILLS = {"SIGKILL", "SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"}
# NUT has no negative timestamps, some sources do: seconds added on the way through the pipe.
_PIPE_OFFSET = 3600
# Formats in which recordings are joined by putting one behind the other.
_JOINABLE = {"mpegts", "mpeg", "ogg"}
# Seconds that times after a setback are moved ahead on the way, and ticks at most: the program
# reckons in floating point.
_FAR = 10_000_000
_FARTHEST = 1 << 48
# How far before the wanted frame a seek aims: past the broken pictures after an open-GOP key frame.
_SEEK_MARGIN = Fraction(2)
# Seconds by which what a file says of its length and what its frames last may differ.
_SAME_LENGTH = Fraction(1)
# Frames that filters and decoders want to have seen before the wanted one.
_LEAD_FRAMES = 3


@dataclass(frozen=True)
class TimedFrame:
    """One picture of a video.

    ``index`` counts from 0 at the source's first frame; ``pts`` is in ticks of the source's time
    base; ``pixels`` is C-contiguous RGB (H, W, 3), uint8 or (bit depth 10) uint16 over 0–65535, or
    RGBA (H, W, 4), or gray (H, W) uint8.
    """

    index: int
    pts: int
    pixels: np.ndarray


class FrameReader:
    """Reads the frames of one video, as often as asked.

    After a read from the start has ended, ``problem`` is None or what ffmpeg complained about: the
    file is damaged or truncated, and only what could be decoded was yielded. From then on (or with
    ``problem`` set from an earlier process) the file is read with care: in one thread from the
    start, which makes damaged pictures the same every time, and with the frame before in place of
    one that is announced and cannot be decoded. ``filled`` has the pts of those.
    """

    def __init__(self, info: VideoInfo) -> None:
        self.info = info
        self.problem: str | None = None
        self.filled: set[int] = set()
        self._expected: list[int] | None = None
        self._offsets: list[Fraction] | None = None

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
        """Yield the frames from number ``first`` on, with strictly increasing pts.

        ``size`` is the (width, height) to scale to, by default the source's. ``alpha``: RGBA, see
        ``video.alpha``, and not RGB on black. ``table``, the pts of
        all frames from an earlier read, lets a late ``first`` be reached by seeking; the frames are
        the same as without it. ``until``: read no more than these seconds, from the source's first
        frame on, as if it ended there; for reads from the start. Raises BrushflowError if no frame
        at all can be decoded.
        """
        own = self.info.width, self.info.height
        size = size or own
        if alpha:
            frames = self._read(
                decode_chain(self.info, own, bit_depth, False, True), first, table, until
            )
            with closing(frames):
                for frame in frames:
                    color, shown = frame.pixels[..., :3], frame.pixels[..., 3]
                    yield replace(frame, pixels=with_alpha(color, shown, size))
            return
        yield from self._read(decode_chain(self.info, size, bit_depth, gray), first, table, until)

    def _read(
        self, chain: list[str], first: int, table: Sequence[int] | None, until: Fraction | None
    ) -> Generator[TimedFrame, None, None]:
        expected = table or self._expected
        if until is not None and expected:
            end = expected[0] + until / self.info.time_base
            expected = [pts for pts in expected if pts < end]
        if self.problem is not None and expected:
            frames = fill_gaps(self._decode(chain, careful=True, until=until), expected)
            with closing(frames):
                for index, (pts, pixels, again) in enumerate(frames):
                    if again:
                        self.filled.add(pts)
                    if index >= first:
                        yield TimedFrame(index, pts, pixels)
            return
        upcoming = first
        if first > 0 and table is not None:
            for frame in self._seek_read(chain, first, table):
                yield frame
                upcoming = frame.index + 1
            if upcoming == len(table):
                return
        for index, (pts, pixels) in enumerate(self._decode(chain, until=until)):
            if index >= upcoming:
                yield TimedFrame(index, pts, pixels)

    def _seek_read(
        self, chain: list[str], first: int, table: Sequence[int]
    ) -> Generator[TimedFrame, None, None]:
        """Yield frames from ``first`` on for as long as decoding after a seek follows the table.

        Where it does not (a container without an index, damage), this ends, and the caller goes on
        by decoding from the start.
        """
        if first >= len(table) or is_joined(self.info.path):
            return
        lead = max(0, first - _LEAD_FRAMES)
        target = table[lead] * self.info.time_base - _SEEK_MARGIN
        if target <= max(table[0] * self.info.time_base, Fraction(0)):
            return
        span = (table[-1] - table[0]) * self.info.time_base
        told = self.info.duration
        if (told is None or abs(span - Fraction(told)) > _SAME_LENGTH) and len(self._joined()) > 1:
            return  # a time is in several places
        position = {pts: index for index, pts in enumerate(table)}
        expected = None
        for pts, pixels in self._decode(chain, seek=target):
            index = position.get(pts)
            if index is None or (index > lead if expected is None else index != expected):
                logger.info("seeking in %s is inexact; decoding from its start", self.info.path)
                return
            expected = index + 1
            if index >= first:
                yield TimedFrame(index, pts, pixels)

    def _command(self, chain: list[str], seek: Fraction | None, careful: bool) -> list[str]:
        info = self.info
        options: dict[str, object] = {**input_options(info.container)}
        fed = is_joined(info.path)
        if fed:
            options["protocol_whitelist"] = "pipe"
        if info.container in _JOINABLE:
            # The filters go on where pictures of another size begin, or they forgot the setbacks
            # and the frames that they hold.
            options["reinit_filter"] = 0
            chain = [f"scale={info.width}:{info.height}", *chain]
        if any(info.borders):
            options |= ffmpeg.keep_borders_option()
        if careful or info.codec == "theora":
            # Threads of Theora cannot begin anew where recordings were joined.
            options["threads"] = 1
        if seek is not None:
            # Accurate seeking would drop frames by rounded times; dropping by pts is exact.
            options |= {"ss": f"{float(seek):.6f}", "seek_timestamp": 1, "noaccurate_seek": None}
        # ffmpeg's own VP8 and VP9 decoders leave the alpha channel out.
        with_alpha = {"vp8": "libvpx", "vp9": "libvpx-vp9"}.get(info.codec)
        if info.has_alpha and with_alpha in ffmpeg.decoders():
            options["c:v"] = with_alpha
        stream = ffmpeg_graph.input("pipe:0" if fed else "SOURCE", **options)[self._specifier()]
        output = stream.output(
            "pipe:1",
            **{
                "f": "nut",
                "c:v": "rawvideo",
                "map_metadata": -1,
                "map_chapters": -1,
                "vf": ",".join([*self._clock_chain(), *chain]),
                "copyts": None,
                "enc_time_base": f"{info.time_base.numerator}:{info.time_base.denominator}",
                **ffmpeg.keep_timestamps_option(),
            },
        ).global_args("-nostdin", "-hide_banner", "-v", "error")
        return ffmpeg.command_line(output, {"SOURCE": info.path})

    def _clock_chain(self) -> list[str]:
        # The program's time base for the same track may be another one. No pipe takes times that
        # go back: every time they do, what follows is moved far ahead.
        tick = self.info.time_base
        setbacks = "st(0,ld(0)+lt(PTS,PREV_INPTS))"
        return [
            f"settb={tick.numerator}/{tick.denominator}",
            f"setpts='{setbacks};PTS+{self._offset_ticks}+ld(0)*{self._far_ticks}'",
        ]

    @property
    def _far_ticks(self) -> int:
        return min(round(_FAR / self.info.time_base), _FARTHEST)

    @property
    def _offset_ticks(self) -> int:
        return round(_PIPE_OFFSET / self.info.time_base)

    def _decode(
        self,
        chain: list[str],
        seek: Fraction | None = None,
        careful: bool = False,
        until: Fraction | None = None,
    ) -> Generator[tuple[int, np.ndarray], None, None]:
        info = self.info
        decoded: list[int] = []
        last: int | None = None
        over = False
        clock = JoinedClock(self._joined)
        command = self._command(chain, seek, careful)
        feed = pages(info.path) if is_joined(info.path) else None
        with ffmpeg.FFmpegProcess(command, stdout=True, feed=feed) as process:
            for pipe_time, pixels in _frames_in_pipe(process):
                ticks = round(pipe_time / info.time_base) % self._far_ticks - self._offset_ticks
                pts = round(clock.move(ticks * info.time_base) / info.time_base)
                if last is not None and pts <= last:
                    _warn_moved(info.path)
                    pts = last + 1
                over = until is not None and (pts - (decoded or [pts])[0]) * info.time_base >= until
                if over:
                    break
                last = pts
                decoded.append(pts)
                yield pts, pixels
            code = 0 if over else process.finish()
        message = process.last_message()
        if code < 0 and _name_of(-code) in _KILLS:
            raise BrushflowError(
                f"The ffmpeg that read {info.path} was stopped from outside (signal {-code}), "
                f"perhaps for lack of memory; start again."
            )
        if code and not message:
            message = f"ffmpeg ended with code {code}"
        if seek is not None:
            return
        if last is None:
            reason = message or "the file is damaged"
            raise BrushflowError(f"No frame of {info.path} can be decoded: {reason}.")
        if message and info.codec == "theora" and len(self._joined()) > 1:
            # It complains of the headers in between, which are as they should be.
            message = "" if len(decoded) == announced_pictures(info) else message
        # Told once, about a whole read: a seek makes decoders complain about sound files too.
        self.problem = message or self.problem
        if self.problem and self._expected is None:
            joined = len(self._offsets or [0]) > 1
            self._expected = sorted(decoded) if joined else expected_times(info, decoded)

    def _joined(self) -> list[Fraction]:
        """See ``joined_offsets``; only files whose times jump are looked at."""
        if self._offsets is None:
            self._offsets = joined_offsets(self.info.path, self.info.stream_index)
        return self._offsets

    def _specifier(self) -> str:
        """The program's number for the track: its libraries may see more tracks or fewer.

        Those that are of another version do so in front, where a file has pictures beside a film.
        """
        index = self.info.stream_index
        if index == 0 or is_joined(self.info.path):
            return str(index)
        with open_input(self.info.path) as container:
            kinds = [stream.type for stream in container.streams]
        seen = ffmpeg.input_kinds(self.info.path, input_options(self.info.container))
        if seen == kinds or "video" not in seen:
            return str(index)
        after = kinds[index:].count("video")
        videos = [number for number, kind in enumerate(seen) if kind == "video"]
        return str(videos[max(0, len(videos) - after)])


def _name_of(number: int) -> str:
    """The name of a signal; Windows has few of them."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


@functools.cache
def _warn_moved(path: Path) -> None:
    """Once for a file, which may be read several times and have many of them."""
    logger.warning("%s: some frames come twice or late, and are moved behind the others.", path)


def _frames_in_pipe(process: ffmpeg.FFmpegProcess) -> Iterator[tuple[Fraction, np.ndarray]]:
    try:
        container = av.open(process.stdout, "r", format="nut", buffer_size=1 << 20)
    except (av.FFmpegError, EOFError):
        return  # nothing was written: the caller reports ffmpeg's own words
    with container:
        stream = container.streams.video[0]
        context = stream.codec_context
        height, width = context.height, context.width
        kind = context.pix_fmt or ""  # "gray", "rgb24", "rgb48le", "rgba" or "rgba64le"
        channels = 4 if kind.startswith("rgba") else 3
        shape = (height, width) if kind == "gray" else (height, width, channels)
        dtype = np.dtype("<u2" if kind.endswith("le") else np.uint8)
        length = int(np.prod(shape)) * dtype.itemsize
        tick = tick_of(stream)
        try:
            for packet in container.demux(stream):
                if packet.size == length and packet.pts is not None:
                    samples = np.frombuffer(memoryview(packet), dtype)
                    yield packet.pts * tick, samples.reshape(shape)
        except (av.FFmpegError, EOFError):
            return
