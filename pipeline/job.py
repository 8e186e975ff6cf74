"""From a video file to a painted one: scan, stylize in segments, assemble."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
from torch import Tensor

import brushflow
from brushflow.errors import UsageError
from brushflow.pipeline.folder import RunFolder, Scan
from brushflow.pipeline.keep import keep
from brushflow.pipeline.options import StylizeOptions
from brushflow.pipeline.painting import Painter
from brushflow.pipeline.plan import Segment, missing_runs, plan_segments
from brushflow.pipeline.queues import Sink, prefetch
from brushflow.pipeline.segments import SegmentEncoder, read_segments
from brushflow.pipeline.shots import CutDetector, read_cuts, scan_size
from brushflow.pipeline.stylizer import Stylized
from brushflow.video import SegmentWriter, Source, assemble, check_encoder, check_output

logger = logging.getLogger(__name__)

QUEUED_FRAMES = 4  # between decoding and motion, and between network and encoding
QUEUED_SCAN_FRAMES = 64

# (stage, frames done, frames in all or None if unknown)
ProgressCallback = Callable[[str, int, int | None], None]


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
        self.options = options
        self.progress = progress
        self.stop = stop
        self.encoding = options.encoding(output)
        check_output(output, self.encoding.codec)
        check_encoder(self.encoding)
        home = options.work_dir or output.parent
        self.folder = RunFolder(home / f"{output.name}.brushflow")
        self.kept = output.with_name(f"{output.stem}.kept") if options.keep else None
        self.step = -1 if options.backward else 1
        self.size = options.output_size(source.info.width, source.info.height)
        self.done = 0
        self.total = 0

    def run(self) -> RunReport:
        """All stages in order."""
        started = time.monotonic()
        painter = Painter(self.options)
        with self.folder.locked():
            self.folder.begin(
                {
                    "brushflow": brushflow.__version__,
                    "source": self.source.identity(),
                    "models": painter.digests,
                    "options": self.options.settings(),
                },
                self.options.restart,
            )
            scan = self.folder.load_scan() or self._scan()
            first, last = self._selected(scan)
            plan = plan_segments(first, last, scan.cuts)
            painted = self._paint_missing(painter, scan, plan)
            self.progress("assemble", self.total, self.total)
            notes = self._assemble(scan, plan)
            self.folder.remove()
        seconds = time.monotonic() - started
        return RunReport(self.output, self.total, painted, seconds, notes, scan.problem, self.kept)

    def _scan(self) -> Scan:
        """Look at every frame once, small and grey: timestamps, number, cuts."""
        info = self.source.info
        pts: list[int] = []
        detector = CutDetector()
        frames = self.source.read(size=scan_size(info.width, info.height), gray=True)
        with closing(prefetch(frames, QUEUED_SCAN_FRAMES)) as small:
            for frame in small:
                self._check_stop()
                pts.append(frame.pts)
                if self.options.cuts == "auto":
                    detector.add(frame.pixels)
                self.progress("scan", len(pts), info.expected_frames)
        cuts = detector.cuts()
        if self.options.cuts not in ("auto", "none"):
            cuts = read_cuts(Path(self.options.cuts), len(pts))
        scan = Scan(pts, cuts, self.source.problem)
        self.folder.save_scan(scan)
        return scan

    def _selected(self, scan: Scan) -> tuple[int, int]:
        """First and last frame between ``start`` and ``end``."""
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
        return inside[0], inside[-1]

    def _paint_missing(self, painter: Painter, scan: Scan, plan: Sequence[Segment]) -> int:
        """Paint what no earlier start has finished; returns the number of frames."""
        finished = set(self.folder.finished(plan))
        self.total = sum(map(len, plan))
        self.done = sum(map(len, finished))
        painted = self.total - self.done
        if finished and painted:
            logger.info("Going on after %d of %d frames.", self.done, self.total)
        order = plan[:: self.step]
        # Going backward, the frame before a cut is the one without a prior.
        cuts = {cut if self.step > 0 else cut - 1 for cut in scan.cuts}
        for missing in missing_runs(order, finished):
            position, state = missing.start, None
            if painter.recurrent:
                position, state = self._resume_point(order, missing.start, cuts)
            self._paint(painter, scan, order[position : missing.stop], cuts, state)
        return painted

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

        encoder = SegmentEncoder(segments, self.step, self._writer, complete)

        def encode(stylized: Stylized) -> None:
            picture = painter.finish(stylized)
            if self.kept:
                keep(self.kept, self.options.keep, stylized, picture, self.step)
            if self.options.compare:
                picture = np.hstack([stylized.frame, picture])
            latest[0] = stylized.output
            encoder.write(picture)
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
        )
        return report.notes

    def _check_stop(self) -> None:
        if self.stop.is_set():
            raise KeyboardInterrupt(
                f"Interrupted. What is finished is kept in {self.folder.path}; the same command "
                f"goes on from there."
            )
