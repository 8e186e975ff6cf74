"""One look at every frame of a source, small and grey: timestamps, number, cuts, damage."""

import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from brushflow.pipeline.queues import prefetch
from brushflow.pipeline.shots import CutDetector, detect_cuts, read_cuts, scan_size
from brushflow.video import Source, TimedFrame

QUEUED_FRAMES = 64
_LONGEST_CHANGE = 64  # frames that decide about one
CUTS = ("auto", "none")  # or a file that lists them

# (stage, frames done, frames in all or None if unknown)
ProgressCallback = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class Scan:
    """What one look at the source found.

    ``pts``: timestamps of all frames, in ticks of the source's time base; ``cuts``: indices at
    which a shot begins; ``problem``: what is wrong with the source, None if it is whole;
    ``filled``: indices of frames that cannot be decoded and show the one before.
    """

    pts: list[int]
    cuts: list[int]
    problem: str | None
    filled: list[int]

    def without_prior(self, step: int) -> set[int]:
        """Indices of the frames that follow a cut, going forward (``step`` 1) or backward (−1)."""
        return {cut if step > 0 else cut - 1 for cut in self.cuts}

    def about_filled(self, first: int, last: int, time_base: Fraction) -> list[str]:
        """A sentence about the frames from ``first`` to ``last`` that cannot be decoded, if any."""
        filled = [index for index in self.filled if first <= index <= last]
        if not filled:
            return []
        begin = float((self.pts[filled[0]] - self.pts[0]) * time_base)
        return [
            f"{len(filled)} of the frames cannot be decoded, the first at {begin:.3f} s; each "
            f"shows the one before it."
        ]


def scan_source(
    source: Source, cuts: str, progress: ProgressCallback, check_stop: Callable[[], None]
) -> Scan:
    """Look at a source; one that turns out to be damaged, twice, to find what painting will.

    ``cuts``: ``"auto"``, ``"none"`` or a file that lists them. ``check_stop`` is called at every
    frame and may raise.
    """
    scan = _look(source, cuts, progress, check_stop)
    return scan if scan.problem is None else _look(source, cuts, progress, check_stop)


def _look(
    source: Source, cuts: str, progress: ProgressCallback, check_stop: Callable[[], None]
) -> Scan:
    info = source.info
    pts: list[int] = []
    detector = CutDetector()
    frames = source.read(size=scan_size(info.width, info.height), gray=True)
    with closing(prefetch(frames, QUEUED_FRAMES)) as small:
        for frame in small:
            check_stop()
            pts.append(frame.pts)
            if cuts == "auto":
                detector.add(frame.pixels)
            progress("scan", len(pts), info.expected_frames)
    found = read_cuts(Path(cuts), len(pts)) if cuts not in CUTS else detector.cuts()
    filled = [index for index, time in enumerate(pts) if time in source.filled]
    return Scan(pts, found, source.problem, filled)


def check_cuts(cuts: str) -> None:
    """Errors of ``read_cuts``, but for those that need the video's length."""
    if cuts not in CUTS:
        read_cuts(Path(cuts), sys.maxsize)


def find_cuts(source: Source, cuts: str, end: float | None = None) -> list[int]:
    """The cuts alone, as ``scan_source`` finds them; at least up to ``end`` seconds, if given."""
    if cuts == "none":
        return []
    size = scan_size(source.info.width, source.info.height)
    with closing(source.read(size=size, gray=True)) as frames:
        if cuts == "auto":
            return detect_cuts(frame.pixels for frame in _until(frames, end, source))
        return read_cuts(Path(cuts), sum(1 for _ in frames))


def _until(frames: Iterator[TimedFrame], end: float | None, source: Source) -> Iterator[TimedFrame]:
    """Frames before ``end``, and those that tell what a change is that begins there."""
    first, beyond = None, 0
    for frame in frames:
        first = frame.pts if first is None else first
        beyond += end is not None and (frame.pts - first) * source.info.time_base >= end
        if beyond > _LONGEST_CHANGE:
            return
        yield frame
