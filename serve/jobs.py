"""The videos that were handed in: one folder each, and a file that says how far it is."""

import json
import logging
import re
import secrets
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from brushflow.common.atomic_files import atomic_path, remove_own
from brushflow.common.errors import BrushflowError
from brushflow.models import styles
from brushflow.pipeline.folder import RunFolder
from brushflow.pipeline.outputs import run_folder

logger = logging.getLogger(__name__)

_ID = re.compile(r"[0-9a-f]{32}")
LONGEST_NAME = 120  # characters that are kept of a file's name
# Kinds of files that a video can become, by their suffix; a picture becomes a png.
FORMS = {
    "mp4": "video/mp4",
    "webm": "video/webm",
    "mov": "video/quicktime",
    "gif": "image/gif",
    "apng": "image/apng",
    "webp": "image/webp",
    "png": "image/png",
}
_PLAYED = (".mp4", ".png")  # what the page shows as it is, beside the original
# All that the server writes into a job's folder; nothing else is ever removed.
_RESULT = rf"(painted|shown|original)(-\d+)?\.({'|'.join(FORMS)})"
_MASK = r"mask-[0-9a-f]{16}(\.\w+)?"
_OWN = rf"source(\.\w+)?|{_MASK}|job\.json|style-[0-9a-f]{{16}}\.jpg|{_RESULT}"

_WORD = r"[^\s/\\:;,()'\"]+"
# A part may be of several words if another part follows.
_PATH = re.compile(rf"(?<![\w.])(?:[A-Za-z]:)?(?:[/\\](?:{_WORD}(?: {_WORD})*(?=[/\\])|{_WORD}))+")
_VARIABLE = re.compile(r"\b[A-Z]+_[A-Z_]+\b")  # of the environment

# What there is to choose on the page, by ``BrushflowError.about``.
_ADVICE = {
    "changed": "Hand it in again.",
    "encoding": "Choose a smaller size.",
    "frame_size": "Choose a smaller size.",
    "full_disk": "Try again later.",
    "no_numbers": "Choose another style.",
    "smaller": "Choose a smaller size.",
    "smaller_anew": "Choose a smaller size.",
}

# A job is new (handed in, nothing chosen), waiting, painting, done, failed or cancelled.
BUSY = ("waiting", "painting")


@dataclass(frozen=True)
class Choice:
    """What the visitor chose; as in StylizeOptions. ``style`` is a name the server knows, or empty
    for all that there were, ``styles``, each by itself.

    ``turns``: seconds after the first frame from which it turns to another style, and that.
    ``mask``: ``"file"`` is the job's own, ``"alpha"`` the source's transparency, and empty none.
    ``outside``: a style for what the mask leaves out, or empty. ``form``: of ``FORMS``.
    """

    style: str
    max_size: int | None = None
    strength: float = 1.0
    keep_colors: bool = False
    turns: Sequence[tuple[float, str]] = ()
    mask: str = ""
    mask_invert: bool = False
    outside: str = ""
    form: str = "mp4"
    styles: Sequence[str] = ()

    @property
    def painters(self) -> int:
        """How many styles are painted at once."""
        return len({*self.styles, self.style, self.outside, *(s for _, s in self.turns)} - {""})


@dataclass
class Job:
    """One video. ``name`` is what its owner calls it and serves for showing only.

    ``width``, ``height``: pixels; ``suffix``: of the file if it is a picture, and no video;
    ``transparent``: whether parts of it may be; ``mask``: what its owner calls the mask that was
    handed in for it, empty if none was, and ``mask_file`` its name in the job's folder;
    ``queued``: seconds since 1970; ``problem``: a sentence, for failed ones; ``notes``: sentences
    about what was changed on the way. ``longest``: the longest side that memory has sufficed for
    when painting began, 0 if that is the one that was chosen; ``deaths``: how often painting it
    has ended the process that did it.
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
    suffix: str = ""
    transparent: bool = False
    mask: str = ""
    mask_file: str = ""
    longest: int | None = None
    deaths: int = 0


class JobStore:
    """All jobs, in memory and under ``folder``, where a restart finds them again.

    A job's id is chosen by chance and is all that is needed to see it; nobody gets a list of them.
    Paths are made of ids that the store knows, never of what a client says. What cannot be written
    down now, as the disk is full, is tried again with the next change of any job.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self._unsaved: dict[str, Job] = {}
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
        """Keep a job whose source is in place; OSError if it cannot be written down."""
        with self._lock:
            self._save(job)
            self._jobs[job.id] = job

    def get(self, name: str) -> Job | None:
        """The job of this id, if there is one."""
        with self._lock:
            return self._jobs.get(name)

    def change(self, job: Job, **values: Any) -> None:
        """Set fields of a job, and write them down as soon as that is possible."""
        with self._lock:
            for key, value in values.items():
                setattr(job, key, value)
            if job.id in self._jobs:
                self._unsaved[job.id] = job
            for each in list(self._unsaved.values()):
                try:
                    self._save(each)
                    del self._unsaved[each.id]
                except OSError as error:
                    logger.warning("the state of %s could not be written: %s", each.id, error)

    def remove(self, job: Job) -> None:
        """Forget a job and delete all its files."""
        with self._lock:
            self._jobs.pop(job.id, None)
            self._unsaved.pop(job.id, None)
            self.discard(self.folder / job.id)

    def discard(self, place: Path) -> None:
        """Delete what the server has written into a job's folder, and it if that was all."""
        _remove_runs(place)
        try:
            remove_own(place, _OWN)
        except OSError as error:
            logger.warning("%s could not be deleted: %s", place, error)

    def waiting(self) -> list[Job]:
        """Those in the queue, the one that is being painted first."""
        with self._lock:
            busy = [job for job in self._jobs.values() if job.state in BUSY]
        return sorted(busy, key=lambda job: (job.state != "painting", job.queued))

    def source(self, job: Job) -> Path:
        """The file that was handed in."""
        return self.folder / job.id / f"source{job.suffix}"

    def new_mask(self, job: Job) -> Path:
        """Where a mask for it can be put, before it is known what it is."""
        return self.folder / job.id / f"mask-{secrets.token_hex(8)}"

    def mask(self, job: Job) -> Path:
        """The mask that was handed in."""
        return self.folder / job.id / job.mask_file

    def painted(self, job: Job, number: int = 0) -> Path:
        """The result; in the style with this ``number`` where it is painted in all of them."""
        form = "png" if job.suffix else job.choice.form if job.choice else "mp4"
        return self.folder / job.id / f"painted{f'-{number}' if number else ''}.{form}"

    def shown(self, job: Job, number: int = 0) -> Path:
        """The result as browsers can play it beside the original; itself if they can."""
        painted = self.painted(job, number)
        if painted.suffix in _PLAYED:
            return painted
        return painted.with_name(f"{painted.stem.replace('painted', 'shown')}.mp4")

    def original(self, job: Job) -> Path:
        """The source with the result's size and codec, for comparison."""
        return self.folder / job.id / f"original{'.png' if job.suffix else '.mp4'}"

    def thumbnail(self, job: Job, digest: str) -> Path:
        """The first frame as painted by the model with this SHA-256."""
        return self.folder / job.id / f"style-{digest[:16]}.jpg"

    def discard_results(self, job: Job) -> None:
        """Delete what was painted so far."""
        _remove_runs(self.folder / job.id)
        for path in (self.folder / job.id).iterdir():
            if re.fullmatch(_RESULT, path.name):
                path.unlink(missing_ok=True)

    def _save(self, job: Job) -> None:
        with atomic_path(self.folder / job.id / "job.json") as partial:
            partial.write_text(json.dumps(asdict(job)), encoding="utf-8")

    def _load(self, place: Path) -> None:
        path = place / "job.json"
        if not path.exists():
            # An upload that was cut off; nobody has its id.
            self.discard(place)
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


def _remove_runs(place: Path) -> None:
    """Remove what unfinished runs have left in a job's folder."""
    for path in place.iterdir() if place.is_dir() else ():
        output = path.with_suffix("")
        if re.fullmatch(_RESULT, output.name) and path == run_folder(output, None):
            RunFolder(path).remove()


def _known(kind: type, values: dict[str, Any]) -> dict[str, Any]:
    """Without what another version of the program has added."""
    return {each.name: values[each.name] for each in fields(kind) if each.name in values}


def for_visitors(told: str | Exception, names: Mapping[Path, str] | None = None) -> str:
    """What the program says without what is the server's owner's: its paths, and its settings.

    With what a visitor may do about an error, in the page's words. ``names``: what their owner
    calls the files in a job's folder that it may be about.
    """
    said = str(told)
    for number, path in enumerate(names or ()):
        # It may have got its suffix after it was handed in.
        said = re.sub(re.escape(str(path.with_suffix(""))) + r"(\.\w+)?", f"\0{number}\0", said)
    for path in names or ():
        jobs = re.escape(str(path.parent.parent))
        said = re.sub(jobs + r"(?:[/\\][\w.-]+)*", _last_part, said)
    for root in _roots():
        said = re.sub(re.escape(str(root)) + r"(?=[/\\])", "", said)
    said = _PATH.sub(_last_part, said)
    clauses = re.split(r"(?<=;) |(?<=[.!?]) (?=[A-Z])", said)
    kept = [clause for clause in clauses if not _VARIABLE.search(clause)]
    said = " ".join(kept).rstrip("; .") or "The program could not do this"
    advice = _ADVICE.get(told.about, "") if isinstance(told, BrushflowError) else ""
    said = f"{said}. {advice}".rstrip()
    for number, name in enumerate((names or {}).values()):
        said = said.replace(f"\0{number}\0", name)
    return said


def _roots() -> Iterator[Path]:
    """Where the owner's own files are, whatever they are called, the innermost first."""
    yield styles.cache()
    with suppress(RuntimeError):  # nobody's home
        yield Path.home()


def _last_part(path: re.Match[str]) -> str:
    return re.split(r"[/\\]", path[0].rstrip("/\\"))[-1]


def shown_name(name: str, what: str = "video") -> str:
    """The last part of a file's name as its owner gave it, without what cannot be shown."""
    last = re.split(r"[/\\]", name)[-1]
    printable = "".join(character for character in last if character.isprintable()).strip()
    return printable[:LONGEST_NAME] or f"{what} of {time.strftime('%d %B, %H:%M')}"
