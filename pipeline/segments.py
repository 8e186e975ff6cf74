"""Reading the frames of segments, and encoding what was painted of them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from types import TracebackType
from typing import TypeVar

import numpy as np

from brushflow.common.errors import BrushflowError
from brushflow.pipeline.plan import Segment
from brushflow.video import SegmentWriter, Source

Item = TypeVar("Item")


def read_segments(
    source: Source,
    pts: Sequence[int],
    segments: Sequence[Segment],
    step: int,
    lead: int,
    size: tuple[int, int],
    bit_depth: int,
) -> Iterator[np.ndarray]:
    """The frames of neighbouring segments in the order of work, ``lead`` frames earlier on.

    Forward they are decoded once, in a row; backward segment by segment, held and turned round.
    """

    def read(first: int, last: int) -> Iterator[np.ndarray]:
        with closing(source.read(first=first, table=pts, size=size, bit_depth=bit_depth)) as frames:
            for frame in frames:
                yield frame.pixels
                if frame.index == last:
                    return

    if step > 0:
        yield from read(segments[0].first - lead, segments[-1].last)
        return
    if lead:
        yield from reversed(list(read(segments[0].last + 1, segments[0].last + lead)))
    for segment in segments:
        yield from reversed(list(read(segment.first, segment.last)))


class SegmentEncoder:
    """Writes pictures, which come in the order of work, into one file per segment.

    ``open_writer`` makes the file of a segment; ``complete`` is called with a segment before its
    file appears, ``appeared`` after that. A context manager: when the block fails, the segment at
    hand is dropped. Backward, a segment's pictures are held until all are there.
    """

    def __init__(
        self,
        segments: Sequence[Segment],
        step: int,
        open_writer: Callable[[Segment], SegmentWriter],
        complete: Callable[[Segment], None],
        appeared: Callable[[Segment], None],
    ) -> None:
        self._segments = list(segments)
        self._step = step
        self._open_writer = open_writer
        self._complete = complete
        self._appeared = appeared
        self._held: list[np.ndarray] = []
        self._count = 0
        self._stack = ExitStack()
        self._writer: SegmentWriter | None = None

    def __enter__(self) -> "SegmentEncoder":
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
                f"at first; --restart looks at it anew."
            )
            self._stack.__exit__(type(error), error, None)
            raise error
        self._stack.__exit__(kind, error, trace)

    def write(self, picture: np.ndarray) -> None:
        """Take the next picture; the segment's last one completes its file."""
        segment = self._segments[0]
        if self._writer is None:
            self._writer = self._stack.enter_context(self._open_writer(segment))
        if self._step > 0:
            self._writer.write(picture)
        else:
            self._held.append(picture)
        self._count += 1
        if self._count < len(segment):
            return
        while self._held:
            self._writer.write(self._held.pop())
        self._complete(segment)
        self._stack.close()
        self._appeared(segment)
        self._writer, self._count = None, 0
        self._segments.pop(0)
