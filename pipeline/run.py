"""A run from start to end, as the library's users call it."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from brushflow.pipeline.destination import check_destination, run_folder
from brushflow.pipeline.folder import RunFolder
from brushflow.pipeline.job import ProgressCallback, RunReport, VideoJob
from brushflow.pipeline.options import StylizeOptions
from brushflow.video import Source, open_source


def stylize_video(
    source: str | Path,
    output: Path,
    options: StylizeOptions | None = None,
    progress: ProgressCallback = lambda stage, done, total: None,
    stop: threading.Event | None = None,
    executor: Executor | None = None,
    watch: Callable[[np.ndarray], None] = lambda picture: None,
    keep_note: bool = False,
) -> RunReport:
    """Paint a video (or a folder or pattern of images) into the file ``output``.

    The same call after an interruption goes on where the last one ended. ``progress`` is called
    with a stage (scan, stylize, assemble), frames done and frames in all. Setting ``stop`` ends
    the run at the next frame with KeyboardInterrupt; finished segments are kept. An ``executor``
    (see ``processes`` and ``cluster``) paints several shots at a time; the file is the same, byte
    for byte. ``watch`` is called, in another thread, with every picture that is written, RGB
    (H, W, 3), unless an executor paints. ``keep_note`` leaves a note beside the output, by which
    the same call without ``restart`` knows that nothing is left to paint, until ``forget_run``.

    Raises:
        UsageError: options that do not fit, an output that exists, an unfinished other run.
        BrushflowError: a source that cannot be read or an output that cannot be written.
    """
    options = options or StylizeOptions()
    with one_opencv_thread():
        opened = open_source(source, options.fps)
        stop = stop or threading.Event()
        return run_job(opened, output, options, progress, stop, executor, watch, keep_note)


def run_job(
    source: Source,
    output: Path,
    options: StylizeOptions,
    progress: ProgressCallback,
    stop: threading.Event,
    executor: Executor | None,
    watch: Callable[[np.ndarray], None] = lambda picture: None,
    keep_note: bool = False,
) -> RunReport:
    """The same for an opened source; the caller sees to OpenCV's threads."""
    # An output with a run beside it may be that run's, which was stopped before it had tidied up.
    unfinished = run_folder(output, options.work_dir).is_dir()
    check_destination(source.info.path, output, options.restart or unfinished)
    job = VideoJob(source, output, options, progress, stop, executor)
    job.watch = watch
    job.keep_note = keep_note
    return job.run()


def forget_run(output: Path, options: StylizeOptions) -> None:
    """Remove the note that ``keep_note`` has left."""
    folder = RunFolder(run_folder(output, options.work_dir))
    with folder.locked():
        folder.remove()


@contextmanager
def one_opencv_thread() -> Iterator[None]:
    """Give OpenCV one thread while the block runs.

    Motion of several frames is found at once, each in one thread: OpenCV's own threads would
    fight them, and would make the result of DIS depend on the number of cores.
    """
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)
