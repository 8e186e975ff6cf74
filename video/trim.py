"""What of a track's packets lies between the start and the end of a trim."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from av.packet import Packet
from av.stream import Disposition


@dataclass(frozen=True)
class Trim:
    """From where to where a source is taken, in seconds on its own clock; None: all there is."""

    start: Fraction | None = None
    end: Fraction | None = None

    def shown(self, packets: Iterable[Packet]) -> Iterator[Packet]:
        """Those of ``packets`` that lie inside by their time; those without one are left out.

        Covers, which are shown all the time, pass.
        A subtitle is shown for a while, so one that has begun before the start is moved there, and
        none lasts beyond the end. One that does not say how long it is shown lasts until the next
        of its track.
        """
        standing: dict[int, Packet] = {}
        for packet in packets:
            if packet.size and packet.stream.disposition & Disposition.attached_pic:
                yield packet
                continue
            ticks = packet.pts if packet.pts is not None else packet.dts
            if ticks is None:
                continue
            time = ticks * packet.time_base
            before = self.start is not None and time < self.start
            if not before:
                yield from standing.values()
                standing.clear()
            if packet.stream.type == "subtitle" and packet.pts is not None:
                unlimited = not packet.duration
                begins, before = before, not self._cut_off(packet, packet.pts)
                if begins and unlimited:
                    standing[packet.stream.index] = packet
                    continue
            if not before and (self.end is None or time < self.end):
                yield packet
        yield from standing.values()

    def _cut_off(self, packet: Packet, begin: int) -> bool:
        """Move the subtitle inside, as far as it is shown there; False if it is over before.

        ``begin``: its pts.
        """
        until = packet.duration and (begin + packet.duration) * packet.time_base
        if self.start is not None and begin * packet.time_base < self.start:
            if until and until <= self.start:
                return False
            # Rounded up, or it would begin a moment before the start.
            packet.pts = packet.dts = begin = ceil(self.start / packet.time_base)
        if until:
            last = until if self.end is None else min(until, self.end)
            packet.duration = max(0, int(last / packet.time_base) - begin)
        return True
