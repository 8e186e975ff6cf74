"""The videos that were handed in: one folder each, and a file that says how far it is."""

import json
import logging
import re
import secrets
import shutil
import threading
import time
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from brushflow.files import atomic_path
from brushflow.pipeline.destination import run_folder

logger = logging.getLogger(__name__)

_ID = re.compile(r"[0-9a-f]{32}")
LONGEST_NAME = 120  # characters that are kept of a file's name

# A job is new (handed in, nothing chosen), waiting, painting, done, failed or cancelled.
BUSY = ("waiting", "painting")


@dataclass(frozen=True)
class Choice:
    """What the visitor chose; as in StylizeOptions. ``style`` is a name the server knows."""

    style: str
    max_size: int | None = None
    strength: float = 1.0
    keep_colors: bool = False


@dataclass
class Job:
    """One video. ``name`` is what its owner calls it and serves for showing only.

    ``width``, ``height``: pixels; ``queued``: seconds since 1970; ``problem``: a sentence, for
    failed ones; ``notes``: sentences about what was changed on the way.
    """

    id: str
    name: str
    width: int
    height: int
    state: str = "new"
    choice: Choice | None = None
    queued: float = 0.0
    problem: str = ""
    notes: list[str] = field(default_factory=list)


class JobStore:
    """All jobs, in memory and under ``folder``, where a restart finds them again.

    A job's id is chosen by chance and is all that is needed to see it; nobody gets a list of them.
    Paths are made of ids that the store knows, never of what a client says.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        for path in folder.iterdir():
            if _ID.fullmatch(path.name):
                self._load(path)

    def new_place(self) -> tuple[str, Path]:
        """An id that nobody has, and its folder, for a video on its way in."""
        name = secrets.token_hex(16)
        place = self.folder / name
        place.mkdir()
        return name, place

    def add(self, job: Job) -> None:
        """Keep a job whose source is in place."""
        with self._lock:
            self._jobs[job.id] = job
            self._save(job)

    def get(self, name: str) -> Job | None:
        """The job of this id, if there is one."""
        with self._lock:
            return self._jobs.get(name)

    def change(self, job: Job, **values: Any) -> None:
        """Set fields of a job, and write them down."""
        with self._lock:
            for key, value in values.items():
                setattr(job, key, value)
            if job.id in self._jobs:
                self._save(job)

    def remove(self, job: Job) -> None:
        """Forget a job and delete all its files."""
        with self._lock:
            self._jobs.pop(job.id, None)
            shutil.rmtree(self.folder / job.id, ignore_errors=True)

    def waiting(self) -> list[Job]:
        """Those in the queue, the one that is being painted first."""
        with self._lock:
            busy = [job for job in self._jobs.values() if job.state in BUSY]
        return sorted(busy, key=lambda job: (job.state != "painting", job.queued))

    def source(self, job: Job) -> Path:
        """The video that was handed in."""
        return self.folder / job.id / "source"

    def painted(self, job: Job) -> Path:
        """The result."""
        return self.folder / job.id / "painted.mp4"

    def original(self, job: Job) -> Path:
        """The source with the result's size and codec, for comparison."""
        return self.folder / job.id / "original.mp4"

    def thumbnail(self, job: Job, digest: str) -> Path:
        """The first frame as painted by the model with this SHA-256."""
        return self.folder / job.id / f"style-{digest[:16]}.jpg"

    def discard_results(self, job: Job) -> None:
        """Delete what was painted so far."""
        for path in (self.painted(job), self.original(job)):
            path.unlink(missing_ok=True)
            shutil.rmtree(run_folder(path, None), ignore_errors=True)

    def _save(self, job: Job) -> None:
        with atomic_path(self.folder / job.id / "job.json") as partial:
            partial.write_text(json.dumps(asdict(job)), encoding="utf-8")

    def _load(self, place: Path) -> None:
        path = place / "job.json"
        if not path.exists():
            # An upload that was cut off; nobody has its id.
            shutil.rmtree(place, ignore_errors=True)
            return
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            choice = values.pop("choice")
            job = Job(**_known(Job, values))
            job.choice = Choice(**_known(Choice, choice)) if choice else None
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            logger.warning("%s cannot be read (%s); this video is left out.", path, error)
            return
        self._jobs[job.id] = job


def _known(kind: type, values: dict[str, Any]) -> dict[str, Any]:
    """Without what another version of the program has added."""
    return {each.name: values[each.name] for each in fields(kind) if each.name in values}


def shown_name(name: str) -> str:
    """The last part of a file's name as its owner gave it, without what cannot be shown."""
    last = re.split(r"[/\\]", name)[-1]
    printable = "".join(character for character in last if character.isprintable()).strip()
    return printable[:LONGEST_NAME] or f"video of {time.strftime('%d %B, %H:%M')}"
