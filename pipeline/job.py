"""From a video file to a painted one: scan, stylize in segments, assemble."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

import brushflow
from brushflow.errors import BrushflowError, UsageError
from brushflow.pipeline.destination import already_there, run_folder
from brushflow.pipeline.folder import RunFolder
from brushflow.pipeline.keep import keep
from brushflow.pipeline.options import StylizeOptions
from brushflow.pipeline.painting import Painter
from brushflow.pipeline.plan import Segment, missing_runs, plan_segments
from brushflow.pipeline.queues import Sink, prefetch
from brushflow.pipeline.scan import ProgressCallback, Scan, scan_source
from brushflow.pipeline.segments import SegmentEncoder, read_segments
from brushflow.pipeline.shortage import out_of_memory, release, too_large, with_smaller_flow
from brushflow.pipeline.stylizer import Stylized
from brushflow.video import SegmentWriter, Source, assemble, check_encoder, check_output
from brushflow.video.sphere import Sphere, new_sphere

logger = logging.getLogger(__name__)

QUEUED_FRAMES = 4  # between decoding and motion, and between network and encoding


@dataclass(frozen=True)
class RunReport:
    """What a run did: ``frames`` in the output, of which ``painted`` now, in ``seconds``.

    ``notes`` are sentences about what was changed on the way (a converted sound track, say);
    ``problem`` is what is wrong with the source, None if all of it could be read; ``kept`` the
    folder with what ``keep`` asked for.
    """

    output: Path
    frames: int
    painted: int
    seconds: float
    notes: list[str] = field(default_factory=list)
    problem: str | None = None
    kept: Path | None = None


class VideoJob:
    """One run: a source, an output, and the folder that survives interruptions."""

    def __init__(
        self,
        source: Source,
        output: Path,
        options: StylizeOptions,
        progress: ProgressCallback,
        stop: threading.Event,
    ) -> None:
        self.source = source
        self.output = output
        self.options = options = options.for_source(source.info)
        self.progress = progress
        self.stop = stop
        self.watch: Callable[[np.ndarray], None] = lambda picture: None
        self.encoding = options.encoding(output)
        check_output(output, self.encoding.codec)
        check_encoder(self.encoding)
        self.folder = RunFolder(run_folder(output, options.work_dir))
        self.kept = output.with_name(f"{output.stem}.kept") if options.keep else None
        self.step = -1 if options.backward else 1
        self.size = options.output_size(source.info.width, source.info.height)
        self.done = 0
        self.total = 0
        self.shortages: list[str] = []

    def run(self) -> RunReport:
        """All stages in order."""
        started = time.monotonic()
        painter = Painter(self.options)
        settings = {
            "brushflow": brushflow.__version__,
            "source": self.source.identity(),
            "models": painter.digests,
            "options": self.options.settings(),
        }
        painted = 0
        with self.folder.locked():
            if self.output.exists() and not self.options.restart:
                self._check_ours(settings)
            else:
                self.folder.begin(settings, self.options.restart)
            summary = self.folder.complete
            if summary is None:
                painted, summary = self._make(painter, settings)
                self.folder.mark_complete(summary)
            self.folder.remove()
        seconds = time.monotonic() - started
        return RunReport(self.output, painted=painted, seconds=seconds, kept=self.kept, **summary)

    def _check_ours(self, settings: dict[str, Any]) -> None:
        """Raise UsageError unless the output that exists is what this very run has written.

        A run may be stopped when its output is in place and its folder not yet gone.
        """
        if self.folder.abandoned:
            self.folder.remove()
            raise already_there(self.output)
        self.folder.begin(settings, restart=False)
        if self.folder.complete is not None:
            return
        scan = self.folder.load_scan()
        if scan is not None:
            plan = self._plan(scan)
            if len(self.folder.finished(plan)) == len(plan):
                return
        if self.folder.empty:
            self.folder.remove()
        raise already_there(self.output)

    def _make(self, painter: Painter, settings: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Scan, paint and assemble what is not there; the number of frames painted, a summary."""
        scan = self.folder.load_scan()
        if scan is None:
            scan = scan_source(self.source, self.options.cuts, self.progress, self._check_stop)
            self.folder.save_scan(scan)
        self.source.problem = scan.problem
        plan = self._plan(scan)
        painted = self._paint_missing(painter, scan, plan)
        self.progress("assemble", self.total, self.total)
        if self.source.identity() != settings["source"]:
            raise BrushflowError(
                f"{self.source.info.path} has changed since the run began; --restart looks at it "
                f"anew."
            )
        filled = scan.about_filled(plan[0].first, plan[-1].last, self.source.info.time_base)
        notes = [*self.source.notes, *filled, *self.shortages, *self._assemble(scan, plan)]
        return painted, {"frames": self.total, "notes": notes, "problem": scan.problem}

    def _plan(self, scan: Scan) -> list[Segment]:
        """The segments from the first to the last frame between ``start`` and ``end``."""
        start, end = self.options.start, self.options.end
        seconds = [(pts - scan.pts[0]) * self.source.info.time_base for pts in scan.pts]
        inside = [
            index
            for index, second in enumerate(seconds)
            if (start is None or second >= start) and (end is None or second < end)
        ]
        if not inside:
            raise UsageError(
                f"There is no frame between --start and --end; the last one of "
                f"{self.source.info.path} is at {float(seconds[-1]):.3f} s."
            )
        return plan_segments(inside[0], inside[-1], scan.cuts)

    def _paint_missing(self, painter: Painter, scan: Scan, plan: Sequence[Segment]) -> int:
        """Paint what no earlier start has finished; returns the number of frames.

        Where memory does not suffice, motion is found on smaller frames from there on; once.
        """
        self.total = sum(map(len, plan))
        painted = self.total - self._count_finished(plan)
        if painted < self.total and painted:
            logger.info("Going on after %d of %d frames.", self.done, self.total)
        if self._paint_rest(painter, scan, plan):
            return painted
        release()
        smaller = with_smaller_flow(self.options, self.size)
        if smaller is None or not _finds_motion(painter):
            raise too_large(self.size)
        self.shortages.append(
            f"There was too little memory to find motion on full frames; after frame "
            f"{self._count_finished(plan)} it was found at {smaller.flow_size} pixels."
        )
        logger.warning(self.shortages[-1])
        if not self._paint_rest(Painter(smaller), scan, plan):
            raise too_large(self.size)
        return painted

    def _count_finished(self, plan: Sequence[Segment]) -> int:
        self.done = sum(map(len, self.folder.finished(plan)))
        return self.done

    def _paint_rest(self, painter: Painter, scan: Scan, plan: Sequence[Segment]) -> bool:
        """Paint the segments that are not finished; False if memory ran out on the way."""
        order = plan[:: self.step]
        # Going backward, the frame before a cut is the one without a prior.
        cuts = {cut if self.step > 0 else cut - 1 for cut in scan.cuts}
        for missing in missing_runs(order, set(self.folder.finished(plan))):
            position, state = missing.start, None
            if painter.recurrent:
                position, state = self._resume_point(order, missing.start, cuts)
            try:
                self._paint(painter, scan, order[position : missing.stop], cuts, state)
            except Exception as error:
                if not out_of_memory(error):
                    raise
                return False  # and let go of the error, which holds on to the frames
        return True

    def _resume_point(
        self, order: Sequence[Segment], position: int, cuts: set[int]
    ) -> tuple[int, Tensor | None]:
        """Where to begin so that ``order[position]`` comes out right: there if its state is kept,
        else at the nearest earlier segment that needs none or has one."""
        while position > 0 and order[position].entry(self.step) not in cuts:
            state = self.folder.load_state(order[position - 1].exit(self.step))
            if state is not None:
                return position, state
            position -= 1
        return position, None

    def _paint(
        self,
        painter: Painter,
        scan: Scan,
        segments: Sequence[Segment],
        cuts: set[int],
        state: Tensor | None,
    ) -> None:
        """Decode, paint and encode segments that follow one another, each in its own thread."""
        lead = 0 if state is None else 1
        first = segments[0].entry(self.step) - lead * self.step
        frames = read_segments(
            self.source, scan.pts, segments, self.step, lead, self.size, self.options.bit_depth
        )
        latest: list[Tensor | None] = [None]

        def complete(segment: Segment) -> None:
            if latest[0] is not None:
                self.folder.save_state(segment.exit(self.step), latest[0])

        encoder = SegmentEncoder(segments, self.step, self._writer, complete, self.folder.seal)

        def encode(stylized: Stylized) -> None:
            picture = painter.finish(stylized)
            if self.kept:
                keep(self.kept, self.options.keep, stylized, picture, self.step)
            if self.options.compare:
                picture = np.hstack([stylized.frame, picture])
            latest[0] = stylized.output
            encoder.write(picture)
            self.watch(picture)
            self.done = min(self.done + 1, self.total)
            self.progress("stylize", self.done, self.total)

        with (
            closing(prefetch(frames, QUEUED_FRAMES)) as read,
            closing(painter.paint(read, cuts, first, self.step, state)) as painted,
            encoder,
            Sink(encode, QUEUED_FRAMES) as sink,
        ):
            for stylized in painted:
                self._check_stop()
                sink.put(stylized)

    def _writer(self, segment: Segment) -> SegmentWriter:
        info = self.source.info
        width, height = self.size
        return SegmentWriter(
            self.folder.segment_path(segment),
            width * 2 if self.options.compare else width,
            height,
            self.encoding,
            info.frame_rate or Fraction(25),
            info.output_color,
            info.sample_aspect_ratio,
        )

    def _assemble(self, scan: Scan, plan: Sequence[Segment]) -> list[str]:
        info, options = self.source.info, self.options
        origin = scan.pts[0] * info.time_base
        report = assemble(
            [self.folder.segment_path(segment) for segment in plan],
            scan.pts[plan[0].first : plan[-1].last + 1],
            info.time_base,
            self.output,
            info.path if self.source.kind == "video" else None,
            start=None if options.start is None else origin + options.start,
            end=None if options.end is None else origin + options.end,
            sphere=self._sphere(),
        )
        return report.notes

    def _sphere(self) -> Sphere | None:
        """What the output says of itself: two spheres side by side are none."""
        if self.options.spherical == "off" or self.options.compare:
            return None
        known = self.source.info.sphere
        if known is not None and known.layout == self.options.spherical:
            return known
        return new_sphere(self.options.spherical)

    def _check_stop(self) -> None:
        if self.stop.is_set():
            raise KeyboardInterrupt(
                f"Interrupted. What is finished is kept in {self.folder.path}; the same command "
                f"goes on from there."
            )


def _finds_motion(painter: Painter) -> bool:
    return painter.stylizer is not None and painter.stylizer.motion is not None
