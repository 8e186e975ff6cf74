"""Paintings that were handed in to become styles, and the one thread that has them learned."""

import json
import logging
import re
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from brushflow.common.atomic_files import atomic_path, remove_own
from brushflow.common.errors import BrushflowError
from brushflow.serve import tasks
from brushflow.serve.apart import Apart, Died, TooMuchMemory
from brushflow.serve.jobs import for_visitors

logger = logging.getLogger(__name__)

FOLDER = "paintings"  # beside the videos
_ID = re.compile(r"[0-9a-f]{32}")
_OWN = r"painting|look\.jpg|lesson\.json"
_OPEN = ("waiting", "learning")
_MOST_DEATHS = 2  # of the process that learns a painting; then it is not tried again


@dataclass
class Lesson:
    """A painting on its way: waiting, learning, done (then ``style`` is its name) or failed.

    ``name``: what its owner calls it; ``video``: the job that it is learned from, "" for none;
    ``queued``: seconds since 1970; ``problem``: a sentence, for failed ones.
    """

    id: str
    name: str
    video: str = ""
    state: str = "waiting"
    queued: float = 0.0
    style: str = ""
    problem: str = ""
    deaths: int = 0


class Lessons:
    """All of them, under ``folder``, as a context manager.

    Leaving it ends the one at hand at the next step; started again on the same folder, it goes on.

    Args:
        folder: where paintings are kept until they are learned.
        video: the file of a job, None if there is no such job.
        loss_weights, device: as of ``learn_style``.
    """

    def __init__(
        self, folder: Path, video: Callable[[str], Path | None], loss_weights: str, device: str
    ) -> None:
        self.folder = folder
        self._video = video
        self._with = loss_weights, device
        self._changed = threading.Condition()
        self._ending = False
        self._stop = threading.Event()
        self._current: Lesson | None = None
        self._progress: dict[str, Any] | None = None
        self._latest: tuple[int, np.ndarray] | None = None
        self._apart = Apart()
        self._thread = threading.Thread(target=self._run, name="learner", daemon=True)
        self._lessons = {lesson.id: lesson for lesson in map(_loaded, self._places()) if lesson}
        for place in self._places():
            if not (place / "lesson.json").exists():  # one that was cut off on its way in
                remove_own(place, _OWN)

    def __enter__(self) -> "Lessons":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._ending = True
            self._stop.set()
            self._changed.notify_all()
        self._thread.join()
        self._apart.close()

    def get(self, name: str) -> Lesson | None:
        """The lesson of this id, if there is one."""
        return self._lessons.get(name)

    def place(self, lesson: Lesson, file: str) -> Path:
        """One of its files: ``painting``, or ``look.jpg``, which is small."""
        return self.folder / lesson.id / file

    def add(self, lesson: Lesson) -> None:
        """Put a painting that is in place into the queue; OSError if it cannot be written down."""
        with self._changed:
            lesson.queued = time.time()
            self._save(lesson)
            self._lessons[lesson.id] = lesson
            self._changed.notify_all()

    def remove(self, lesson: Lesson) -> None:
        """Forget a painting; what it has become stays among the styles."""
        with self._changed:
            self._lessons.pop(lesson.id, None)
            if self._current is lesson:
                self._stop.set()
                self._changed.wait_for(lambda: self._current is not lesson, 60)
        remove_own(self.folder / lesson.id, _OWN)

    def view(self, lesson: Lesson) -> dict[str, Any]:
        """What the page is told about a lesson."""
        view = asdict(lesson)
        del view["queued"], view["deaths"]
        queue = self._waiting()
        view["ahead"] = queue.index(lesson) if lesson in queue else 0
        mine = self._current is lesson
        view["progress"] = self._progress if mine else None
        view["look"] = self._latest[0] if mine and self._latest else 0
        return view

    def latest(self, lesson: Lesson) -> np.ndarray | None:
        """A frame as it is painted by what is learned so far; None if there is none yet."""
        latest = self._latest
        return latest[1] if latest and self._current is lesson else None

    def discard(self, place: Path) -> None:
        """Delete what was written for a painting that is not to be learned."""
        remove_own(place, _OWN)

    def _places(self) -> list[Path]:
        return [path for path in self.folder.glob("*") if _ID.fullmatch(path.name)]

    def _waiting(self) -> list[Lesson]:
        """The queue, the one that is being learned first."""
        open_ones = [each for each in self._lessons.values() if each.state in _OPEN]
        return sorted(open_ones, key=lambda each: (each is not self._current, each.queued))

    def _run(self) -> None:
        while (lesson := self._next()) is not None:
            try:
                values = self._learn(lesson)
            except Exception:
                logger.exception("learning %s failed", lesson.id)
                values = {"state": "failed", "problem": "The program failed; its log tells where."}
            with self._changed:
                self._current = None
                for name, value in values.items():
                    setattr(lesson, name, value)
                if lesson.id in self._lessons:
                    try:
                        self._save(lesson)
                    except OSError as error:
                        logger.warning("the state of %s could not be written: %s", lesson.id, error)
                self._changed.notify_all()

    def _next(self) -> Lesson | None:
        with self._changed:
            while not self._ending:
                if waiting := self._waiting():
                    self._stop.clear()
                    self._progress = self._latest = None
                    self._current = waiting[0]
                    waiting[0].state = "learning"
                    return waiting[0]
                self._changed.wait()
        return None

    def _learn(self, lesson: Lesson) -> dict[str, Any]:
        """The fields of the lesson that are others afterwards."""
        painting = self.place(lesson, "painting")
        try:
            style = self._apart.call(
                *(tasks.learn, painting, Path(lesson.name).stem, self._video(lesson.video)),
                *self._with,
                told=self._told,
                stop=self._stop,
            )
        except KeyboardInterrupt:
            return {"state": "waiting"}
        except Died:
            logger.exception("the process that learned %s has died", lesson.id)
            if lesson.deaths + 1 < _MOST_DEATHS:
                return {"state": "waiting", "deaths": lesson.deaths + 1}
            problem = "Learning this has ended the program twice, so it is not tried again."
            return {"state": "failed", "problem": problem}
        except TooMuchMemory:
            return {"state": "failed", "problem": "The server has not enough memory to learn this."}
        except (BrushflowError, OSError) as error:
            logger.warning("learning %s: %s", lesson.id, error)
            problem = for_visitors(error, {painting: lesson.name})
            if isinstance(error, BrushflowError) and error.about == "loss_weights":
                problem = (
                    "The network that judges paintings is not on the server and could not be "
                    "downloaded. Whoever runs the server finds in its log which file to get."
                )
            return {"state": "failed", "problem": problem}
        return {"state": "done", "style": style}

    def _told(self, what: str, *values: Any) -> None:
        if what == "watch":
            self._latest = (self._latest[0] if self._latest else 0) + 1, values[0]
        else:
            self._progress = dict(zip(("done", "total", "seconds_left"), values, strict=True))

    def _save(self, lesson: Lesson) -> None:
        with atomic_path(self.place(lesson, "lesson.json")) as partial:
            partial.write_text(json.dumps(asdict(lesson)), encoding="utf-8")


def _loaded(place: Path) -> Lesson | None:
    try:
        lesson = Lesson(**json.loads((place / "lesson.json").read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        logger.warning("%s cannot be read (%s); this painting is left out.", place, error)
        return None
    return lesson
