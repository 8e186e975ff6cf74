"""Many runs for one command: of several sources, or of one in many styles.

Sources, among which pictures may be, make one queue: all their shots share the executor, and no
failure stops the rest. In many styles a source is looked at and read once, and its motion found
once.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from brushflow.common.errors import BrushflowError, UsageError, told
from brushflow.common.memory import NOT_ENOUGH, out_of_memory
from brushflow.common.queues import result_of
from brushflow.flow.opencv import one_opencv_thread
from brushflow.pipeline.folder import RunFolder, Segment
from brushflow.pipeline.layers import Layers
from brushflow.pipeline.options import StylizeOptions
from brushflow.pipeline.outputs import check_destination, is_done, run_folder
from brushflow.pipeline.painter import Painter
from brushflow.pipeline.parallel.rows import ShotExecutor
from brushflow.pipeline.preview import stylize_image
from brushflow.pipeline.resources import ShortOfMemory, too_large, warn_of_shortage
from brushflow.pipeline.run import ProgressCallback, Run, RunReport, stylize_video
from brushflow.pipeline.segments import plan_video
from brushflow.pipeline.shot_painter import ShotPainter
from brushflow.shots.scan import Scan
from brushflow.video import Source, open_source

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What became of a source: a ``report``, an ``error``, or neither: it was there already."""

    source: str
    output: Path
    report: RunReport | None = None
    error: BrushflowError | None = None

    @property
    def failed(self) -> bool:
        """Whether something is missing from the output."""
        return self.error is not None or (self.report is not None and bool(self.report.problem))


def stylize_videos(
    work: Sequence[tuple[str, Path]],
    options: StylizeOptions,
    progress: ProgressCallback,
    stop: threading.Event,
    executor: ShotExecutor | None = None,
    at_once: int = 1,
    opened: Mapping[str, Source] | None = None,
) -> list[Outcome]:
    """Paint each source into its output; outcomes in the same order.

    ``at_once`` videos are scanned and joined at a time, so that an ``executor`` never waits for
    the next one's shots; without one it is 1. An output that is there stays as it is, unless
    ``options.restart`` is set; it counts as done if it was made of the same with the same options.
    ``opened``: sources that are open already. What only videos have is not for pictures among them.
    KeyboardInterrupt when ``stop`` is set.
    """
    common = _CommonProgress(progress)
    one_picture = threading.Lock()  # whose network has all of PyTorch's threads
    announced = _announce(work, options) if options.restart else []

    def paint(source: str, output: Path) -> Outcome:
        if stop.is_set():
            raise KeyboardInterrupt
        try:
            place = (opened or {}).get(source) or open_source(source, options.fps)
            if is_done(place, output, options):
                return Outcome(source, output)
            if place.kind == "image":
                with one_picture:
                    return Outcome(source, output, _paint_picture(place, output, options))
            report = stylize_video(place, output, options, common.part(source), stop, executor)
        except BrushflowError as error:
            return Outcome(source, output, error=error)
        except OSError as error:
            return Outcome(source, output, error=BrushflowError(told(error)))
        except Exception as error:
            if out_of_memory(error):
                return Outcome(source, output, error=BrushflowError(NOT_ENOUGH))
            logger.exception("%s has met a defect of the program.", source)
            defect = BrushflowError(f"{type(error).__name__}: {error}")
            return Outcome(source, output, error=defect)
        return Outcome(source, output, report)

    with one_opencv_thread(), ThreadPoolExecutor(at_once, "video") as pool:
        begun = [pool.submit(paint, *pair) for pair in work]
        try:
            outcomes = [result_of(future) for future in begun]
            if stop.is_set() and any(outcome.failed for outcome in outcomes):
                raise KeyboardInterrupt  # which may have ended what they needed
            for folder in announced:
                if folder.settings == {}:  # of one that failed before it began
                    folder.remove()
            return outcomes
        except BaseException:
            stop.set()
            for future in begun:
                future.cancel()
            raise


def _announce(work: Sequence[tuple[str, Path]], options: StylizeOptions) -> list[RunFolder]:
    """Note which outputs are wanted anew, for the case that this is interrupted before."""
    folders = []
    for _, output in work:
        folder = RunFolder(run_folder(output, options.work_dir))
        if output.exists() and not os.path.lexists(folder.path):
            folder.announce(output)
            folders.append(folder)
    return folders


def _paint_picture(source: Source, output: Path, options: StylizeOptions) -> RunReport:
    folder = RunFolder(run_folder(output, options.work_dir))
    announced = folder.path.is_dir() and output.exists() and folder.may_replace(output)
    check_destination(source.info.path, output, options.restart or announced)
    started = time.monotonic()
    stylize_image(source, output, options)
    if folder.path.is_dir():
        folder.remove()
    return RunReport(output, frames=1, painted=1, seconds=time.monotonic() - started)


class _CommonProgress:
    """One bar for all videos: frames of those that have been scanned so far."""

    def __init__(self, progress: ProgressCallback) -> None:
        self._progress = progress
        self._lock = threading.Lock()
        self._parts: dict[str, tuple[int, int]] = {}

    def part(self, source: str) -> ProgressCallback:
        def show(stage: str, done: int, total: int | None) -> None:
            if stage != "stylize" or total is None:
                return
            with self._lock:
                self._parts[source] = (done, total)
                done, total = map(sum, zip(*self._parts.values(), strict=True))
                self._progress(stage, done, total)

        return show


def check_alone(options: StylizeOptions) -> None:
    """UsageError for options that choose among styles themselves."""
    for name in ("style_at", "style_outside", "image_model"):
        if getattr(options, name):
            raise UsageError("All styles are painted each by itself.", name)


def stylize_in_styles(
    source: Source,
    outputs: Sequence[tuple[str, Path]],
    options: StylizeOptions,
    progress: ProgressCallback = lambda stage, done, total: None,
    stop: threading.Event | None = None,
    watch: Callable[[np.ndarray], None] = lambda picture: None,
) -> list[RunReport]:
    """Paint a video into a file for each of ``outputs``, a style and its place.

    Every file is the one that ``stylize_video`` makes in this style alone, and every run has its
    own folder, with which either goes on. What is there and was made like this counts as done.
    ``watch`` is called with pictures in the first style that lacks some. Otherwise as
    ``stylize_video``.
    """
    started = time.monotonic()
    check_alone(options)
    stop = stop or threading.Event()
    with one_opencv_thread(), ExitStack() as stack:
        runs = [
            Run(source, output, replace(options, style=style), progress, stop, watch=watch)
            for style, output in outputs
        ]
        summaries = [stack.enter_context(run.begun(False)) for run in runs]
        left = [run for run, summary in zip(runs, summaries, strict=True) if summary is None]
        painted = 0
        if left:
            painter = _painter_of(left)
            scan = left[0].scan()
            for run in left[1:]:
                run.folder.save_scan(scan)
            plan = plan_video(scan, left[0].options, source.info)
            fates = [run.settle(scan) for run in left]
            painted = _paint_in_styles(left, painter, scan, plan)
            for run, its in zip(left, fates, strict=True):
                summaries[runs.index(run)] = run.join(scan, plan, its)
    seconds = time.monotonic() - started
    return [
        RunReport(run.output, painted=painted, seconds=seconds, kept=run.kept, **summary)
        for run, summary in zip(runs, summaries, strict=True)
        if summary is not None
    ]


def _painter_of(runs: Sequence[Run]) -> Painter | Layers:
    """What paints in the styles of all runs; one that is left goes on as it would alone."""
    first = runs[0]
    painter = first.painter
    if len(runs) > 1:
        painter = Layers(first.options, [run.options.style for run in runs])
    painter.prepare()
    if painter.on_cpu:
        warn_of_shortage(painter.pixels(first.size), first.options)
    return painter


def _paint_in_styles(
    runs: Sequence[Run], painter: Painter | Layers, scan: Scan, plan: Sequence[Segment]
) -> int:
    """Paint what any of the runs lacks; the number of frames."""
    first = runs[0]
    for run in runs:
        run.total = sum(map(len, plan))
    others = [(run.output, run.folder) for run in runs[1:]]
    at_once = ShotPainter(
        first.source, scan, first.output, first.options, painter, first.folder, others
    )
    first.done = sum(map(len, at_once.finished(plan)))
    try:
        return at_once.make_segments(plan, first.count_frame, first.check_stop)
    except ShortOfMemory:
        raise too_large(first.size, first.options) from None
