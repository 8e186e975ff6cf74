"""A source and results of it, read together, frame by frame."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path

import numpy as np

from brushflow.errors import UsageError
from brushflow.video import Source, open_source

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
    ) -> None:
        self.source = open_source(source, fps)
        self.results = {name: open_source(path, fps) for name, path in results.items()}
        self.paths = [Path(source), *map(Path, results.values())]
        # As people write it: 0.4 is two fifths, and a frame at that time is not before it.
        self.end = None if end is None else Fraction(end).limit_denominator(1_000_000)
        self.frame_rate = self.source.info.frame_rate or Fraction(fps)
        sizes = [fitted_size(video.info.width, video.info.height, max_size) for video in self.all]
        rounding = 0 if max_size is None else 1  # many programs round to even sides
        for video, path, size in zip(self.all, self.paths, sizes, strict=True):
            if max(abs(a - b) for a, b in zip(size, sizes[0], strict=True)) > rounding:
                info, first = video.info, self.source.info
                shared = max(SMALLEST_SIDE, min(max(i.width, i.height) for i in (info, first)))
                raise UsageError(
                    f"{path} is {info.width}×{info.height} but {self.paths[0]} is "
                    f"{first.width}×{first.height}; results must be as large as their source, or "
                    f"of the same shape and compared at one size (here --max-size {shared})."
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
        if count is None or self.end is None:
            return count
        return min(count, int(self.end * self.frame_rate) or 1)

    def read(self, size: tuple[int, int] | None = None) -> Iterator[list[np.ndarray]]:
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
            origin = None
            for count, frames in enumerate(zip_longest(*streams)):
                first = frames[0]
                if first is not None and self.end is not None:
                    origin = first.pts if origin is None else origin
                    if (first.pts - origin) * self.source.info.time_base >= self.end:
                        return
                if any(frame is None for frame in frames):
                    self._complain(streams, frames, count)
                yield [frame.pixels for frame in frames]

    def _complain(self, streams: Sequence[Iterator], frames: Sequence, count: int) -> None:
        """Count all videos to their end, and tell the first one that differs from the source."""
        counts = [
            count + (0 if frame is None else 1 + sum(1 for _ in stream))
            for stream, frame in zip(streams, frames, strict=True)
        ]
        for path, number in zip(self.paths[1:], counts[1:], strict=True):
            if number != counts[0]:
                raise UsageError(
                    f"{path} has {number} frames but {self.paths[0]} has {counts[0]}; frame k of a "
                    "result must show frame k of its source. --end stops both earlier."
                )


def fitted_size(width: int, height: int, max_size: int | None) -> tuple[int, int]:
    """(width, height) shrunk so that the longest side is at most ``max_size``; never enlarged."""
    scale = 1.0 if max_size is None else min(1.0, max_size / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))
