"""The unit of work of a run: a row of shots, painted by any process that sees the run's folder.

``paint_shots`` and its arguments can be pickled, so every ``concurrent.futures.Executor`` can run
it. What it needs to know beyond them it reads from the folder.
"""

import functools
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import torch

import brushflow
from brushflow.common.errors import BrushflowError
from brushflow.flow.estimators import is_network
from brushflow.models import available, learned_styles
from brushflow.pipeline.folder import RunFolder, Segment
from brushflow.pipeline.layers import Layers, painter_for
from brushflow.pipeline.options import ALPHA, StylizeOptions
from brushflow.pipeline.painter import Painter
from brushflow.pipeline.parallel.lease import RowAtWork
from brushflow.pipeline.shot_painter import ShotPainter
from brushflow.pipeline.timeline import absolute_keyframes
from brushflow.video import Source, open_source


@dataclass(frozen=True)
class RunDescription:
    """A run as other processes see it; all paths are absolute.

    ``turn``: the mark of the start that asks, see ``lease``. ``threads``: PyTorch's, where results
    depend on their number; None for as many as there are to be had.
    """

    source: str
    output: Path
    folder: Path
    options: StylizeOptions
    turn: str
    threads: int | None = None


@dataclass(frozen=True)
class SharedThreads:
    """PyTorch's threads for all processes, and how many of these are at work now."""

    count: int
    busy: Any  # a whole number in shared memory


shared_threads: SharedThreads | None = None


def take_idle_threads() -> None:
    """In a painting process, give PyTorch this one's part of the threads in the calling thread.

    Those at work share them evenly, so that the last ones get what the others have left.
    Elsewhere nothing is changed.
    """
    if shared_threads is None:
        return
    threads = max(1, shared_threads.count // max(1, shared_threads.busy.value))
    if threads != torch.get_num_threads():
        torch.set_num_threads(threads)


def paint_shots(run: RunDescription, segments: Sequence[Segment]) -> int:
    """Paint what is missing of a row of shots; returns the number of frames painted now.

    ``segments`` are all those of the row's shots. Called again, after a failure say, it goes on
    after the last finished one.

    Raises:
        BrushflowError: the source, the folder or a model are not what the run began with, or
            cannot be had here; TurnOver when the run was stopped.
        ShortOfMemory: memory ran out.
    """
    _divide_threads(run)
    with RowAtWork(run.folder, segments[0].first, run.turn) as row:
        painter = _shot_painter(run)
        row.begin(sum(map(len, painter.finished(segments))))

        def look() -> None:
            row.check()
            if run.threads is None:
                take_idle_threads()

        return painter.make_segments(segments, lambda picture: row.painted(), look)


def _divide_threads(run: RunDescription) -> None:
    if run.threads is not None and run.threads != torch.get_num_threads():
        torch.set_num_threads(run.threads)
    cv2.setNumThreads(1)


@functools.lru_cache(maxsize=4)
def _shot_painter(run: RunDescription) -> ShotPainter:
    """What is the same for all rows of a run."""
    here = socket.gethostname()
    folder = RunFolder(run.folder)
    settings, scan = folder.settings, folder.load_scan()
    if settings is None or scan is None:
        raise BrushflowError(
            f"The folder of the run, {run.folder}, cannot be read on {here}; all machines must "
            f"see it by this path."
        )
    if settings["brushflow"] != brushflow.__version__:
        raise BrushflowError(
            f"The run was begun by brushflow {settings['brushflow']}, and {here} has "
            f"{brushflow.__version__}; install the same everywhere."
        )
    source = open_source(run.source, run.options.fps)
    source.problem = scan.problem
    if source.identity() != settings["source"]:
        raise BrushflowError(
            f"{run.source} is another file on {here} than where the run began, or it has changed "
            f"since.",
            about="changed",
        )
    painter = _painters.get(run.options, settings["models"])
    return ShotPainter(source, scan, run.output, run.options, painter, folder)


class _Painters:
    """The latest painter of this process; several runs, one after another, share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._options: StylizeOptions | None = None
        self._painter: Painter | Layers | None = None

    def get(self, options: StylizeOptions, digests: dict[str, str]) -> Painter | Layers:
        with self._lock:
            known = self._painter
            if known is None or self._options != options or known.digests != digests:
                # Before the next one takes memory, let go of this one, and of all that holds it.
                self._painter = known = None
                _shot_painter.cache_clear()
                known = painter_for(options)
                for use in known.digests.keys() | digests.keys():
                    if known.digests.get(use) != digests.get(use):
                        raise BrushflowError(
                            f"{getattr(options, use, use)} is another file on "
                            f"{socket.gethostname()} than where the run began, or it has changed "
                            f"since; put the same one in its place."
                        )
                self._painter, self._options = known, options
            return known


_painters = _Painters()


def _absolute(path: Path | None) -> Path | None:
    """ptlflow also takes the name of a checkpoint, which is no file."""
    return path.absolute() if path is not None and path.exists() else path


def _style_anywhere(style: str) -> str:
    """A bundled one by its name, or a file by its whole path."""
    if style in available():
        return style
    return str(learned_styles().get(style, Path(style)).absolute())


def _mask_anywhere(mask: str | None) -> str | None:
    return mask if mask in (None, ALPHA) else str(Path(str(mask)).absolute())


def describe_run(
    source: Source, output: Path, folder: Path, options: StylizeOptions
) -> RunDescription:
    """The description of a run that other processes, wherever they were started, can follow."""
    options = replace(
        options,
        style=_style_anywhere(options.style),
        style_outside=options.style_outside and _style_anywhere(options.style_outside),
        style_at=absolute_keyframes(options.style_at, _style_anywhere),
        mask=_mask_anywhere(options.mask),
        image_model=_absolute(options.image_model),
        flow_weights=_absolute(options.flow_weights),
    )
    # The last bits of a flow network's result depend on the number of threads (oneDNN's 1×1
    # convolutions), those of the stylization networks and of OpenCV's estimators do not.
    threads = torch.get_num_threads() if is_network(options.flow) else None
    return RunDescription(
        str(source.info.path.absolute()), output.absolute(), folder.absolute(), options, "", threads
    )
