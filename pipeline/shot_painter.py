"""Painting the segments of shots: nothing outside a shot need be known for it.

The frames of segments are read and painted, and go into files, see ``segments.SegmentFiles``.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
from torch import Tensor

from brushflow.common.memory import out_of_memory
from brushflow.common.queues import Sink, prefetch
from brushflow.pipeline.finishing import as_output, keep
from brushflow.pipeline.folder import RunFolder, Segment
from brushflow.pipeline.layers import LayeredState, Layers, joined_tensors
from brushflow.pipeline.long_term import State
from brushflow.pipeline.masks import MaskedSource
from brushflow.pipeline.options import StylizeOptions
from brushflow.pipeline.outputs import kept_folder
from brushflow.pipeline.painter import Painter
from brushflow.pipeline.resources import ShortOfMemory
from brushflow.pipeline.segments import (
    GroupCoder,
    PlainFrames,
    SegmentFiles,
    find_joints,
    frames_between,
    missing_runs,
    plan_groups,
)
from brushflow.pipeline.stylizer import Stylized
from brushflow.pipeline.timeline import moments_of
from brushflow.shots.looks import looks_of
from brushflow.shots.scan import Scan
from brushflow.video import Source

BURN_IN = 24  # frames painted before a part of a divided shot, and dropped
QUEUED_FRAMES = 4  # between decoding and motion, and between network and encoding


@dataclass(frozen=True)
class Stretch:
    """Neighbouring segments that are painted in one go, in the order of work, from ``entry`` on.

    ``lead``: frames that are read before, so that the recurrence burns in, or because ``state`` is
    that of the last one of them; ``again``: how many of the segments are there already, and are
    only wanted for their state.
    """

    segments: Sequence[Segment]
    entry: int
    lead: int
    again: int
    state: Mapping[str, Tensor] | None


class ShotPainter:
    """Makes segments of one run's source, in its folder.

    ``others``: outputs and folders of runs that paint the same in further styles; ``painter`` has
    a layer for each of all runs then.
    """

    def __init__(
        self,
        source: Source,
        scan: Scan,
        output: Path,
        options: StylizeOptions,
        painter: Painter | Layers,
        folder: RunFolder,
        others: Sequence[tuple[Path, RunFolder]] = (),
    ) -> None:
        self.source = source
        self.masked = MaskedSource(source, scan, options)
        self.scan = scan
        self.options = options
        self.painter = painter
        self.paint = painter.paint
        if isinstance(painter, Layers):
            moments = moments_of(options, scan, source.info)
            self.paint = partial(painter.paint, moments=moments)
        self.folders = [folder, *(each for _, each in others)]
        self.encoding = options.encoding(output)
        self.kept = [kept_folder(place, options) for place in (output, *(o for o, _ in others))]
        self.size = options.output_size(source.info.width, source.info.height)
        self.looks = looks_of(scan, (source.info.width, source.info.height), self.size)
        self.step = -1 if options.backward else 1
        self.cuts = scan.without_prior(self.step)
        self.inside = frames_between(scan, options, source.info)
        joints = find_joints(*self.inside, scan.cuts, options.max_shot)
        # A part that begins in the middle of a shot goes on from no state: its recurrence burns in.
        self.joints = {joint if self.step > 0 else joint - 1 for joint in joints}
        self.starts = {*scan.cuts, *joints}
        self.frames = PlainFrames.of(self.size, self.encoding, options.compare)

    def groups(self, segments: Sequence[Segment]) -> list[list[Segment]]:
        """The segments of whole shots, divided into those that are coded together."""
        return plan_groups(segments, self.starts, self.frames.nbytes)

    def make_segments(
        self,
        segments: Sequence[Segment],
        painted: Callable[[np.ndarray], None],
        check_stop: Callable[[], None],
    ) -> int:
        """Make those of ``segments`` that are not there yet; returns the number of frames.

        They are segments of one or several whole shots that follow one another, in the order of
        the video. ``painted`` is called with every picture that was missing; ``check_stop`` before
        it, and may raise. ShortOfMemory if memory runs out.

        Frames are decoded, painted and encoded at the same time, each in its own thread.
        """
        finished = self.finished(segments)
        with self._coders(segments, finished, check_stop) as coders:
            for stretch in self._stretches(segments[:: self.step], finished):
                first = stretch.entry - stretch.lead * self.step
                short = False
                try:
                    with (
                        closing(prefetch(self._frames(stretch), QUEUED_FRAMES)) as read,
                        closing(
                            self.paint(read, self.cuts, first, self.step, stretch.state, self.looks)
                        ) as stream,
                        self._writer(stretch, painted, check_stop, coders) as sink,
                    ):
                        for stylized in stream:
                            check_stop()
                            if (stylized.index - stretch.entry) * self.step >= 0:
                                sink.put(stylized)
                except Exception as error:
                    if not out_of_memory(error):
                        raise
                    short = True
                if short:  # and the error, which holds on to the frames, is gone
                    raise ShortOfMemory
        for folder in self.folders:
            folder.drop_states(segments[0].first, segments[-1].last)
        return sum(len(segment) for segment in segments if segment not in finished)

    @contextmanager
    def _coders(
        self,
        segments: Sequence[Segment],
        finished: Collection[Segment],
        check_stop: Callable[[], None],
    ) -> Iterator[list[GroupCoder]]:
        """What codes the groups of the segments, for every run; in the end, all are coded."""
        groups, info = self.groups(segments), self.source.info
        with ExitStack() as stack:
            yield [
                stack.enter_context(
                    GroupCoder(
                        folder, groups, finished, self.frames, self.encoding, info, check_stop
                    )
                )
                for folder in self.folders
            ]

    def finished(self, segments: Sequence[Segment]) -> set[Segment]:
        """Those segments that are there, of every run."""
        return set.intersection(*(set(folder.finished(segments)) for folder in self.folders))

    def _stretches(
        self, order: Sequence[Segment], finished: Collection[Segment]
    ) -> Iterator[Stretch]:
        """What is missing of ``order``, and what must be painted again to begin there."""
        for missing in self._undivided(order, missing_runs(order, finished)):
            position, state = missing.start, None
            if self.painter.recurrent:
                position, state = self._resume_point(order, missing.start)
            segments = order[position : missing.stop]
            entry = segments[0].entry(self.step)
            lead = self._burn_in(entry) if state is None else 1
            yield Stretch(segments, entry, lead, missing.start - position, state)

    def _undivided(self, order: Sequence[Segment], runs: Iterable[range]) -> Iterator[range]:
        """The runs, ended where another part of a divided shot begins."""
        for run in runs:
            joints = [i for i in run[1:] if order[i].entry(self.step) in self.joints]
            for start, end in pairwise([run.start, *joints, run.stop]):
                yield range(start, end)

    def _burn_in(self, entry: int) -> int:
        """How many frames to paint before the one a part of a divided shot begins with."""
        if not self.painter.recurrent or entry not in self.joints:
            return 0
        count, frame = 0, entry
        while count < BURN_IN and frame not in self.cuts:
            frame -= self.step
            if not self.inside[0] <= frame <= self.inside[1]:
                break
            count += 1
        return count

    def _resume_point(
        self, order: Sequence[Segment], position: int
    ) -> tuple[int, Mapping[str, Tensor] | None]:
        """Where to begin so that ``order[position]`` comes out right: there if its state is kept,
        else at the nearest earlier segment that needs none or has one."""
        while position > 0 and order[position].entry(self.step) not in self.cuts | self.joints:
            state = self._load_state(order[position - 1].exit(self.step))
            if state is not None:
                return position, state
            position -= 1
        return position, None

    def _load_state(self, index: int) -> Mapping[str, Tensor] | None:
        states = [folder.load_state(index) for folder in self.folders]
        known = [state for state in states if state is not None]
        if len(known) < len(states):
            return None
        return known[0] if len(known) == 1 else joined_tensors(dict(enumerate(known)))

    def _frames(self, stretch: Stretch) -> Iterator[np.ndarray]:
        segments, lead = stretch.segments, stretch.lead
        depth = self.options.bit_depth
        return read_segments(self.masked, segments, self.step, lead, self.size, depth)

    @contextmanager
    def _writer(
        self,
        stretch: Stretch,
        painted: Callable[[np.ndarray], None],
        check_stop: Callable[[], None],
        coders: Sequence[GroupCoder],
    ) -> Iterator[Sink[Stylized]]:
        """Takes what is painted of a stretch, in another thread, and makes files of it."""
        latest: list[list[State | LayeredState | None]] = [[None] for _ in self.folders]
        files = [
            self._segment_files(folder, coder, stretch, check_stop, state)
            for folder, coder, state in zip(self.folders, coders, latest, strict=True)
        ]
        again = sum(map(len, stretch.segments[: stretch.again]))

        def write(stylized: Stylized) -> None:
            pictures = []
            for number, (picture, state) in enumerate(self._paintings(stylized)):
                kept = self.kept[number]
                if kept:
                    keep(kept, self.options.keep, stylized, picture, self.step)
                latest[number][0] = state
                compare, alpha = self.options.compare, self.encoding.alpha
                pictures.append(as_output(stylized, picture, compare, alpha))
            if (stylized.index - stretch.entry) * self.step >= again:
                for each, picture in zip(files, pictures, strict=True):
                    each.write(picture)
                painted(pictures[0])

        with ExitStack() as stack:
            for each in files:
                stack.enter_context(each)
            yield stack.enter_context(Sink(write, QUEUED_FRAMES))

    def _paintings(
        self, stylized: Stylized
    ) -> Iterator[tuple[np.ndarray, State | LayeredState | None]]:
        """The picture and the state for each of the runs."""
        if len(self.folders) == 1:
            yield self.painter.finish(stylized), stylized.state
            return
        assert isinstance(self.painter, Layers)
        for number, layer in enumerate(stylized.layers):
            if layer is not None:
                yield self.painter.finish_one(stylized, number), layer.state

    def _segment_files(
        self,
        folder: RunFolder,
        coder: GroupCoder,
        stretch: Stretch,
        check_stop: Callable[[], None],
        latest: Sequence[State | LayeredState | None],
    ) -> SegmentFiles:
        """What makes files of a stretch in a folder; ``latest`` holds the newest frame's state."""
        # What the segment at hand goes on from is needed until its file has appeared.
        states = [stretch.entry - self.step] if stretch.state is not None else []
        ends = (*states, stretch.entry)[0], stretch.segments[-1].exit(self.step)

        def complete(segment: Segment) -> None:
            check_stop()
            if latest[0] is not None and self.painter.recurrent:
                states.append(segment.exit(self.step))
                folder.save_state(states[-1], latest[0].tensors())
                folder.drop_states(min(ends), max(ends), but=states[-2:])

        missing = stretch.segments[stretch.again :]
        return SegmentFiles(folder, missing, self.step, self.frames, complete, coder.appeared)


def read_segments(
    source: MaskedSource,
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
        with closing(source.read(first, size, bit_depth)) as frames:
            yield from islice(frames, last + 1 - first)

    if step > 0:
        yield from read(segments[0].first - lead, segments[-1].last)
        return
    if lead:
        yield from reversed(list(read(segments[0].last + 1, segments[0].last + lead)))
    for segment in segments:
        yield from reversed(list(read(segment.first, segment.last)))
