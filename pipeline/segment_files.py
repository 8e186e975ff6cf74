"""What is painted, in files: plain pixels of each segment, and a video of each group of them.

A key frame is coded anew from nothing, and on calm clips one sees that; so as many segments of a
shot as ``plan_groups`` allows are coded in one go, when all of them are there.
"""

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from types import TracebackType

import numpy as np

from brushflow.common.errors import BrushflowError
from brushflow.pipeline.folder import RunFolder
from brushflow.pipeline.plan import Segment
from brushflow.video import EncodeSettings, SegmentWriter, VideoInfo, read_pixels, writing_pixels


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
                    job.result()
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
