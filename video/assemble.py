"""The finished file: encoded segments with their real timestamps, and all else of the source."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import lcm
from operator import itemgetter
from pathlib import Path

import av
from av.packet import Packet
from av.stream import Disposition
from av.video.stream import VideoStream

from brushflow.common.atomic_files import atomic_path
from brushflow.common.errors import BrushflowError
from brushflow.common.wording import counted
from brushflow.video.carry import Fates, SourceTracks, Trim
from brushflow.video.clock import usual_step
from brushflow.video.containers import OutputKind, check_video_codec, output_kind
from brushflow.video.languages import write_languages
from brushflow.video.probe import transparent
from brushflow.video.sphere import Sphere, write_sphere
from brushflow.video.trial import settle_tracks

# A track's clock has 32 bits; the microsecond is what remains for times that fit no such clock.
_FINEST_CLOCK = 2**31 - 1
_COARSE_CLOCK = 1_000_000
# Ticks per second that the delays of a movie's tracks are at least counted in.
_MOVIE_CLOCK = 48_000


@dataclass(frozen=True)
class AssembleReport:
    """What came of it: the file, its number of frames, and a sentence per track that changed."""

    output: Path
    frames: int
    notes: list[str]


@dataclass(frozen=True)
class _Coded:
    """The packets' order: for each in file order its frame number, and the reordering delay."""

    frame_of_packet: list[int]
    delay: int


def assemble(
    segments: Sequence[Path],
    pts: Sequence[int],
    time_base: Fraction,
    output: Path,
    source: Path | None = None,
    *,
    start: Fraction | None = None,
    end: Fraction | None = None,
    sphere: Sphere | None = None,
    fates: Fates | None = None,
    until: Fraction | None = None,
    replace: bool = True,
    made_by: str = "",
) -> AssembleReport:
    """Join ``segments`` into ``output`` and copy sound, subtitles, chapters and tags of ``source``.

    Frame k over all segments is presented at ``pts[k] * time_base`` seconds, exactly where the
    container's clock allows it (Matroska and WebM round to a millisecond). ``pts`` and ``start``
    and ``end`` (seconds) are on the source's clock: with ``start``, everything is moved so that it
    becomes 0; what lies before it or from ``end`` on is left out. Tracks that the container cannot
    hold are converted or dropped, with a sentence in the report. Nothing is re-encoded otherwise.
    ``sphere``: the frames are spherical, and .mp4 and .mov files say so. ``fates``: what
    ``settle_tracks`` has found for the same source, output and trim, if it was asked before.
    ``until``: when the last frame has been shown, where there is no ``source`` that tells it.
    ``made_by``, at most 31 letters (ASCII), is kept as the name of what has encoded the frames.

    Raises UsageError for a suffix that is no video's or a codec that does not fit it, and
    BrushflowError for segments that do not belong together or hold another number of frames, and
    for an output that is there when all is done, unless it is to be ``replace``d.
    """
    output = Path(output)
    kind = output_kind(output)
    try:
        coded = _coded_order(segments)
        if len(coded.frame_of_packet) != len(pts):
            raise BrushflowError(
                f"The encoded parts of {output} hold "
                f"{counted(len(coded.frame_of_packet), 'frame')} instead of {len(pts)}; delete "
                f"them and start again."
            )
        trim = Trim(start, end)
        if source is not None and fates is None:
            fates = settle_tracks(source, output, trim)
        with atomic_path(output, replace) as partial, ExitStack() as stack:
            tracks = None
            if source is not None:
                tracks = stack.enter_context(SourceTracks(source, kind, partial, trim, fates or {}))
            times = [value * time_base for value in pts]
            if tracks is not None and start is None:
                # A recording's first frame may come before the start that its streams tell.
                tracks.shift = min(tracks.shift, max(times[0], Fraction(0)))
            shift = tracks.shift if tracks else start or Fraction(0)
            if tracks is not None:
                until = tracks.shown_until(times[-1])
            last = _last_duration(times, until)
            times = [time - shift for time in times]
            _mux(segments, coded, times, last, partial, output, kind, tracks, made_by)
            notes = list(tracks.notes) if tracks else []
            if sphere is not None:
                notes += write_sphere(partial, kind.is_mov, sphere)
    except (OSError, av.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise BrushflowError(f"{output} cannot be written: {reason}.") from error
    return AssembleReport(output, len(pts), notes)


def _open_segment(path: Path) -> av.container.InputContainer:
    return av.open(f"file:{Path(path).absolute()}")


def _coded_order(segments: Sequence[Path]) -> _Coded:
    """Read which frame each packet holds, and check that the segments continue each other."""
    frames: list[int] = []
    headers: bytes | None = None
    for path in segments:
        with _open_segment(path) as container:
            stream = container.streams.video[0]
            header = bytes(stream.codec_context.extradata or b"")
            if headers is None:
                headers = header
            elif header != headers:
                raise BrushflowError(
                    f"The encoded part {path} was made with other settings than the ones before "
                    "it; delete the parts and start again."
                )
            packets = [packet for packet in container.demux(stream) if packet.size]
            times = [packet.pts for packet in packets if packet.pts is not None]
        rank = {time: number for number, time in enumerate(sorted(times))}
        if len(rank) != len(packets):
            raise BrushflowError(f"The encoded part {path} is damaged; delete it and start again.")
        offset = len(frames)
        frames += [offset + rank[time] for time in times]
    delay = max((place - frame for place, frame in enumerate(frames)), default=0)
    return _Coded(frames, delay)


def _last_duration(times: list[Fraction], until: Fraction | None) -> Fraction:
    """How long the last of the frames at ``times`` is shown: as the source says, or as usual."""
    if until is not None and until > times[-1]:
        return Fraction(until) - times[-1]
    return usual_step(times) or Fraction(1, 25)


def _mux(
    segments: Sequence[Path],
    coded: _Coded,
    times: Sequence[Fraction],
    last_duration: Fraction,
    partial: Path,
    output: Path,
    kind: OutputKind,
    tracks: SourceTracks | None,
    made_by: str,
) -> None:
    # One tick that all times are whole multiples of: the track then stores them exactly.
    clock = 1
    for time in (*times, last_duration):
        clock = lcm(clock, time.denominator)
    clock = clock if clock <= _FINEST_CLOCK else _COARSE_CLOCK
    options = {"fflags": "+bitexact"}
    if kind.is_mov:
        options["movflags"] = "+faststart"
        options["video_track_timescale"] = str(clock)
        # The delay before the first frame or sound is stored in the movie's clock, by default 1 ms.
        options["movie_timescale"] = str(clock * -(-_MOVIE_CLOCK // clock))
    with (
        av.open(f"file:{partial.absolute()}", "w", format=kind.format, options=options) as target,
        _open_segment(segments[0]) as first,
    ):
        template = first.streams.video[0]
        codec = template.codec_context.codec.canonical_name
        check_video_codec(output, kind, codec)
        video = target.add_stream_from_template(template, opaque=True)
        if kind.is_mov and codec == "hevc":
            video.codec_context.codec_tag = "hvc1"  # Apple's players know HEVC by no other name
        video.time_base = Fraction(1, clock)
        video.disposition = Disposition.default
        if tracks is not None:
            tracks.add_to(target)
            if tracks.video_metadata:
                video.metadata.update(tracks.video_metadata)
        if transparent(template.metadata):
            video.metadata["alpha_mode"] = "1"
        if made_by:
            video.metadata["encoder"] = made_by
        target.start_encoding()
        packets = _video_packets(segments, coded, times, last_duration, clock, video)
        others = tracks.packets() if tracks is not None else iter(())
        for _, packet in heapq.merge(packets, others, key=itemgetter(0)):
            target.mux(packet)
        languages = [stream.metadata.get("language") for stream in target.streams]
    if kind.format == "mov":
        write_languages(partial, languages)


def _video_packets(
    segments: Sequence[Path],
    coded: _Coded,
    times: Sequence[Fraction],
    last_duration: Fraction,
    clock: int,
    video: VideoStream,
) -> Iterator[tuple[Fraction, Packet]]:
    """Yield (decoding time, packet) with the frames' real times.

    Frames are decoded ``delay`` frames ahead of the order they are shown in, so a packet's
    decoding time is the presentation time of the frame that many places earlier. The first ones
    come before all presentation times, by as much as makes decoding last as long as the video:
    some players of .mp4 files go by the decoding times' sum.
    """
    ticks = [round(time * clock) for time in times]
    durations = [b - a for a, b in pairwise(ticks)] + [round(last_duration * clock)]
    end = ticks[-1] + durations[-1]
    last_decoded = ticks[-1 - coded.delay] + durations[coded.frame_of_packet[-1]]
    ahead = max(coded.delay, end - last_decoded)
    lead = [ticks[0] - ahead * back // coded.delay for back in range(coded.delay, 0, -1)]
    decoding = lead + ticks
    place = 0
    for path in segments:
        with _open_segment(path) as container:
            for packet in container.demux(container.streams.video[0]):
                if not packet.size:
                    continue
                frame = coded.frame_of_packet[place]
                packet.stream = video
                packet.time_base = Fraction(1, clock)
                packet.pts = ticks[frame]
                packet.dts = decoding[place]
                packet.duration = durations[frame]
                yield Fraction(decoding[place], clock), packet
                place += 1
