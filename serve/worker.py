"""The one thread that paints what is in the queue, one video after the other."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from brushflow.common.errors import BrushflowError
from brushflow.common.memory import available_memory
from brushflow.common.torch_devices import choose_device
from brushflow.pipeline import StylizeOptions
from brushflow.pipeline.options import ALPHA
from brushflow.pipeline.outputs import run_folder
from brushflow.pipeline.resources import memory_to_paint
from brushflow.pipeline.strokes import painted_size, stroke_for
from brushflow.serve import tasks
from brushflow.serve.apart import Apart, Died, TooMuchMemory
from brushflow.serve.jobs import BUSY, Choice, Job, JobStore, for_visitors

logger = logging.getLogger(__name__)

_MOST_DEATHS = 2  # of the process that paints a job; then it is not tried again
_LEAST_SIDE = 320  # pixels; nothing is made smaller than this for want of memory


@dataclass(frozen=True)
class Progress:
    """How far the video at hand is: the stage, frames done and in all, seconds left if known."""

    stage: str
    done: int
    total: int | None
    seconds_left: float | None


class Worker:
    """Paints waiting jobs in the order they came, as a context manager.

    Leaving it ends the run at the next frame; the job stays in the queue, and goes on where it
    was when a worker is started again on the same store.

    Args:
        store: the jobs.
        styles: model by style's name.
        options: what is common to all runs, e.g. the device.
    """

    def __init__(self, store: JobStore, styles: Mapping[str, str], options: StylizeOptions) -> None:
        self.store = store
        self.progress: Progress | None = None
        self.latest: np.ndarray | None = None
        self._styles = styles
        self._options = options
        self._changed = threading.Condition()
        self._ending = False
        self._stop = threading.Event()
        self._current: Job | None = None
        self._apart = Apart()
        self._thread = threading.Thread(target=self._run, name="painter", daemon=True)

    def __enter__(self) -> "Worker":
        for job in self.store.waiting():
            self.store.change(job, state="waiting")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._ending = True
            self._stop.set()
            self._changed.notify_all()
        self._thread.join()
        self._apart.close()

    def submit(self, job: Job, choice: Choice) -> bool:
        """Put a job in the queue; what was painted of it before is deleted. False if it is busy."""
        with self._changed:
            if self._is_busy(job):
                return False
            self.store.discard_results(job)
            fresh: dict[str, Any] = {"problem": "", "notes": [], "longest": None, "deaths": 0}
            self.store.change(job, state="waiting", choice=choice, queued=time.time(), **fresh)
            self._changed.notify_all()
            return True

    def take_mask(self, job: Job, mask: Path, name: str) -> bool:
        """Let a mask in the job's folder take the place of the one before; False if it is busy."""
        with self._changed:
            if self._is_busy(job):
                return False
            before = self.store.mask(job) if job.mask_file else None
            self.store.change(job, mask=name, mask_file=mask.name)
            if before is not None:
                before.unlink(missing_ok=True)
            return True

    def _is_busy(self, job: Job) -> bool:
        # A run that was cancelled takes a moment to end.
        return job.state in BUSY or self._current is job

    def cancel(self, job: Job) -> None:
        """Take a job out of the queue, or end the run that paints it."""
        with self._changed:
            if job.state in BUSY:
                self.store.change(job, state="cancelled")
            if self._current is job:
                self._stop.set()
                # So that its files can be deleted afterwards.
                self._changed.wait_for(lambda: self._current is not job, 60)

    def is_painting(self, job: Job) -> bool:
        """Whether ``progress`` and ``latest`` are about this job."""
        return self._current is job

    def _run(self) -> None:
        while (job := self._next()) is not None:
            try:
                state, values = self._paint(job)
            except Exception:
                logger.exception("painting %s failed", job.id)
                state, values = "failed", {"problem": "The program failed; its log tells where."}
            with self._changed:
                if job.state == "painting":
                    self.store.change(job, state=state, **values)
                self._current = None
                self._changed.notify_all()

    def _next(self) -> Job | None:
        with self._changed:
            while not self._ending:
                waiting = self.store.waiting()
                if waiting:
                    self._stop.clear()
                    self.progress = self.latest = None
                    self._current = waiting[0]
                    self.store.change(waiting[0], state="painting")
                    return waiting[0]
                self._changed.wait()
        return None

    def _paint(self, job: Job) -> tuple[str, dict[str, object]]:
        """The state that the job is in afterwards, and other fields."""
        if job.longest is None:
            self.store.change(job, longest=self._longest_that_fits(job))
        try:
            self._make_all(job)
        except KeyboardInterrupt:
            return "waiting", {}
        except Died:
            logger.exception("the process that painted %s has died", job.id)
            if job.deaths + 1 < _MOST_DEATHS:
                return "waiting", {"deaths": job.deaths + 1}
            problem = "Painting this has ended the program twice, so it is not tried again."
            return "failed", {"problem": problem, "deaths": job.deaths + 1}
        except TooMuchMemory:
            problem = (
                "There is not enough memory on the server for this; a smaller size needs less."
            )
            return "failed", {"problem": problem}
        except BrushflowError as error:
            return "failed", {"problem": for_visitors(error, self._names(job))}
        except OSError as error:
            return "failed", {"problem": f"{error.strerror or 'The file could not be written'}."}
        return "done", {}

    def _make_all(self, job: Job) -> None:
        """The painting, or one in every style, and what the page shows beside it."""
        assert job.choice is not None
        options, source = self._options_for(job), self.store.source(job)
        styles = [self._styles.get(style, style) for style in job.choice.styles]
        places = [self.store.painted(job, number) for number in range(len(styles) or 1)]
        if not styles:
            self._make(job, tasks.paint, source, _missing(places), options)
        in_all = [pair for pair in zip(styles, places, strict=False) if _missing([pair[1]])]
        self._make(job, tasks.paint_in_all, source, [in_all] if in_all else [], options)
        keeps = bool(job.suffix) and options.mask == ALPHA
        plain = replace(
            self._options,
            max_size=options.max_size,
            strength=0.0,
            preset="veryfast",
            crf=20,
            mask=ALPHA if keeps else None,
        )
        for number, place in enumerate(places):
            shown = self.store.shown(job, number)
            if shown != place:
                self._make(job, tasks.paint, place, _missing([shown]), plain, "compare")
        self._make(job, tasks.paint, source, _missing([self.store.original(job)]), plain, "compare")

    def _options_for(self, job: Job) -> StylizeOptions:
        assert job.choice is not None
        choice = job.choice
        options = replace(
            self._options,
            style=self._styles.get(choice.style, choice.style) or self._options.style,
            max_size=job.longest or playable_size(job, choice.max_size),
            strength=choice.strength,
            keep_colors=choice.keep_colors,
            style_at=tuple(
                f"{second:.3f}:{self._styles.get(style, style)}" for second, style in choice.turns
            ),
            mask=str(self.store.mask(job)) if choice.mask == "file" else choice.mask or None,
            mask_invert=choice.mask_invert,
            style_outside=self._styles.get(choice.outside, choice.outside) or None,
        )
        # What is common to all is said of the usual encoder, which no other file has.
        return options if choice.form == "mp4" else replace(options, preset=None)

    def _names(self, job: Job) -> dict[Path, str]:
        """What the job's owner calls its files."""
        masks = {self.store.mask(job): job.mask} if job.mask_file else {}
        return {self.store.source(job): job.name, **masks}

    def _make(
        self,
        job: Job,
        task: Callable[..., Any],
        source: Path,
        targets: Sequence[Any],
        options: StylizeOptions,
        stage: str = "",
    ) -> None:
        """Have a ``task`` done for each of the targets; what is said of paintings is noted."""
        follow = self._follow(stage)

        def told(what: str, *values: Any) -> None:
            if what == "progress":
                follow(*values)
            elif not stage:
                self._watch(*values)

        for target in targets:
            notes, problem = self._apart.call(
                task, source, target, options, told=told, stop=self._stop
            )
            if not stage:
                self._note(job, notes, problem, options)

    def _note(
        self, job: Job, notes: Sequence[str], problem: str | None, options: StylizeOptions
    ) -> None:
        notes = [for_visitors(note, self._names(job)) for note in notes]
        if problem:
            notes.append("The video is damaged; this is what could be read of it.")
        if job.longest:
            width, height = options.output_size(job.width, job.height)
            notes.append(
                f"It was painted at {width} × {height}, as the server has not enough memory for "
                f"more."
            )
        self.store.change(job, notes=notes)

    def _longest_that_fits(self, job: Job) -> int:
        """The longest side that there is memory for, 0 if the one that was chosen is not larger."""
        assert job.choice is not None
        if choose_device(self._options.device).type != "cpu":
            return 0
        longest = playable_size(job, job.choice.max_size) or max(job.width, job.height)
        chosen, free = longest, available_memory()
        while longest > _LEAST_SIDE and memory_to_paint(self._pixels(job, longest)) > free:
            longest = max(_LEAST_SIDE, longest * 15 // 16 // 2 * 2)
        return longest if longest < chosen else 0

    def _pixels(self, job: Job, longest: int) -> int:
        """How many are held at once: those of a frame, and of it as further styles paint it."""
        assert job.choice is not None
        size = replace(self._options, max_size=longest).output_size(job.width, job.height)
        width, height = painted_size(size, stroke_for(size, self._options.stroke))
        return size[0] * size[1] + (job.choice.painters - 1) * width * height

    def _follow(self, stage: str) -> Callable[[str, int, int | None], None]:
        """A callback for ``stylize_video``; ``stage`` takes the place of its own, if not empty."""
        began: dict[str, tuple[float, int]] = {}

        def progress(own: str, done: int, total: int | None) -> None:
            start, first = began.setdefault(own, (time.monotonic(), done))
            speed = (done - first) / max(time.monotonic() - start, 1e-6)
            left = (total - done) / speed if total and speed > 0 else None
            self.progress = Progress(stage or own, done, total, left)

        return progress

    def _watch(self, picture: np.ndarray) -> None:
        self.latest = picture


def _missing(outputs: Sequence[Path]) -> list[Path]:
    """Those that no earlier start has finished: what is, is there without its run beside it."""
    return [o for o in outputs if not o.exists() or run_folder(o, None).exists()]


def playable_size(job: Job, wanted: int | None) -> int | None:
    """The longest side to paint at; browsers play no H.264 with odd sides, but show pictures."""
    longest = max(job.width, job.height)
    if wanted is not None and wanted < longest:
        return wanted
    odd = job.width % 2 or job.height % 2
    return longest - 1 if odd and not job.suffix else None
