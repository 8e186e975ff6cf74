"""A source and results of it, read together, frame by frame."""

import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from fractions import Fraction
from itertools import islice, zip_longest
from pathlib import Path

from brushflow.common.errors import UsageError
from brushflow.common.sizes import fit_size
from brushflow.common.wording import counted
from brushflow.flow.types import Frame
from brushflow.video import Source, TimedFrame, open_source

SMALLEST_SIDE = 16


class Inputs:
    """Videos of one size and, as it turns out while reading, one number of frames.

    Args:
        source: a video file, a folder of images or a pattern.
        results: the same, by name.
        max_size: read all frames with their longest side at most this; videos that differ in size
            only by scale (but for rounding) can be compared this way. None: as they are.
        end: stop at this time of the source in seconds.
        fps: frame rate of folders of images.
        start: begin at this time of the source in seconds. A result that was painted from there on
            is taken from its beginning, one of all of the source from the same frame; the number
            of its frames tells which.

    Raises:
        UsageError: a video that is not there, or sizes that differ.
        BrushflowError: a video that cannot be read.
    """

    def __init__(
        self,
        source: Path | str,
        results: Mapping[str, Path | str],
        max_size: int | None = None,
        end: float | None = None,
        fps: Fraction = Fraction(25),
        start: float | None = None,
    ) -> None:
        self.source = open_source(source, fps)
        self.results = {name: open_source(path, fps) for name, path in results.items()}
        self.paths = [Path(source), *map(Path, results.values())]
        # As people write it: 0.4 is two fifths, and a frame at that time is not before it.
        self.end = None if end is None else Fraction(end).limit_denominator(1_000_000)
        self.start = Fraction(start or 0).limit_denominator(1_000_000)
        # The number of the source's frame that is yielded first, once it has been.
        self.first: int | None = None
        self._over = False  # whether the source has come to ``end``
        self.frame_rate = self.source.info.frame_rate or Fraction(fps)
        own = [(video.info.width, video.info.height) for video in self.all]
        sizes = own if max_size is None else [fit_size(size, max_size) for size in own]
        rounding = 0 if max_size is None else 1  # many programs round to even sides
        for video, path, size in zip(self.all, self.paths, sizes, strict=True):
            if max(abs(a - b) for a, b in zip(size, sizes[0], strict=True)) > rounding:
                info, first = video.info, self.source.info
                shared = max(SMALLEST_SIDE, min(max(i.width, i.height) for i in (info, first)))
                raise UsageError(
                    f"{path} is {info.width}×{info.height} but {self.paths[0]} is "
                    f"{first.width}×{first.height}; results must be as large as their source, or "
                    f"of the same shape and compared at one size.",
                    about="one_size",
                    value=shared,
                )
        # The first result's, so that what is measured is not scaled once more.
        self.size = sizes[min(1, len(results))]

    @property
    def all(self) -> list[Source]:
        """The source, then the results in their order."""
        return [self.source, *self.results.values()]

    @property
    def expected_frames(self) -> int | None:
        """An estimate for progress displays, or None."""
        count = self.source.info.expected_frames
        if count is None:
            return None
        if self.end is not None:
            count = min(count, int(self.end * self.frame_rate))
        return max(1, count - int(self.start * self.frame_rate))

    def read(self, size: tuple[int, int] | None = None) -> Generator[list[Frame], None, None]:
        """Yield the k-th frames of all videos, source first; uint8 RGB (H, W, 3).

        ``size``: (width, height) instead of the common one.

        Raises:
            UsageError: a result has fewer or more frames than the source (with ``end``: ends
                before it).
        """
        with ExitStack() as stack:
            streams = [
                stack.enter_context(closing(video.read(size=size or self.size)))
                for video in self.all
            ]
            self.first, self._over = None, False
            # The source comes first, so that it is known which frame of the others is wanted.
            wanted = [self._between(streams[0])]
            for video, stream in zip(self.all[1:], streams[1:], strict=True):
                wanted.append(stream if self._is_part(video) else self._from_first(stream))
            for count, frames in enumerate(zip_longest(*wanted)):
                if self._over:
                    return
                if any(frame is None for frame in frames):
                    self._complain(wanted, frames, count)
                yield [frame.pixels for frame in frames]

    def _between(self, frames: Iterator[TimedFrame]) -> Iterator[TimedFrame]:
        """The source's frames from ``start`` to before ``end``."""
        origin = None
        for index, frame in enumerate(frames):
            origin = frame.pts if origin is None else origin
            time = (frame.pts - origin) * self.source.info.time_base
            if self.end is not None and time >= self.end:
                self._over = True
                return
            if time >= self.start:
                self.first = index if self.first is None else self.first
                yield frame

    def _from_first(self, frames: Iterator[TimedFrame]) -> Iterator[TimedFrame]:
        yield from islice(frames, self.first or 0, None)

    def _is_part(self, result: Source) -> bool:
        """Whether a result shows nothing of what lies before ``start``, by its number of frames."""
        whole, own = self.source.info.expected_frames, result.info.expected_frames
        if not self.start or whole is None or own is None:
            return False
        end = whole if self.end is None else min(whole, math.ceil(self.end * self.frame_rate))
        part = end - math.ceil(self.start * self.frame_rate)
        return abs(own - part) < min(abs(own - whole), abs(own - end))

    def _complain(self, streams: Sequence[Iterator], frames: Sequence, count: int) -> None:
        """Count all videos to their end, and tell the first one that differs from the source."""
        counts = [
            count + (0 if frame is None else 1 + sum(1 for _ in stream))
            for stream, frame in zip(streams, frames, strict=True)
        ]
        for path, number in zip(self.paths[1:], counts[1:], strict=True):
            if number != counts[0]:
                raise UsageError(
                    f"{path} has {counted(number, 'frame')} but {self.paths[0]} has {counts[0]}; "
                    "frame k of a result must show frame k of its source.",
                    about="part",
                )
