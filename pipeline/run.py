"""A run from start to end: scan, paint what is missing in segments, put the output together."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from brushflow.common.errors import BrushflowError, Interrupted, UsageError
from brushflow.common.wording import counted
from brushflow.flow.opencv import one_opencv_thread
from brushflow.pipeline.folder import RunFolder, Segment
from brushflow.pipeline.layers import Layers, painter_for
from brushflow.pipeline.options import StylizeOptions
from brushflow.pipeline.outputs import (
    already_there,
    check_early,
    join_segments,
    kept_folder,
    mark_of,
    run_folder,
    settings_of,
    settle_early,
)
from brushflow.pipeline.painter import Painter
from brushflow.pipeline.parallel.rows import ShotExecutor, paint_rows
from brushflow.pipeline.parallel.worker import RunDescription, describe_run
from brushflow.pipeline.resources import (
    ShortOfMemory,
    release,
    too_large,
    warn_of_shortage,
    with_smaller_flow,
)
from brushflow.pipeline.segments import Row, plan_rows, plan_video
from brushflow.pipeline.shot_painter import ShotPainter
from brushflow.pipeline.timeline import unreached
from brushflow.shots.scan import ProgressCallback, Scan, scan_source
from brushflow.video import Fates, Source, open_source
from brushflow.video.alpha import ON_BLACK
from brushflow.video.picture_files import first_file
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


def stylize_video(
    source: Source | str | Path,
    output: Path,
    options: StylizeOptions | None = None,
    progress: ProgressCallback = lambda stage, done, total: None,
    stop: threading.Event | None = None,
    executor: ShotExecutor | None = None,
    watch: Callable[[np.ndarray], None] = lambda picture: None,
    keep_note: bool = False,
) -> RunReport:
    """Paint a video (or a folder or pattern of images) into the file ``output``.

    The same call after an interruption goes on where the last one ended. ``progress`` is called
    with a stage (scan, stylize, assemble), frames done and frames in all. Setting ``stop`` ends
    the run at the next frame with KeyboardInterrupt; finished segments are kept. An ``executor``
    (see ``parallel``) paints several shots at a time; the file is the same, byte for byte.
    ``watch`` is called, in another thread, with every picture that is written, RGB (H, W, 3),
    unless an executor paints. ``keep_note`` leaves a note beside the output, by which the same
    call without ``restart`` knows that nothing is left to paint, until ``forget_run``.

    Raises:
        UsageError: options that do not fit, an output that exists, an unfinished other run.
        BrushflowError: a source that cannot be read or an output that cannot be written.
    """
    started = time.monotonic()
    options = options or StylizeOptions()
    with one_opencv_thread():
        if isinstance(source, str | Path):
            source = open_source(source, options.fps)
        run = Run(source, output, options, progress, stop or threading.Event(), executor, watch)
        with run.begun(keep_note) as summary:
            painted = 0
            if summary is None:
                run.check_means()
                scan = run.scan()
                plan = plan_video(scan, run.options, source.info)
                fates = run.settle(scan)
                run.warn_of_unreached(scan, plan)
                painted = run.paint_missing(scan, plan)
                summary = run.join(scan, plan, fates)
    seconds = time.monotonic() - started
    return RunReport(output, painted=painted, seconds=seconds, kept=run.kept, **summary)


class Run:
    """A source, an output, and the folder that survives interruptions.

    ``executor`` paints rows of shots, side by side; without one, all are painted here, in one row.
    """

    def __init__(
        self,
        source: Source,
        output: Path,
        options: StylizeOptions,
        progress: ProgressCallback,
        stop: threading.Event,
        executor: ShotExecutor | None = None,
        watch: Callable[[np.ndarray], None] = lambda picture: None,
    ) -> None:
        self.source = source
        self.output = output
        given, self.options = options, options.for_source(source.info)
        options = self.options
        self.progress = progress
        self.stop = stop
        self.executor = executor
        self.watch = watch
        self.folder = RunFolder(run_folder(output, options.work_dir))
        self.kept = kept_folder(output, options)
        self.size = options.output_size(source.info.width, source.info.height)
        self.done = 0
        self.total = 0
        self.shortages: list[str] = []
        self.unreached: list[str] = []
        # An output with a run beside it may be that run's, stopped before it had tidied up.
        check_early(source, output, options, replace=options.restart or self.folder.path.is_dir())
        self.painter = self._painter(options)
        self.settings = settings_of(source, options, self.painter.digests)
        if given.stereo == "auto" and source.info.sphere is None and options.stereo != "none":
            shape = f"{source.info.width}×{source.info.height}"
            logger.info("Frames of %s pixels are taken for two eyes', %s.", shape, options.stereo)

    @contextmanager
    def begun(self, keep_note: bool) -> Iterator[dict[str, Any] | None]:
        """Keep others out of the run's folder, and remove it in the end, when the output is there.

        Gives the summary of the run if it has only to be tidied up. A folder in which nothing has
        come about is removed if the block fails.
        """
        fresh = not self.folder.path.exists()
        if fresh and not self.options.restart and self.kept and self.kept.exists():
            raise already_there(self.kept)
        with self.folder.locked():
            try:
                yield self._summary_of_earlier()
            except BrushflowError as error:
                refused = isinstance(error, UsageError) and not self.folder.painted
                if fresh and (refused or self.folder.empty):
                    with suppress(OSError):
                        self.folder.remove()
                raise
            if keep_note:
                self.folder.tidy()
            else:
                self.folder.remove()

    def _summary_of_earlier(self) -> dict[str, Any] | None:
        """Begin the run, or go on with it; its summary if it has only to be tidied up."""
        there = first_file(self.output).exists()
        if there and not self.options.restart:
            self._check_ours()
        else:
            replaced = first_file(self.output) if there else None
            self.folder.begin(self.settings, self.options.restart, replaced)
        return self.folder.complete if there else None

    def _check_ours(self) -> None:
        """Raise UsageError unless the output that exists is what this very run has written.

        A run may be stopped when its output is in place and its folder not yet gone, or when it was
        begun to overwrite the one that is there and has not come so far.
        """
        if self.folder.abandoned:
            self.folder.remove()
            raise already_there(self.output)
        if self.folder.complete is not None and not self.folder.is_of(self.settings):
            raise already_there(self.output)
        self.folder.begin(self.settings, restart=False)
        if self.folder.complete is not None or self.folder.may_replace(first_file(self.output)):
            return
        if maker(first_file(self.output)).startswith(mark_of(self.settings)):
            return
        if self.folder.empty:
            self.folder.remove()
        raise already_there(self.output)

    def check_means(self) -> None:
        """Raise if those who are to paint cannot; warn if there may be too little memory."""
        if self.executor is not None:
            self.executor.check(self._description(self.options))
            return
        self.painter.prepare()
        if self.painter.on_cpu:
            warn_of_shortage(self.painter.pixels(self.size), self.options)

    def scan(self) -> Scan:
        """What is known of the source's frames, from an earlier start if there was one."""
        scan = self.folder.load_scan()
        if scan is None:
            cuts, end = self.options.cuts, self.options.end
            bars = self.options.bars(self.source.info)
            scan = scan_source(self.source, cuts, self.progress, self.check_stop, end, bars)
            self.folder.save_scan(scan)
        self.source.problem = scan.problem
        return scan

    def settle(self, scan: Scan) -> Fates | None:
        """Try what the output takes over from the source, before any work is spent on it."""
        if self.folder.painted:
            return None
        return settle_early(self.source, self.options, scan, self.output, self.check_stop)

    def warn_of_unreached(self, scan: Scan, plan: Sequence[Segment]) -> None:
        """Tell of keyframes that no frame comes to, before any work is spent on the others."""
        self.unreached = unreached(self.options, scan, self.source.info, plan[-1].last)
        for sentence in self.unreached:
            logger.warning(sentence)

    def join(self, scan: Scan, plan: Sequence[Segment], fates: Fates | None) -> dict[str, Any]:
        """Put the output together; the summary of the run."""
        self.progress("assemble", self.total, self.total)
        if self.source.identity() != self.settings["source"]:
            raise BrushflowError(
                f"{self.source.info.path} has changed since the run began.", about="changed"
            )
        filled = scan.about_filled(plan[0].first, plan[-1].last, self.source.info.time_base)
        # What is made of a damaged source may be made again one day.
        mark = mark_of(self.settings) + "-part" * (scan.problem is not None)
        shown = first_file(self.output)
        ours = shown.exists() and (self.folder.may_replace(shown) or maker(shown).startswith(mark))
        said = join_segments(
            self.source, self.options, self.folder, scan, plan, self.output, fates, ours, mark
        )
        read = self.source.notes
        if self.options.encoding(self.output).alpha:
            read = [note for note in read if note != ON_BLACK]
        notes = [*read, *filled, *self.unreached, *self.shortages, *said]
        summary = {"frames": self.total, "notes": notes, "problem": scan.problem}
        self.folder.mark_complete(summary)
        return summary

    def paint_missing(self, scan: Scan, plan: Sequence[Segment]) -> int:
        """Paint what no earlier start has finished; returns the number of frames.

        Where memory does not suffice, fewer processes paint, and then motion is found on smaller
        frames from there on; once.
        """
        self.total = sum(map(len, plan))
        painted = self.total - self._count_finished(plan)
        if painted < self.total and painted:
            logger.info("Going on after %d of %s.", self.done, counted(self.total, "frame"))
        options, painter = self.options, self.painter
        while True:
            try:
                here = ShotPainter(self.source, scan, self.output, options, painter, self.folder)
                if self.executor is None:
                    here.make_segments(plan, self.count_frame, self.check_stop)
                else:
                    starts = here.starts if painter.recurrent else None
                    rows = plan_rows(here.groups(plan), starts, scan)
                    self._have_painted(self.executor, options, rows)
                return painted
            except ShortOfMemory:
                smaller = None
                if not self.shortages:
                    longest = painter.longest_for_motion(self.size)
                    smaller = with_smaller_flow(options, longest)
            if smaller is None:
                raise too_large(self.size, self.options)
            release()
            self.shortages.append(
                f"There was too little memory to find motion on full frames; after frame "
                f"{self._count_finished(plan)} it was found at {smaller.flow_size} pixels."
            )
            logger.warning(self.shortages[-1])
            options, painter = smaller, self._painter(smaller)

    def _painter(self, options: StylizeOptions) -> Painter | Layers:
        """What paints; where others do that, only what they must agree with."""
        if self.executor is not None:
            options = replace(options, device="cpu", precision="fp32")
        return painter_for(options)

    def _description(self, options: StylizeOptions) -> RunDescription:
        return describe_run(self.source, self.output, self.folder.path, options)

    def _count_finished(self, plan: Sequence[Segment]) -> int:
        self.done = sum(map(len, self.folder.finished(plan)))
        return self.done

    def _have_painted(
        self, executor: ShotExecutor, options: StylizeOptions, rows: Sequence[Row]
    ) -> None:
        """Have what is missing of the rows painted by an executor."""
        run = self._description(options)
        while True:
            plan = [part for row in rows for part in row]
            finished, coded = (set(f(plan)) for f in (self.folder.finished, self.folder.coded_of))
            missing = [row for row in rows if not coded.issuperset(row)]
            others = self.total - sum(len(part) for row in missing for part in row)

            def show(done: int, others: int = others) -> None:
                self._show_done(others + done)

            try:
                paint_rows(executor, run, missing, finished, show, self.check_stop)
            except ShortOfMemory:
                if executor.fewer():
                    continue
                raise
            return

    def count_frame(self, picture: np.ndarray) -> None:
        self.watch(picture)
        self._show_done(min(self.done + 1, self.total))

    def _show_done(self, done: int) -> None:
        self.done = done
        self.progress("stylize", done, self.total)

    def check_stop(self) -> None:
        if self.stop.is_set():
            raise Interrupted(
                f"Interrupted. What is finished is kept in {self.folder.path}.",
                about="restarted" if self.options.restart else "going_on",
            )
