"""From a video file to a painted one: scan, stylize in segments, assemble."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from brushflow.common.errors import BrushflowError, UsageError
from brushflow.common.torch_devices import choose_device, choose_precision
from brushflow.pipeline.destination import already_there, run_folder
from brushflow.pipeline.folder import RunFolder
from brushflow.pipeline.joining import join_segments, settle_early
from brushflow.pipeline.making import mark_of, settings_of
from brushflow.pipeline.options import StylizeOptions
from brushflow.pipeline.painting import Painter
from brushflow.pipeline.parallel.dask_cluster import ClusterExecutor
from brushflow.pipeline.parallel.processes import PaintingProcesses
from brushflow.pipeline.parallel.rows import Row, paint_rows, plan_rows
from brushflow.pipeline.parallel.worker import describe_run
from brushflow.pipeline.plan import Segment, find_joints, plan_video
from brushflow.pipeline.shortage import (
    ShortOfMemory,
    release,
    too_large,
    warn_of_shortage,
    with_smaller_flow,
)
from brushflow.pipeline.shot_painter import ShotPainter, kept_folder
from brushflow.shots.scan import ProgressCallback, Scan, check_cuts, scan_source
from brushflow.video import Source, check_encoder, check_output, try_settings
from brushflow.video.tags import maker

logger = logging.getLogger(__name__)


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


# Pixels along a side that the usual encoders take without being asked.
_SURE_SIDES = range(16, 4097)


class VideoJob:
    """One run: a source, an output, and the folder that survives interruptions.

    ``executor`` runs ``paint_shots`` on rows of shots, side by side; without one, all are painted
    here, in one row.
    """

    def __init__(
        self,
        source: Source,
        output: Path,
        options: StylizeOptions,
        progress: ProgressCallback,
        stop: threading.Event,
        executor: Executor | None = None,
    ) -> None:
        self.source = source
        self.output = output
        self.options = options = options.for_source(source.info)
        self.progress = progress
        self.stop = stop
        self.executor = executor
        encoding = options.encoding(output)
        check_encoder(encoding)
        check_output(output, encoding.codec)
        self._check_early()
        self.watch: Callable[[np.ndarray], None] = lambda picture: None
        self.keep_note = False
        self.folder = RunFolder(run_folder(output, options.work_dir))
        self.kept = kept_folder(output, options)
        self.size = options.output_size(source.info.width, source.info.height)
        self.done = 0
        self.total = 0
        self.shortages: list[str] = []

    def _check_early(self) -> None:
        """Find what would only be found after the scan, or by other processes."""
        options, info = self.options, self.source.info
        check_cuts(options.cuts)
        if isinstance(self.executor, ClusterExecutor):
            return
        choose_precision(options.precision, choose_device(options.device))
        width, height = options.output_size(info.width, info.height)
        width *= 1 + options.compare
        chosen = (options.codec, options.preset, options.pix_fmt)
        unusual = any(chosen) or options.crf != StylizeOptions.crf
        if unusual or not all(side in _SURE_SIDES for side in (width, height)):
            try_settings(
                options.encoding(self.output), width, height, info.output_color, self.output.suffix
            )

    def run(self) -> RunReport:
        """All stages in order."""
        started = time.monotonic()
        painter = self._painter(self.options)
        settings = settings_of(self.source, self.options, painter.digests)
        fresh = not self.folder.path.exists()
        if fresh and not self.options.restart and self.kept and self.kept.exists():
            raise already_there(self.kept)
        with self.folder.locked():
            try:
                painted, summary = self._complete(painter, settings)
            except BrushflowError as error:
                refused = isinstance(error, UsageError) and not self.folder.painted
                if fresh and (refused or self.folder.empty):
                    with suppress(OSError):
                        self.folder.remove()
                raise
            if self.keep_note:
                self.folder.tidy()
            else:
                self.folder.remove()
        seconds = time.monotonic() - started
        return RunReport(self.output, painted=painted, seconds=seconds, kept=self.kept, **summary)

    def _complete(self, painter: Painter, settings: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """See that the output is there: the number of frames painted, and a summary."""
        there = self.output.exists()
        if there and not self.options.restart:
            self._check_ours(settings)
        else:
            self.folder.begin(settings, self.options.restart, self.output if there else None)
        summary = self.folder.complete
        if there and summary is not None:
            return 0, summary
        if isinstance(self.executor, ClusterExecutor):
            run = describe_run(self.source, self.output, self.folder.path, self.options)
            self.executor.check(run)
        if self.executor is None and painter.on_cpu:
            warn_of_shortage(painter.pixels(self.size), self.options)
        painted, summary = self._make(painter, settings)
        self.folder.mark_complete(summary)
        return painted, summary

    def _check_ours(self, settings: dict[str, Any]) -> None:
        """Raise UsageError unless the output that exists is what this very run has written.

        A run may be stopped when its output is in place and its folder not yet gone, or when it was
        begun to overwrite the one that is there and has not come so far.
        """
        if self.folder.abandoned:
            self.folder.remove()
            raise already_there(self.output)
        if self.folder.complete is not None and not self.folder.is_of(settings):
            raise already_there(self.output)
        self.folder.begin(settings, restart=False)
        if self.folder.complete is not None or self.folder.may_replace(self.output):
            return
        if maker(self.output).startswith(mark_of(settings)):
            return
        if self.folder.empty:
            self.folder.remove()
        raise already_there(self.output)

    def _make(self, painter: Painter, settings: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Scan, paint and assemble what is not there; the number of frames painted, a summary."""
        scan = self.folder.load_scan()
        if scan is None:
            cuts, end = self.options.cuts, self.options.end
            scan = scan_source(self.source, cuts, self.progress, self._check_stop, end)
            self.folder.save_scan(scan)
        self.source.problem = scan.problem
        plan = plan_video(scan, self.options, self.source.info)
        fates = None
        if not self.folder.painted:
            fates = settle_early(self.source, self.options, scan, self.output, self._check_stop)
        painted = self._paint_missing(painter, scan, plan)
        self.progress("assemble", self.total, self.total)
        if self.source.identity() != settings["source"]:
            raise BrushflowError(
                f"{self.source.info.path} has changed since the run began; --restart looks at it "
                f"anew."
            )
        filled = scan.about_filled(plan[0].first, plan[-1].last, self.source.info.time_base)
        # What is made of a damaged source may be made again one day.
        mark = mark_of(settings) + "-part" * (scan.problem is not None)
        ours = self.output.exists() and (
            self.folder.may_replace(self.output) or maker(self.output).startswith(mark)
        )
        said = join_segments(
            self.source, self.options, self.folder, scan, plan, self.output, fates, ours, mark
        )
        notes = [*self.source.notes, *filled, *self.shortages, *said]
        return painted, {"frames": self.total, "notes": notes, "problem": scan.problem}

    def _paint_missing(self, painter: Painter, scan: Scan, plan: Sequence[Segment]) -> int:
        """Paint what no earlier start has finished; returns the number of frames.

        Where memory does not suffice, fewer processes paint, and then motion is found on smaller
        frames from there on; once.
        """
        self.total = sum(map(len, plan))
        painted = self.total - self._count_finished(plan)
        if painted < self.total and painted:
            logger.info("Going on after %d of %d frames.", self.done, self.total)
        if self._paint_rest(painter, self.options, scan, plan):
            return painted
        release()
        smaller = with_smaller_flow(self.options, painter.longest_for_motion(self.size))
        if smaller is None:
            raise too_large(self.size, self.options)
        self.shortages.append(
            f"There was too little memory to find motion on full frames; after frame "
            f"{self._count_finished(plan)} it was found at {smaller.flow_size} pixels."
        )
        logger.warning(self.shortages[-1])
        if not self._paint_rest(self._painter(smaller), smaller, scan, plan):
            raise too_large(self.size, self.options)
        return painted

    def _painter(self, options: StylizeOptions) -> Painter:
        """What paints; where others do that, only what they must agree with."""
        if self.executor is not None:
            options = replace(options, device="cpu", precision="fp32")
        return Painter(options)

    def _count_finished(self, plan: Sequence[Segment]) -> int:
        self.done = sum(map(len, self.folder.finished(plan)))
        return self.done

    def _paint_rest(
        self, painter: Painter, options: StylizeOptions, scan: Scan, plan: Sequence[Segment]
    ) -> bool:
        """Paint the segments that are not finished; False if memory ran out on the way."""
        try:
            if self.executor is None:
                here = ShotPainter(self.source, scan, self.output, options, painter, self.folder)
                here.paint(plan, self._count_frame, self._check_stop)
            else:
                joints = find_joints(plan[0].first, plan[-1].last, scan.cuts, self.options.max_shot)
                rows = plan_rows(plan, scan, painter.recurrent, joints)
                # Where processes share the processors, the painter makes better use of them.
                share = painter.shares_motion and getattr(self.executor, "finds_motion", False)
                self._paint_elsewhere(self.executor, options, rows, share and scan.problem is None)
        except ShortOfMemory:
            return False
        return True

    def _paint_elsewhere(
        self, executor: Executor, options: StylizeOptions, rows: Sequence[Row], share: bool
    ) -> None:
        """Have what is missing of the rows painted by an executor's processes."""
        run = describe_run(self.source, self.output, self.folder.path, options)
        while True:
            finished = set(self.folder.finished(part for row in rows for part in row))
            missing = [row for row in rows if not finished.issuperset(row)]
            others = self.total - sum(len(part) for row in missing for part in row)

            def show(done: int, others: int = others) -> None:
                self._show_done(others + done)

            try:
                paint_rows(executor, run, missing, finished, show, self._check_stop, share)
            except ShortOfMemory:
                if isinstance(executor, PaintingProcesses) and executor.fewer():
                    continue
                raise
            return

    def _count_frame(self, picture: np.ndarray) -> None:
        self.watch(picture)
        self._show_done(min(self.done + 1, self.total))

    def _show_done(self, done: int) -> None:
        self.done = done
        self.progress("stylize", done, self.total)

    def _check_stop(self) -> None:
        if self.stop.is_set():
            command = "the same command"
            if self.options.restart:
                command += " without --restart"
            raise KeyboardInterrupt(
                f"Interrupted. What is finished is kept in {self.folder.path}; {command} goes on "
                f"from there."
            )
