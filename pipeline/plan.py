"""Dividing the work into segments, the same ones whether or not a run is interrupted, and rows."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

from brushflow.common.errors import UsageError
from brushflow.pipeline.options import StylizeOptions
from brushflow.shots.scan import Scan
from brushflow.video import VideoInfo

SEGMENT_FRAMES = 48
# A key frame is coded anew from nothing, and on calm clips one sees that. So several segments of a
# shot are coded as one group; but what waits for that lies on the disk as plain pixels.
GROUP_SEGMENTS = 5
GROUP_BYTES = 2**30
_ROWS_IF_DAMAGED = 8


@dataclass(frozen=True)
class Segment:
    """Frames ``first`` to ``last``, both included."""

    first: int
    last: int

    def __len__(self) -> int:
        return self.last - self.first + 1

    @property
    def name(self) -> str:
        """The stem of the segment's file; names sort in the order of frames."""
        return f"{self.first:08d}-{self.last:08d}"

    def entry(self, step: int) -> int:
        """The frame that is painted first, going forward (step 1) or backward (−1)."""
        return self.first if step > 0 else self.last

    def exit(self, step: int) -> int:
        """The frame that is painted last."""
        return self.last if step > 0 else self.first


Row = Sequence[Segment]  # of one or several whole shots, or parts of one, in the video's order


def plan_segments(
    first: int, last: int, cuts: Iterable[int], length: int = SEGMENT_FRAMES
) -> list[Segment]:
    """Segments of at most ``length`` frames from ``first`` to ``last``, cut also at shots."""
    starts = [first, *sorted(cut for cut in set(cuts) if first < cut <= last), last + 1]
    return [
        Segment(begin, min(begin + length, end) - 1)
        for start, end in pairwise(starts)
        for begin in range(start, end, length)
    ]


def plan_groups(
    plan: Iterable[Segment], starts: Collection[int], frame_bytes: int
) -> list[list[Segment]]:
    """Segments that are coded together: up to ``GROUP_SEGMENTS`` neighbours of one shot.

    ``starts``: frames that begin a shot, or a part of one; ``frame_bytes``: of a frame's pixels.
    """
    groups: list[list[Segment]] = []
    for segment in plan:
        waiting = sum(map(len, groups[-1])) if groups else 0
        full = (waiting + len(segment)) * frame_bytes > GROUP_BYTES
        if not groups or segment.first in starts or len(groups[-1]) == GROUP_SEGMENTS or full:
            groups.append([])
        groups[-1].append(segment)
    return groups


def missing_runs(order: Sequence[Segment], finished: Collection[Segment]) -> list[range]:
    """Positions in ``order`` of segments still to do, as maximal ranges."""
    missing = [segment not in finished for segment in order]
    edges = [i for i, (a, b) in enumerate(pairwise([False, *missing, False])) if a != b]
    return [range(start, stop) for start, stop in zip(edges[::2], edges[1::2], strict=True)]


def find_joints(first: int, last: int, cuts: Iterable[int], longest: int | None) -> list[int]:
    """Frames that begin another part of a shot, where shots are divided at ``longest`` frames.

    The parts of a shot are of equal length. With None no shot is divided.
    """
    if longest is None:
        return []
    starts = [first, *sorted(cut for cut in set(cuts) if first < cut <= last), last + 1]
    joints = []
    for start, end in pairwise(starts):
        count = -(-(end - start) // longest)
        joints += [start + (end - start) * i // count for i in range(1, count)]
    return joints


def plan_video(scan: Scan, options: StylizeOptions, info: VideoInfo) -> list[Segment]:
    """The segments from the first to the last frame between ``start`` and ``end``.

    UsageError if there is none.
    """
    first, last = frames_between(scan, options, info)
    joints = find_joints(first, last, scan.cuts, options.max_shot)
    return plan_segments(first, last, [*scan.cuts, *joints], SEGMENT_FRAMES)


def frames_between(scan: Scan, options: StylizeOptions, info: VideoInfo) -> tuple[int, int]:
    """The first and the last frame between ``start`` and ``end``; UsageError if there is none."""
    start, end = options.start, options.end
    if start is not None and end is not None and start >= end:
        raise UsageError("The end comes first, so no frame lies between start and end.", "times")
    seconds = [(pts - scan.pts[0]) * info.time_base for pts in scan.pts]
    inside = [
        index
        for index, second in enumerate(seconds)
        if (start is None or second >= start) and (end is None or second < end)
    ]
    if not inside:
        raise UsageError(
            f"No frame lies between start and end; the last one of {info.path} is at "
            f"{float(seconds[-1]):.3f} s.",
            about="times",
        )
    return inside[0], inside[-1]


def plan_rows(
    groups: Sequence[Sequence[Segment]], starts: Collection[int] | None, scan: Scan
) -> list[Row]:
    """The groups of a plan divided into rows that can be painted side by side.

    A row is a shot, or a part of one: it begins at one of ``starts``. With None, where no frame
    depends on the one before it, a group is a row. A damaged source can only be read from its
    start, so there a row takes several shots.
    """
    begins = [
        i for i, group in enumerate(groups) if i == 0 or starts is None or group[0].first in starts
    ]
    if scan.problem is not None:
        begins = begins[:: -(-len(begins) // _ROWS_IF_DAMAGED)]
    return [list(chain(*groups[a:b])) for a, b in pairwise([*begins, len(groups)])]
