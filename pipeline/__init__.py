"""The stages from a source to a painted video, and the recurrence at their heart."""

import threading
from concurrent.futures import Executor
from pathlib import Path

import cv2

from brushflow.pipeline.destination import check_destination, run_folder
from brushflow.pipeline.job import ProgressCallback, RunReport, VideoJob
from brushflow.pipeline.options import StylizeOptions
from brushflow.pipeline.stylizer import Stylized, Stylizer
from brushflow.video import open_source

__all__ = [
    "RunReport",
    "StylizeOptions",
    "Stylized",
    "Stylizer",
    "check_destination",
    "stylize_video",
]


def stylize_video(
    source: str | Path,
    output: Path,
    options: StylizeOptions | None = None,
    progress: ProgressCallback = lambda stage, done, total: None,
    stop: threading.Event | None = None,
    executor: Executor | None = None,
) -> RunReport:
    """Paint a video (or a folder or pattern of images) into the file ``output``.

    The same call after an interruption goes on where the last one ended. ``progress`` is called
    with a stage (scan, stylize, assemble), frames done and frames in all. Setting ``stop`` ends
    the run at the next frame with KeyboardInterrupt; finished segments are kept. An ``executor``
    (see ``pipeline.processes`` and ``pipeline.cluster``) paints several shots at a time; the file
    is the same, byte for byte.

    Raises:
        UsageError: options that do not fit, an output that exists, an unfinished other run.
        BrushflowError: a source that cannot be read or an output that cannot be written.
    """
    options = options or StylizeOptions()
    # An output with a run beside it may be that run's, which was stopped before it had tidied up.
    unfinished = run_folder(output, options.work_dir).is_dir()
    check_destination(source, output, options.restart or unfinished)
    # Motion of several frames is found at once, each in one thread: OpenCV's own threads would
    # fight them, and would make the result of DIS depend on the number of cores.
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        return VideoJob(
            open_source(source, options.fps),
            output,
            options,
            progress,
            stop or threading.Event(),
            executor,
        ).run()
    finally:
        cv2.setNumThreads(threads)
