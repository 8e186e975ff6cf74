"""Segments: how a video is divided into them, and the files that they are painted into.

They are the same ones whether or not a run is interrupted. One is painted into a file of plain
pixels. A key frame is coded anew from nothing, and on calm clips one sees that; so as many segments
of a shot as ``plan_groups`` allows are coded in one go, when all of them are there.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, pairwise
from math import prod
from types import TracebackType

import numpy as np

from brushflow.common.errors import BrushflowError, UsageError
from brushflow.common.queues import result_of
from brushflow.pipeline.folder import RunFolder, Segment
from brushflow.pipeline.options import StylizeOptions
from brushflow.shots.scan import Scan
from brushflow.video import EncodeSettings, SegmentWriter, VideoInfo, read_pixels, writing_pixels

SEGMENT_FRAMES = 48
GROUP_SEGMENTS = 5
# What waits for its group to be coded lies on the disk as plain pixels.
GROUP_BYTES = 2**30
_ROWS_IF_DAMAGED = 8

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
    seconds = scan.seconds(info.time_base)
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


@dataclass(frozen=True)
class PlainFrames:
    """Frames as they lie in a file of pixels: (H, W, 3), or 4 with alpha, uint8 or uint16."""

    shape: tuple[int, int, int]
    dtype: np.dtype

    @classmethod
    def of(cls, size: tuple[int, int], settings: EncodeSettings, twice: bool) -> "PlainFrames":
        """Frames of ``size`` (width, height), ``twice``: source and painting side by side."""
        width, height = size
        dtype = np.dtype(np.uint8 if settings.bit_depth == 8 else "<u2")
        return cls((height, width * (1 + twice), 3 + settings.alpha), dtype)

    @property
    def nbytes(self) -> int:
        """Bytes of one of them."""
        return prod(self.shape) * self.dtype.itemsize


class SegmentFiles:
    """Writes pictures, which come in the order of work, into a file of pixels for each segment.

    ``complete`` is called with a segment before its file appears, ``appeared`` after that. A
    context manager: when the block fails, the segment at hand is dropped.
    """

    def __init__(
        self,
        folder: RunFolder,
        segments: Sequence[Segment],
        step: int,
        frames: PlainFrames,
        complete: Callable[[Segment], None],
        appeared: Callable[[Segment], None],
    ) -> None:
        self._folder = folder
        self._segments = list(segments)
        self._step = step
        self._dtype = frames.dtype
        self._complete = complete
        self._appeared = appeared
        self._count = 0
        self._stack = ExitStack()
        self._write: Callable[[np.ndarray], None] | None = None

    def __enter__(self) -> "SegmentFiles":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None and self._segments:
            error = BrushflowError(
                f"The source ended before frame {self._segments[0].last}, although it was there "
                f"at first.",
                about="changed",
            )
            self._stack.__exit__(type(error), error, None)
            raise error
        self._stack.__exit__(kind, error, trace)

    def write(self, picture: np.ndarray) -> None:
        """Take the next picture; the segment's last one completes its file."""
        segment = self._segments[0]
        if self._write is None:
            path = self._folder.pixels_path(segment)
            self._write = self._stack.enter_context(
                writing_pixels(path, len(segment), backward=self._step < 0)
            )
        self._write(picture.astype(self._dtype, copy=False))
        self._count += 1
        if self._count < len(segment):
            return
        self._complete(segment)
        self._stack.close()
        self._appeared(segment)
        self._write, self._count = None, 0
        self._segments.pop(0)


class GroupCoder:
    """Codes groups of segments, in another thread, each as soon as its last segment has appeared.

    A context manager, which waits for all. ``finished``: segments that will not appear, as they
    are there. ``check_stop`` is called before every frame, and may raise.
    """

    def __init__(
        self,
        folder: RunFolder,
        groups: Sequence[Sequence[Segment]],
        finished: Collection[Segment],
        frames: PlainFrames,
        settings: EncodeSettings,
        info: VideoInfo,
        check_stop: Callable[[], None],
    ) -> None:
        self._folder = folder
        self._frames = frames
        self._settings = settings
        self._info = info
        self._check_stop = check_stop
        self._group_of = {segment: group for group in groups for segment in group}
        self._waiting = {segment for segment in self._group_of if segment not in finished}
        self._coded = set(folder.coded_of(list(self._group_of)))
        self._jobs: list[Future] = []
        self._thread = ThreadPoolExecutor(1, "encode")
        for group in groups:
            self._begin_if_there(group)

    def __enter__(self) -> "GroupCoder":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                for job in self._jobs:
                    result_of(job)
        finally:
            self._thread.shutdown(cancel_futures=True)

    def appeared(self, segment: Segment) -> None:
        """To be called when the file of a segment's pixels is there."""
        if segment in self._coded:  # it was painted again for another run
            self._folder.drop_pixels(segment)
            return
        self._folder.seal(self._folder.pixels_path(segment))
        self._waiting.discard(segment)
        self._begin_if_there(self._group_of[segment])

    def _begin_if_there(self, group: Sequence[Segment]) -> None:
        if self._waiting.isdisjoint(group) and not self._coded.issuperset(group):
            for job in self._jobs:
                if job.done():
                    job.result()
            self._jobs.append(self._thread.submit(self._encode, group))

    def _encode(self, group: Sequence[Segment]) -> None:
        info, path = self._info, self._folder.group_path(group)
        height, width, _ = self._frames.shape
        rate = info.frame_rate or Fraction(25)
        with SegmentWriter(
            path, width, height, self._settings, rate, info.output_color, info.sample_aspect_ratio
        ) as writer:
            for segment in group:
                pixels = self._folder.pixels_path(segment)
                for picture in read_pixels(pixels, self._frames.shape, self._frames.dtype):
                    self._check_stop()
                    writer.write(picture)
        self._folder.seal(path)
        for segment in group:
            self._folder.drop_pixels(segment)
