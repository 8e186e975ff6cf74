"""A source's clock, exactly, by its own packets: where it begins, ends, and is set anew."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from contextlib import suppress
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import cast

import av
from av.container import InputContainer
from av.format import Flags
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from brushflow.video.hidden import shows_picture
from brushflow.video.opening import open_input

# Seconds; a broadcast that is silent for longer has not paused, its clock was set.
LONGEST_PAUSE = Fraction(10)
# Seconds that decoding times may go back in files whose clock is one.
_JITTER = Fraction(1, 2)
# Seconds by which tracks usually run ahead of each other in a file.
_INTERLEAVED = Fraction(1, 2)


def tick_of(stream: Stream) -> Fraction:
    """Seconds per tick of a track's times; ValueError if the file does not say."""
    if stream.time_base is None:
        raise ValueError(f"track {stream.index} has no clock")
    return stream.time_base


def runs_on(container: InputContainer) -> bool:
    """Whether times are those of a broadcast's clock, which runs for hours and may be set."""
    return bool(container.format.flags & cast(int, Flags.ts_discont.value))


def recording_start(container: InputContainer) -> Fraction:
    """Seconds on a source's clock at which it begins; 0 where its times mean what they say.

    Transport and programme streams are cut out of a clock that runs for hours. The start of such a
    container is known in whole microseconds only, so it is that of the stream which comes closest.
    """
    rounded = container.start_time
    if not runs_on(container) or rounded is None:
        return Fraction(0)
    starts = [s.start_time * tick_of(s) for s in container.streams if s.start_time is not None]
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
        first = (video.start_time or 0) * tick_of(video)
        if len(container.streams) == 1 and [time for time, _ in packets] == [first]:
            # The file is about nothing but this picture, which has no neighbour to be measured by.
            whole = Fraction(container.duration or 0, av.time_base)
            packets = [(last, max(whole, packets[0][1]))]
    following = min((time for time, _ in packets if time > last), default=None)
    own = max((length for time, length in packets if time == last), default=Fraction(0))
    until = following or (last + own if own > 0 else None)
    told = own > 0 or not packets  # where no packet has a duration, the track has the file's
    length = video.duration or 0
    if told and following is None and length > 0 and video.time_base:
        # An edit list may end before the packets do; AVI tells no times of packets, but the number.
        whole = ((video.start_time or 0) + length) * video.time_base
        if whole > last:
            until = whole if until is None else min(until, whole)
    return until if until is None or end is None else min(until, end)


def usual_step(times: list[Fraction]) -> Fraction | None:
    """The median distance of neighbouring frames; a pause at the end says nothing of the last."""
    steps = sorted(b - a for a, b in pairwise(times))
    return steps[(len(steps) - 1) // 2] if steps else None


def joined_offsets(source: Path, index: int) -> list[Fraction]:
    """Find where recordings were joined in a file, each with its own clock, by its packets.

    ``index``: of the video track, which goes on without a gap. Returns for each recording the
    seconds that its times are to be moved by; one that is whole gives ``[0]``. A clock that goes
    back is another one; one that leaps ahead is, if the format is a broadcast's and no sound goes
    on in the meantime.
    """
    offsets = [Fraction(0)]
    latest: Fraction | None = None
    step = end = Fraction(0)
    runs: dict[int, tuple[Fraction, Fraction]] = {}  # from where to where sound goes on
    with suppress(av.FFmpegError, EOFError, ValueError), open_input(source) as container:
        broadcast = runs_on(container)
        jitter = Fraction(0) if broadcast or container.format.name == "ogg" else _JITTER
        context = container.streams[index].codec_context
        codec = context.codec.canonical_name if context is not None else ""
        for packet in container.demux(*container.streams.audio, container.streams[index]):
            if packet.dts is None or not packet.size:
                continue
            time = packet.dts * packet.time_base
            if packet.stream.index != index:
                began, before = runs.get(packet.stream.index, (time, time))
                goes_on = before <= time <= before + LONGEST_PAUSE
                runs[packet.stream.index] = (began if goes_on else time, time)
                continue
            if codec == "theora" and not shows_picture(codec, bytes(packet)):
                continue
            shown = time if packet.pts is None else packet.pts * packet.time_base
            if latest is not None:
                back = time < latest - jitter
                ahead = broadcast and time > latest + step + LONGEST_PAUSE
                ahead = ahead and not any(a <= latest < b - LONGEST_PAUSE for a, b in runs.values())
                if back or ahead:
                    # Where files tell no decoding times, those after a join are guessed wrongly.
                    gap = latest + step - time if broadcast else end - shown
                    offsets.append(offsets[-1] + gap)
                    end = shown
            step = (packet.duration or 0) * packet.time_base or step
            latest, end = time, max(end, shown + step)
    return offsets


class JoinedClock:
    """Moves the times of one track onto a clock that runs through all recordings of a file.

    ``find_offsets`` is ``joined_offsets``, and is asked when a time is the first to jump: back or,
    if ``leaps``, far ahead. ``offset``: what times are moved by now; ``place``: in which recording.
    ``again``: whether the latest one lies within what was there before, as the sound of a recording
    often outlasts its pictures.
    """

    def __init__(self, find_offsets: Callable[[], list[Fraction]], leaps: bool = True) -> None:
        self.offset = Fraction(0)
        self.again = False
        self._find_offsets = find_offsets
        self._leaps = leaps
        self.place = 0
        self._latest: Fraction | None = None
        self._length = Fraction(0)
        self._there: Fraction | None = None

    def move(
        self,
        time: Fraction,
        length: Fraction | None = None,
        near: Fraction | None = None,
        place: int | None = None,
    ) -> Fraction:
        """The time of the track's next frame or packet, which lasts for ``length`` seconds.

        Without a length, the distance from the one before counts. Where recordings may lack this
        track, one of two tells which it is: ``place``, its number, for clocks that begin at 0, or
        ``near``, what the clock shows for other tracks there.
        """
        moved = time + self.offset
        expected = moved if self._latest is None else self._latest + self._length
        if self._latest is None:
            jumps = near is not None and abs(moved - near) > _INTERLEAVED
        else:
            jumps = moved < self._latest or (self._leaps and moved > expected + LONGEST_PAUSE)
        begins = place is not None and place > self.place
        if jumps or begins:
            offsets = self._find_offsets()
            if place is None:
                places = range(min(self.place, len(offsets) - 1), len(offsets))
                there = expected if near is None else near
                place = min(places, key=lambda k: abs(time + offsets[k] - there))
            # Libraries count on into a recording, until a page of it says what time it is.
            counted = begins and self._latest is not None and time > _INTERLEAVED
            self.offset = offsets[place] - (time if counted else 0)
            moved = time + self.offset
            if place > self.place:
                self.place, self._latest, self._there = place, moved, expected
        elif length is None and self._latest is not None:
            length = moved - self._latest or self._length
        self._latest = moved if self._latest is None else max(moved, self._latest)
        self._length = self._length if length is None else length
        self.again = self._there is not None and moved < self._there - self._length / 2
        return moved


class PacketClock:
    """Moves packets of all tracks of a file onto a clock that runs through all its recordings.

    ``find_offsets``: see ``JoinedClock``. Where a recording may have no sound, ``places`` are the
    bytes at which each begins, or ``move_video`` tells of the pictures' packets, which none is
    without.
    """

    def __init__(
        self, find_offsets: Callable[[], list[Fraction]], places: Sequence[int] = ()
    ) -> None:
        self._find_offsets = find_offsets
        self._places = places
        self._video = JoinedClock(find_offsets)
        self._now: Fraction | None = None
        self._clocks: dict[int, JoinedClock] = {}
        self._sound_offset = Fraction(0)

    def move_video(self, packet: Packet) -> None:
        """Follow the pictures; the packet stays as it is."""
        if packet.dts is not None and packet.size:
            self._now = self._video.move(packet.dts * packet.time_base)

    def move(self, packet: Packet) -> bool:
        """Put a packet onto that clock; False if there is sound already."""
        stamp = packet.dts if packet.dts is not None else packet.pts
        if stamp is None or packet.stream.disposition & Disposition.attached_pic:
            return True
        if packet.duration and packet.duration >> 31:
            packet.duration = 0  # less than none, as libraries count where Ogg files were joined
        tick, sound = packet.time_base, packet.stream.type == "audio"
        clock = self._clocks.setdefault(packet.stream.index, JoinedClock(self._find_offsets, sound))
        if sound or not self._sound_offset:
            length = max(packet.duration or 0, 0) * tick
            moved = clock.move(stamp * tick, length, self._now, self._place_of(packet))
        else:
            moved = stamp * tick + self._sound_offset  # subtitles are too few to tell by themselves
        if sound:
            self._sound_offset = clock.offset
        ticks = round(moved / tick) - stamp
        packet.pts = packet.pts if packet.pts is None else packet.pts + ticks
        packet.dts = packet.dts if packet.dts is None else packet.dts + ticks
        return not (sound and clock.again)

    def _place_of(self, packet: Packet) -> int | None:
        """The number of a packet's recording, if that is known by where it lies."""
        if packet.pos is None or not 1 < len(self._places) == len(self._find_offsets()):
            return None
        return max(0, bisect_right(self._places, packet.pos) - 1)
