"""One source in many styles at once: looked at once, read once, and its motion found once."""

import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from brushflow.common.errors import UsageError
from brushflow.flow.opencv import one_opencv_thread
from brushflow.pipeline.layers import Layers
from brushflow.pipeline.memory_limits import ShortOfMemory, too_large, warn_of_shortage
from brushflow.pipeline.options import StylizeOptions
from brushflow.pipeline.plan import plan_video
from brushflow.pipeline.run import ProgressCallback, Run, RunReport
from brushflow.pipeline.shot_painter import ShotPainter
from brushflow.video import Source


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
) -> list[RunReport]:
    """Paint a video into a file for each of ``outputs``, a style and its place.

    Every file is the one that ``stylize_video`` makes in this style alone, and every run has its
    own folder, with which either goes on. What is there and was made like this counts as done.
    Otherwise as ``stylize_video``.
    """
    started = time.monotonic()
    check_alone(options)
    stop = stop or threading.Event()
    with one_opencv_thread(), ExitStack() as stack:
        runs = [
            Run(source, output, replace(options, style=style), progress, stop)
            for style, output in outputs
        ]
        summaries = [stack.enter_context(run.begun(False)) for run in runs]
        left = [run for run, summary in zip(runs, summaries, strict=True) if summary is None]
        painted = 0
        if left:
            painted = _paint(left)
            scan = left[0].scan()
            plan = plan_video(scan, left[0].options, source.info)
            for run in left:
                summaries[runs.index(run)] = run.join(scan, plan, None)
    seconds = time.monotonic() - started
    return [
        RunReport(run.output, painted=painted, seconds=seconds, kept=run.kept, **summary)
        for run, summary in zip(runs, summaries, strict=True)
        if summary is not None
    ]


def _paint(runs: Sequence[Run]) -> int:
    """Paint what any of the runs lacks; the number of frames."""
    first = runs[0]
    painter = Layers(first.options, [run.options.style for run in runs])
    if painter.on_cpu:
        warn_of_shortage(painter.pixels(first.size), first.options)
    scan = first.scan()
    for run in runs[1:]:
        run.folder.save_scan(scan)
    plan = plan_video(scan, first.options, first.source.info)
    for run in runs:
        run.settle(scan)
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
