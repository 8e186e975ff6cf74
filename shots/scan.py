"""One look at every frame of a source, small and grey: timestamps, number, cuts, bars, fades,
damage."""

import math
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from brushflow.common.errors import BrushflowError
from brushflow.common.queues import prefetch
from brushflow.shots.bars import NO_BARS, BarFinder, Sides
from brushflow.shots.cuts import CutDetector, detect_cuts, read_cuts, scan_size
from brushflow.shots.fades import Fade, FadeFinder
from brushflow.video import Source, VideoInfo

QUEUED_FRAMES = 64
# What lies beyond the end is looked at for as long as it may decide what a change there is.
_LONGEST_CHANGE = 64  # frames
_LEAST_BEYOND = Fraction(3)  # seconds
CUTS = ("auto", "none")  # or a file that lists them
# Frames that might be decoded in the time it takes to reach one by seeking.
_SEEK = 100

# (stage, frames done, frames in all or None if unknown)
ProgressCallback = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class Scan:
    """What one look at the source found.

    ``pts``: timestamps of all frames that were looked at, in ticks of the source's time base;
    ``cuts``: indices at which a shot begins; ``problem``: what is wrong with the source, None if
    it is whole; ``filled``: indices of frames that cannot be decoded and show the one before;
    ``bars``: for frames from an index on, those in pixels of the source; ``fades``;
    ``dissolves``: first and last frames of those that show two shots at once.
    """

    pts: list[int]
    cuts: list[int]
    problem: str | None
    filled: list[int]
    bars: list[tuple[int, Sides]] = field(default_factory=list)
    fades: list[Fade] = field(default_factory=list)
    dissolves: list[tuple[int, int]] = field(default_factory=list)

    def without_prior(self, step: int) -> set[int]:
        """Indices of the frames that follow a cut, going forward (``step`` 1) or backward (−1)."""
        return {cut if step > 0 else cut - 1 for cut in self.cuts}

    def seconds(self, time_base: Fraction) -> list[Fraction]:
        """When each frame is shown, in seconds after the first."""
        return [(pts - self.pts[0]) * time_base for pts in self.pts]

    def about_filled(self, first: int, last: int, time_base: Fraction) -> list[str]:
        """A sentence about the frames from ``first`` to ``last`` that cannot be decoded, if any."""
        filled = [index for index in self.filled if first <= index <= last]
        if not filled:
            return []
        begin = float(self.seconds(time_base)[filled[0]])
        return [
            f"{len(filled)} of the frames cannot be decoded, the first at {begin:.3f} s; each "
            f"shows the one before it."
        ]


def scan_source(
    source: Source,
    cuts: str,
    progress: ProgressCallback,
    check_stop: Callable[[], None],
    end: Fraction | None = None,
    bars: Sides | None = None,
) -> Scan:
    """Look at a source; one that turns out to be damaged, twice, to find what painting will.

    ``cuts``: ``"auto"``, ``"none"`` or a file that lists them. ``check_stop`` is called at every
    frame and may raise. With ``end``, in seconds, what lies far beyond it is not looked at.
    ``bars``: those of all frames, in pixels of the source; None: find them.
    """
    scan = _look(source, cuts, progress, check_stop, end, bars)
    return scan if scan.problem is None else _look(source, cuts, progress, check_stop, end, bars)


def _look(
    source: Source,
    cuts: str,
    progress: ProgressCallback,
    check_stop: Callable[[], None],
    end: Fraction | None,
    bars: Sides | None,
) -> Scan:
    info = source.info
    pts: list[int] = []
    detector, bar_finder, fade_finder = CutDetector(), BarFinder(), FadeFinder()
    until, expected = _looked_at(info, end)
    frames = source.read(size=scan_size(info.width, info.height), gray=True, until=until)
    with closing(prefetch(frames, QUEUED_FRAMES)) as small:
        for frame in small:
            check_stop()
            pts.append(frame.pts)
            if cuts == "auto":
                detector.add(frame.pixels)
            if bars is None:
                bar_finder.add(frame.pixels)
            fade_finder.add(frame.pixels)
            progress("scan", len(pts), expected)
    transitions = detector.transitions()
    found = [transition.at for transition in transitions]
    if cuts not in CUTS:
        # How many frames there are is known only where all were looked at.
        listed = read_cuts(Path(cuts), len(pts) if until is None else sys.maxsize)
        found = [cut for cut in listed if cut < len(pts)]
    filled = [index for index, time in enumerate(pts) if time in source.filled]
    problem = source.problem

    def closely(wanted: Iterable[int]) -> dict[int, np.ndarray]:
        check_stop()
        return _frames(source, pts, wanted, gray=True)

    def in_colour(wanted: Iterable[int]) -> dict[int, np.ndarray]:
        check_stop()
        return _frames(source, pts, wanted, size=scan_size(info.width, info.height))

    fixed = [(0, bars)] if bars is not None and bars != NO_BARS else []
    around = fixed if bars is not None else bar_finder.find(found, closely)
    fades = fade_finder.find(found, in_colour)
    source.problem = problem
    return Scan(pts, found, problem, filled, around, fades, detector.dissolves(transitions))


def _frames(
    source: Source, pts: Sequence[int], wanted: Iterable[int], **how: Any
) -> dict[int, np.ndarray]:
    """The pixels of frames by their indices, read as ``how`` tells ``Source.read``.

    Raises BrushflowError if the source has become shorter since.
    """
    wanted = set(wanted)
    frames = _read_some(source, pts, wanted, **how) if wanted else {}
    if missing := wanted - frames.keys():
        raise BrushflowError(
            f"The source ended before frame {min(missing)}, although it was there at first.",
            about="changed",
        )
    return frames


def _read_some(
    source: Source, pts: Sequence[int], wanted: set[int], **how: Any
) -> dict[int, np.ndarray]:
    frames: dict[int, np.ndarray] = {}
    order = sorted(wanted)
    begins = [index for index in order if index - 1 not in wanted]
    if source.problem is not None or len(begins) * _SEEK > order[-1]:
        with closing(source.read(table=pts, **how)) as read:
            for frame in read:
                if frame.index in wanted:
                    frames[frame.index] = frame.pixels
                if frame.index >= order[-1]:
                    break
        return frames
    for begin, until in zip(begins, [*begins[1:], len(pts)], strict=True):
        row = [index for index in order if begin <= index < until]
        with closing(source.read(first=begin, table=pts, **how)) as read:
            frames |= {index: frame.pixels for index, frame in zip(row, read, strict=False)}
    return frames


def check_cuts(cuts: str) -> None:
    """Errors of ``read_cuts``, but for those that need the video's length."""
    if cuts not in CUTS:
        read_cuts(Path(cuts), sys.maxsize)


def find_cuts(source: Source, cuts: str, end: float | Fraction | None = None) -> list[int]:
    """The cuts alone, as ``scan_source`` finds them; at least up to ``end`` seconds, if given."""
    if cuts == "none":
        return []
    size = scan_size(source.info.width, source.info.height)
    until, _ = _looked_at(source.info, None if end is None else Fraction(end))
    with closing(source.read(size=size, gray=True, until=until)) as frames:
        if cuts == "auto":
            return detect_cuts(frame.pixels for frame in frames)
        count = sum(1 for _ in frames)
        return read_cuts(Path(cuts), count if until is None else sys.maxsize)


def _looked_at(info: VideoInfo, end: Fraction | None) -> tuple[Fraction | None, int | None]:
    """Seconds to read so that all before ``end`` is known, and how many frames that may be."""
    expected = info.expected_frames
    if end is None:
        return None, expected
    rate = info.frame_rate or Fraction(25)
    until = end + max(_LEAST_BEYOND, _LONGEST_CHANGE / rate)
    return until, None if expected is None else min(expected, math.ceil(until * rate))
