"""When a source's recording begins and how long it shows a frame, exactly, by its own packets."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
from av.container import InputContainer
from av.format import Flags
from av.video.stream import VideoStream

from brushflow.video.opening import open_input


def recording_start(container: InputContainer) -> Fraction:
    """Seconds on a source's clock at which it begins; 0 where its times mean what they say.

    Transport and programme streams are cut out of a clock that runs for hours. The start of such a
    container is known in whole microseconds only, so it is that of the stream which comes closest.
    """
    rounded = container.start_time
    if not container.format.flags & Flags.ts_discont.value or rounded is None:
        return Fraction(0)
    starts = [s.start_time * s.time_base for s in container.streams if s.start_time is not None]
    about = Fraction(rounded, av.time_base)
    return min(starts, key=lambda start: abs(start - about), default=about)


def shown_until(
    source: Path, video: VideoStream, last: Fraction, end: Fraction | None
) -> Fraction | None:
    """When the frame at ``last`` gives way to the next or to nothing, as far as the file says.

    ``last``, ``end`` (of a trim) and what is returned are seconds on the source's clock; None where
    the file does not say.
    """
    packets: list[tuple[Fraction, Fraction]] = []
    with suppress(av.FFmpegError, EOFError, ValueError), open_input(source) as container:
        for packet in container.demux(container.streams[video.index]):
            if packet.pts is None or not packet.size or packet.is_discard:
                continue
            time = packet.pts * packet.time_base
            if time >= last:
                packets.append((time, (packet.duration or 0) * packet.time_base))
            if packet.dts is not None and packet.dts * packet.time_base > last:
                break
    following = min((time for time, _ in packets if time > last), default=None)
    own = max((length for time, length in packets if time == last), default=Fraction(0))
    until = following or (last + own if own > 0 else None)
    told = own > 0 or not packets  # where no packet has a duration, the track has the file's
    if told and following is None and (video.duration or 0) > 0 and video.time_base:
        # An edit list may end before the packets do; AVI tells no times of packets, but the number.
        whole = ((video.start_time or 0) + video.duration) * video.time_base
        if whole > last:
            until = whole if until is None else min(until, whole)
    return until if until is None or end is None else min(until, end)


def usual_step(times: list[Fraction]) -> Fraction | None:
    """The median distance of neighbouring frames; a pause at the end says nothing of the last."""
    steps = sorted(b - a for a, b in pairwise(times))
    return steps[(len(steps) - 1) // 2] if steps else None
