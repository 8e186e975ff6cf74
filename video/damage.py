"""Frames that a damaged file announces and no decoder gets: which ones, and what stands in."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Sequence
from contextlib import suppress
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np

from brushflow.video.hidden import shows_picture
from brushflow.video.opening import open_input
from brushflow.video.probe import VideoInfo

# Seconds; a packet behind the last whole frame is not believed if it lies further off than this.
_LONGEST_STEP = Fraction(2)


def expected_times(info: VideoInfo, decoded: Collection[int]) -> list[int]:
    """Return the pts of ``decoded`` frames and of those that packets of the file stand for.

    Frames before the first decoded one are not expected: players do not show them either. Where
    packets and frames do not go by the same clock or count, only what was decoded is.
    """
    announced, broken = _packet_times(info)
    first, last = min(decoded), max(decoded)
    missing = sorted(pts for pts in announced - set(decoded) if pts > first)
    inside = [pts for pts in missing if pts < last]
    agreeing = len(announced & set(decoded))
    if 2 * agreeing < len(decoded) or 2 * len(inside) > len(announced):
        return sorted(decoded)
    step = _LONGEST_STEP / info.time_base
    tail = []
    for before, pts in pairwise([last, *(pts for pts in missing if pts > last)]):
        if pts - before > step or pts in broken:
            break
        tail.append(pts)
    return sorted({*decoded, *inside, *tail})


def announced_pictures(info: VideoInfo) -> int:
    """How many packets stand for a frame to be shown, as far as the file can be read."""
    count = 0
    with (
        suppress(av.FFmpegError, EOFError, ValueError),
        open_input(info.path) as container,
    ):
        for packet in container.demux(container.streams[info.stream_index]):
            count += bool(packet.size) and shows_picture(info.codec, bytes(packet))
    return count


def _packet_times(info: VideoInfo) -> tuple[set[int], set[int]]:
    """pts of all packets that stand for a frame to be shown, and of those cut off."""
    announced: set[int] = set()
    broken: set[int] = set()
    with (
        suppress(av.FFmpegError, EOFError, ValueError),
        open_input(info.path) as container,
    ):
        for packet in container.demux(container.streams[info.stream_index]):
            if packet.pts is None or not packet.size or packet.is_discard:
                continue
            if not shows_picture(info.codec, bytes(packet)):
                continue
            announced.add(packet.pts)
            if packet.is_corrupt:
                broken.add(packet.pts)
    return announced, broken


def fill_gaps(
    frames: Iterable[tuple[int, np.ndarray]], expected: Sequence[int]
) -> Generator[tuple[int, np.ndarray, bool], None, None]:
    """Yield exactly the ``expected`` pts as (pts, pixels, whether they are the frame before's).

    A frame that nobody expects is dropped, one that does not come is the one before it again.
    What is expected before the first frame that comes shows that one.
    """
    place = 0
    pixels: np.ndarray | None = None
    for pts, decoded in frames:
        while place < len(expected) and expected[place] < pts:
            yield expected[place], decoded if pixels is None else pixels, True
            place += 1
        if place < len(expected) and expected[place] == pts:
            pixels = decoded
            yield pts, decoded, False
            place += 1
    if pixels is not None:
        for pts in expected[place:]:
            yield pts, pixels, True
