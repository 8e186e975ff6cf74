"""What a player makes of a file: times, tracks, shape and colours, found without our own reader.

Nothing here goes through the filters that the pipeline reads with: libav's decoders deliver stored
samples, and plain arithmetic on the file's own tags turns them into RGB. Only tone mapping, which
every player does in its own way, is ffmpeg's.
"""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.format import Flags
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from brushflow.common.errors import BrushflowError
from brushflow.video import ffmpeg
from brushflow.video.clock import JoinedClock, joined_offsets, runs_on, tick_of
from brushflow.video.cropping import NO_BORDERS, Borders, read_borders
from brushflow.video.filters import crop
from brushflow.video.hidden import shows_picture
from brushflow.video.opening import input_options, open_input
from brushflow.video.probe import transparent
from brushflow.video.stored import (
    orientation_of,
    stored_to_rgb,
    turn_name,
    upright,
    without_borders,
)
from brushflow.video.tracks import main_video

_HDR = {16: "PQ", 18: "HLG"}
_THUMBNAIL = (16, 16)
_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


@dataclass
class Playback:
    """One file as it plays.

    ``times``: when each frame is shown, in seconds, strictly increasing; ``lost``: times of
    pictures that the file announces after its first frame and no decoder gets; ``moved``: times
    that come too late, so that the pictures are shown behind the ones before; ``end``: when the
    last one has been shown, None if the file does not say; ``tick``: the video track's time base.
    ``size`` and ``sample_aspect`` are those of the upright picture. ``tracks`` counts the others by
    kind; ``audio_start`` is the first sound's time. With a ``running_clock`` (a broadcast's) only
    differences of times mean something. ``means`` and ``thumbnails`` hold, by seconds since the
    first frame, a frame's mean RGB (grey levels, 0–255) and the frame shrunk to 16×16. ``borders``
    of the upright picture are not shown.
    """

    tick: Fraction
    size: tuple[int, int] = (0, 0)
    sample_aspect: Fraction = Fraction(1)
    times: list[Fraction] = field(default_factory=list)
    lost: list[Fraction] = field(default_factory=list)
    moved: set[Fraction] = field(default_factory=set)
    end: Fraction | None = None
    tracks: Counter[str] = field(default_factory=Counter)
    audio_start: Fraction | None = None
    running_clock: bool = False
    hdr: str | None = None
    interlaced: bool = False
    transparent: bool = False
    turned: str = ""
    borders: Borders = NO_BORDERS
    means: dict[Fraction, np.ndarray] = field(default_factory=dict)
    thumbnails: dict[Fraction, np.ndarray] = field(default_factory=dict)


def play(
    path: Path,
    sample_at: Collection[Fraction] | None = None,
    samples: int = 12,
    until: Fraction | None = None,
) -> Playback:
    """Decode a file the way a player does, to its end or for the first ``until`` seconds.

    Colours are measured on ``samples`` frames spread over the file, or on those shown
    ``sample_at`` seconds after the first, to half a tick. Raises BrushflowError where there is no
    video that can be decoded.
    """
    try:
        with open_input(path) as container:
            seen, announced = _announcement(container, path)
            format_name = container.format.name
        if until is not None and announced:
            announced = [time for time in announced if time < announced[0] + until]
            seen.end = None
        wanted = sample_at
        if wanted is None:
            wanted = [t - announced[0] for t in announced[:: _stride(announced, samples)]]
        with open_input(path) as container:
            stream = _main_video(container, path)
            track = stream.index
            _decode(path, container, stream, seen, wanted, until)
    except (av.FFmpegError, ValueError, EOFError) as error:
        raise BrushflowError(f"{path} cannot be played: {error}.") from error
    if not seen.times:
        raise BrushflowError(f"{path} cannot be played: no frame of it can be decoded.")
    if seen.end is not None and seen.end <= seen.times[-1]:
        seen.end = None  # AVI counts the frames, whenever the first one is shown
    shown = {*seen.times, *seen.moved}
    seen.lost = [time for time in announced if time > seen.times[0] and time not in shown]
    if seen.hdr:
        _tone_mapped_colors(path, format_name, track, seen)
    return seen


def _stride(times: list[Fraction], samples: int) -> int:
    return max(1, -(-len(times) // samples))


def _untimed(container: InputContainer) -> bool:
    """Whether a file is pictures one behind the other, which players show at an even pace."""
    return bool(container.format.flags & cast(int, Flags.no_timestamps.value))


def _rate(stream: VideoStream) -> Fraction:
    return Fraction(stream.average_rate or stream.guessed_rate or 25)


def _main_video(container: InputContainer, path: Path) -> VideoStream:
    stream = main_video(container, path)
    if stream is None or stream.codec_context is None:
        raise BrushflowError(f"{container.name} holds no video that can be decoded.")
    return stream


def _announcement(container: InputContainer, path: Path) -> tuple[Playback, list[Fraction]]:
    """What the container says without decoding: tracks, and the times of the pictures it holds."""
    video = _main_video(container, path)
    seen = Playback(tick=tick_of(video), running_clock=runs_on(container))
    covers = Disposition.attached_pic
    chapters = container.chapters()
    for stream in container.streams:
        if stream is video or (stream.type == "data" and stream.name == "bin_data" and chapters):
            continue  # the titles of chapters, which are counted as chapters
        seen.tracks["cover" if stream.disposition & covers else stream.type] += 1
    if chapters:
        seen.tracks["chapter"] = len(chapters)
    announced: list[Fraction] = []
    told = False
    clock = JoinedClock(lambda: joined_offsets(path, video.index))
    first_sound: dict[int, Fraction] = {}
    with suppress(av.FFmpegError, EOFError):
        for packet in container.demux():
            if not packet.size or packet.is_discard:
                continue
            if packet.pts is None and packet.stream is video and _untimed(container):
                announced.append(len(announced) / _rate(video))
                continue
            if packet.pts is None:
                continue
            time = packet.pts * packet.time_base
            if packet.stream is video:
                if not shows_picture(video.codec_context.codec.canonical_name, bytes(packet)):
                    continue
                clock.move(time if packet.dts is None else packet.dts * packet.time_base)
                time += clock.offset
                announced.append(time)
                told |= bool(packet.duration)
                if packet.duration:
                    seen.end = max(seen.end or time, time + packet.duration * packet.time_base)
            elif packet.stream.type == "audio":
                first_sound.setdefault(packet.stream.index, time)
    # An edit list may end before the packets do; where these tell nothing, it is the file's end.
    one = clock.offset == 0 and (told or not announced)
    if video.duration and video.duration > 0 and one:
        whole = ((video.start_time or 0) + video.duration) * seen.tick
        seen.end = whole if seen.end is None else min(seen.end, whole)
    seen.audio_start = min(first_sound.values(), default=None)
    return seen, sorted(set(announced))


def _decode(
    path: Path,
    container: InputContainer,
    stream: VideoStream,
    seen: Playback,
    wanted: Collection[Fraction],
    until: Fraction | None,
) -> None:
    stream.thread_type = "AUTO"
    seen.transparent = transparent(stream.metadata)
    aspect = stream.sample_aspect_ratio or Fraction(1)
    targets = sorted(wanted)
    clock = JoinedClock(lambda: joined_offsets(path, stream.index))
    for moment, frame in _frames(container, stream, seen.transparent):
        time = clock.move(moment)
        if seen.times and time <= seen.times[-1]:
            seen.moved.add(time)
            time = seen.times[-1] + seen.tick
        if until is not None and seen.times and time >= seen.times[0] + until:
            return
        orientation = orientation_of(frame)
        if not seen.times:
            flipped = orientation[0]
            stored = (frame.width, frame.height)
            borders = read_borders(path, container, stream, stored)
            seen.borders = borders.upright(orientation)
            width, height = borders.inside(*stored)
            seen.size = (height, width) if flipped else (width, height)
            seen.sample_aspect = 1 / aspect if flipped else aspect
            seen.turned = turn_name(orientation)
            seen.hdr = _HDR.get(stream.codec_context.color_trc)
        seen.interlaced |= bool(frame.interlaced_frame)
        seen.transparent |= any(component.is_alpha for component in frame.format.components)
        seen.times.append(time)
        since = time - seen.times[0]
        while targets and targets[0] < since - seen.tick / 2:
            targets.pop(0)
        if targets and targets[0] <= since + seen.tick / 2:
            rgb = without_borders(stored_to_rgb(frame, stream), borders, stored)
            _measure(seen, since, upright(rgb, orientation))


def _frames(
    container: InputContainer, stream: VideoStream, transparent: bool
) -> Iterator[tuple[Fraction, VideoFrame]]:
    """Decoded frames and their times; what cannot be decoded is passed over."""
    context = stream.codec_context
    name = _ALPHA_DECODERS.get(context.codec.canonical_name)
    if transparent and name in ffmpeg.decoders():
        with suppress(av.FFmpegError, ValueError):
            other = av.CodecContext.create(name, "r")
            assert isinstance(other, VideoCodecContext)
            context = other
    count = 0
    for packet in container.demux(stream):
        if not packet.size and packet.pts is not None:
            continue  # Theora's way to say that nothing has changed; to a decoder it is the end
        with suppress(av.FFmpegError, EOFError):
            for frame in context.decode(packet if packet.size else None):
                if frame.pts is not None:
                    yield frame.pts * (frame.time_base or tick_of(stream)), frame
                elif _untimed(container):
                    yield count / _rate(stream), frame
                count += 1


def _measure(seen: Playback, since: Fraction, rgb: np.ndarray) -> None:
    rgb = np.ascontiguousarray(rgb, np.float32)
    seen.means[since] = rgb.reshape(-1, 3).mean(0, dtype=np.float64)
    seen.thumbnails[since] = cv2.resize(rgb, _THUMBNAIL, interpolation=cv2.INTER_AREA)


def _tone_mapped_colors(path: Path, format_name: str, track: int, seen: Playback) -> None:
    """Measure again what ffmpeg makes of the sampled frames by the tags that it finds itself."""
    if not {"zscale", "tonemap"} <= ffmpeg.filters():
        return
    places = [seen.times.index(seen.times[0] + since) for since in seen.means]
    chosen = "+".join(f"eq(n\\,{place})" for place in places)
    chain = (
        f"select='{chosen}',zscale=t=linear:npl=203,format=gbrpf32le,zscale=p=bt709,"
        "tonemap=hable:desat=0,zscale=t=bt709:m=bt709:r=tv,format=yuv444p,"
        "scale=in_color_matrix=bt709:in_range=tv,format=rgb24"
    )
    options = input_options(format_name)
    if any(seen.borders):
        chain = f"{crop(seen.borders)},{chain}"
        options |= ffmpeg.keep_borders_option()
    limits = [word for name, value in options.items() for word in (f"-{name}", value)]
    command = [
        *(ffmpeg.ffmpeg_binary(), "-nostdin", "-v", "error"),
        *(*limits, "-i", ffmpeg.file_url(path)),
        *("-map", f"0:{track}", "-vf", chain),
        *("-fps_mode", "passthrough", "-f", "rawvideo", "pipe:1"),
    ]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    width, height = seen.size
    length = width * height * 3
    for number, since in enumerate(list(seen.means)):
        data = done.stdout[number * length : (number + 1) * length]
        if len(data) == length:
            _measure(seen, since, np.frombuffer(data, np.uint8).reshape(height, width, 3))
