"""The folder of a run: what survives an interruption, and whether a new run may go on from it."""

import hashlib
import json
import re
from collections.abc import Container, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from brushflow.common.atomic_files import (
    LOCK,
    MARK,
    alone_in,
    atomic_path,
    file_digest,
    is_link,
    mark_folder,
    remove_lock,
    remove_own,
)
from brushflow.common.errors import BrushflowError, UsageError
from brushflow.common.tensor_files import load_checked, save_checked
from brushflow.shots.bars import sides_of
from brushflow.shots.fades import Fade
from brushflow.shots.scan import Scan
from brushflow.video import verify_segment

# What runs write, by folder, as regular expressions; nothing else is ever removed.
_FOLDERS = {
    "segments": r"\d+-\d+\.(rgb|mkv)(\.sha256)?|painting\.mkv",
    "state": r"\d{8}\.safetensors",
    "rows": r"\d{8}(\.lock)?",
}
_NEEDED = r"scan\.json|turn"
_KNOWN = "|".join([*_FOLDERS, _NEEDED, r"run\.json"])
_NOTES = ("complete", "replaces")  # in run.json beside what decides the result


@dataclass(frozen=True)
class Segment:
    """Frames ``first`` to ``last``, both included."""

    first: int
    last: int

    def __len__(self) -> int:
        return self.last - self.first + 1

    @property
    def name(self) -> str:
        """The stem of the segment's file; names sort in the order of frames."""
        return f"{self.first:08d}-{self.last:08d}"

    def entry(self, step: int) -> int:
        """The frame that is painted first, going forward (step 1) or backward (−1)."""
        return self.first if step > 0 else self.last

    def exit(self, step: int) -> int:
        """The frame that is painted last."""
        return self.last if step > 0 else self.first


class RunFolder:
    """``run.json``, ``scan.json``, ``segments/`` and ``state/`` of one run.

    Every file carries a checksum, or has one beside it: what was damaged between two starts counts
    as not there. What is large is read for that once in each start.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known_whole: dict[Path, tuple[int, int]] = {}  # size and time by then
        self.segments = path / "segments"
        self.states = path / "state"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Make the folder and keep other runs out of it; UsageError if one is at work."""
        with ExitStack() as stack:
            try:
                try:
                    stack.enter_context(alone_in(self.path, _KNOWN))
                except FileNotFoundError:
                    # A run that ended this very moment took the folder with it.
                    stack.enter_context(alone_in(self.path, _KNOWN))
            except OSError as error:
                raise BrushflowError(
                    f"Could not write in {self.path}: {error.strerror}.", about="work_dir"
                ) from error
            yield

    def begin(self, settings: dict[str, Any], restart: bool, replaces: Path | None = None) -> None:
        """Start a run, or go on with the one that lies here if it is the same.

        ``settings`` may be nested once. ``replaces``: an output that a run which starts now may
        overwrite. UsageError names the first difference, if anything of the run that lies here is
        painted.
        """
        known = self.settings
        if known is not None and not restart:
            difference = _difference(known, settings)
            if difference and self.painted:
                name, old, new = difference
                raise UsageError(
                    f"{self.path} holds an unfinished run with {name} {old}, and now it is {new}.",
                    about="other_run",
                )
            if difference:
                known = None
        if restart or known is None:
            earlier = (self._read_json("run.json") or {}).get("replaces")
            self.clear()
            replaced = _identity(replaces) if replaces else earlier
            self._write_json("run.json", settings | ({"replaces": replaced} if replaced else {}))
        self.segments.mkdir(exist_ok=True)
        self.states.mkdir(exist_ok=True)

    def clear(self) -> None:
        """Remove all that runs have left here, but not the lock and the mark."""
        self.tidy()
        (self.path / "run.json").unlink(missing_ok=True)

    def mark_complete(self, summary: dict[str, Any]) -> None:
        """Note that the output is in place, so that only tidying up is left; JSON values."""
        known = self._read_json("run.json") or {}
        self._write_json("run.json", {**known, "complete": summary})

    @property
    def settings(self) -> dict[str, Any] | None:
        """What decides the result of the run that lies here, None if there is none."""
        known = self._read_json("run.json")
        if known is not None:
            for note in _NOTES:
                known.pop(note, None)
        return known

    def is_of(self, settings: dict[str, Any]) -> bool:
        """Whether the run that lies here is one with these settings."""
        known = self.settings
        return known is not None and _difference(known, settings) is None

    def announce(self, output: Path) -> None:
        """Note that a run that has yet to begin here is to overwrite this file."""
        self.path.mkdir(parents=True, exist_ok=True)
        mark_folder(self.path)
        self._write_json("run.json", {"replaces": _identity(output)})

    def may_replace(self, output: Path) -> bool:
        """Whether the run that lies here was begun to overwrite this very file."""
        return (self._read_json("run.json") or {}).get("replaces") == _identity(output)

    @property
    def complete(self) -> dict[str, Any] | None:
        """What was noted when the output was in place, None if it is not."""
        summary = (self._read_json("run.json") or {}).get("complete")
        return summary if isinstance(summary, dict) else None

    @property
    def abandoned(self) -> bool:
        """Whether nothing of a run is left here but, at most, its lock and its mark."""
        return {entry.name for entry in self.path.iterdir()} <= {LOCK, MARK}

    @property
    def painted(self) -> bool:
        """Whether anything of a run is painted here."""
        return any(self.segments.glob("[0-9]*-[0-9]*"))

    @property
    def empty(self) -> bool:
        """Whether a run has begun here and nothing has come of it."""
        return not (self.path / "scan.json").exists() and not self.painted

    def tidy(self) -> None:
        """Remove what was needed to make the output, but not the note that it is complete."""
        for name, files in _FOLDERS.items():
            remove_own(self.path / name, files)
        remove_own(self.path, _NEEDED)

    def remove(self) -> None:
        """Remove the folder when the output is complete, unless others have put files there.

        ``run.json`` goes last, because it is what an interrupted removal is recognised by, and
        then the lock. A run that comes in after that keeps the folder, which is its own then.
        """
        if is_link(self.path) or not (self.path / MARK).is_file():
            return
        self.tidy()
        for name in ("run.json", MARK):
            (self.path / name).unlink(missing_ok=True)
        remove_lock(self.path)
        with suppress(OSError):
            self.path.rmdir()

    def load_scan(self) -> Scan | None:
        """The scan of an earlier start of this run, None if there is none or it is damaged."""
        known = self._read_json("scan.json") or {}
        pts, cuts, filled = (_numbers(known.get(name)) for name in ("pts", "cuts", "filled"))
        problem = known.get("problem")
        if pts is None or cuts is None or filled is None or not isinstance(problem, str | None):
            return None
        with suppress(TypeError, ValueError, KeyError):
            bars = [(int(first), sides_of(sides)) for first, sides in known["bars"]]
            fades = [Fade.of(fade) for fade in known["fades"]]
            dissolves = [(int(first), int(last)) for first, last in known["dissolves"]]
            return Scan(pts, cuts, problem, filled, bars, fades, dissolves)
        return None

    def save_scan(self, scan: Scan) -> None:
        """Keep the scan for later starts."""
        self._write_json("scan.json", asdict(scan))

    def pixels_path(self, segment: Segment) -> Path:
        """Where a segment's pixels lie until its group is coded: frame after frame, row by row."""
        return self.segments / f"{segment.name}.rgb"

    def group_path(self, group: Sequence[Segment]) -> Path:
        """Where the video of segments that are coded together lies or will lie."""
        return self.segments / f"{Segment(group[0].first, group[-1].last).name}.mkv"

    def seal(self, path: Path) -> None:
        """Write the checksum of a file, without which it does not count as finished."""
        with atomic_path(_checksum_path(path)) as partial:
            partial.write_text(file_digest(path), encoding="ascii")

    def drop_pixels(self, segment: Segment) -> None:
        """Remove a segment's pixels."""
        path = self.pixels_path(segment)
        for each in (_checksum_path(path), path):
            each.unlink(missing_ok=True)

    def coded(self, plan: Sequence[Segment]) -> list[Path]:
        """The videos of groups of ``plan`` that are finished, in order; damaged ones are removed.

        Others are left alone: somebody else may be writing them.
        """
        first, last = min(s.first for s in plan), max(s.last for s in plan)
        paths = sorted(self.segments.glob("[0-9]*.mkv"))
        ours = [p for p in paths if first <= _range(p).first and _range(p).last <= last]
        return [path for path in ours if self._whole(path)]

    def coded_of(self, plan: Sequence[Segment]) -> list[Segment]:
        """Those segments whose group is finished."""
        ranges = [_range(path) for path in self.coded(plan)]
        return [s for s in plan if any(r.first <= s.first and s.last <= r.last for r in ranges)]

    def finished(self, plan: Sequence[Segment]) -> list[Segment]:
        """Those segments that are there and whole, coded or not; damaged files are removed."""
        coded = set(self.coded_of(plan))
        return [s for s in plan if s in coded or self._whole(self.pixels_path(s))]

    def _whole(self, path: Path) -> bool:
        """Whether a file is there as it was sealed; else it is removed, if it ever was.

        One that was not may be at work: another process seals it as soon as it is written.
        """
        with suppress(OSError, BrushflowError):
            now = path.stat().st_size, path.stat().st_mtime_ns
            if self._known_whole.get(path) == now:
                return True
            sealed = _checksum_path(path).read_bytes() == file_digest(path).encode()
            if sealed and (path.suffix != ".mkv" or verify_segment(path) == len(_range(path))):
                self._known_whole[path] = now
                return True
        if _checksum_path(path).exists():
            path.unlink(missing_ok=True)
        return False

    def save_state(self, index: int, tensors: dict[str, Tensor]) -> None:
        """Keep the recurrent state after frame ``index``, tensors of the CPU by name."""
        save_checked(self._state_path(index), tensors)

    def drop_states(self, first: int, last: int, but: Container[int] = ()) -> None:
        """Remove the states after frames ``first`` to ``last``, except those after ``but``."""
        for path in self.states.glob("[0-9]*.safetensors"):
            index = int(path.stem)
            if first <= index <= last and index not in but:
                path.unlink(missing_ok=True)

    def load_state(self, index: int) -> dict[str, Tensor] | None:
        """The state after frame ``index``, None if it is not there or damaged."""
        return load_checked(self._state_path(index))

    def _state_path(self, index: int) -> Path:
        return self.states / f"{index:08d}.safetensors"

    def _read_json(self, name: str) -> dict[str, Any] | None:
        try:
            value = json.loads((self.path / name).read_text(encoding="utf-8"))
            if not isinstance(value, dict) or value.pop("sha256", None) != _json_digest(value):
                return None
        except (OSError, ValueError, RecursionError):
            return None
        return value

    def _write_json(self, name: str, value: dict[str, Any]) -> None:
        with atomic_path(self.path / name) as partial:
            content = {**value, "sha256": _json_digest(value)}
            partial.write_text(json.dumps(content, indent=1), encoding="utf-8")


def _identity(path: Path) -> list[int]:
    known = path.stat()
    return [known.st_size, known.st_mtime_ns]


def _range(path: Path) -> Segment:
    """The frames of a file of ``segments/``, which its name says."""
    first, last = path.stem.split("-")
    return Segment(int(first), int(last))


def _checksum_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _json_digest(value: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _numbers(value: object) -> list[int] | None:
    """A list of whole numbers; None for anything else."""
    if isinstance(value, list) and all(type(number) is int for number in value):
        return value
    return None


def _told(value: Any) -> str:
    """A setting for people: of a file's digest, as much as shows that it is another one."""
    if isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value):
        return f"{value[:8]}…"
    return json.dumps(value)


def _difference(
    old: dict[str, Any], new: dict[str, Any], prefix: str = ""
) -> tuple[str, Any, Any] | None:
    for name in [*old, *(name for name in new if name not in old)]:
        before, now = old.get(name), new.get(name)
        if isinstance(before, dict) and isinstance(now, dict):
            inner = _difference(before, now, f"{name} ")
            if inner:
                return inner
        elif before != now:
            return f"{prefix}{name}", _told(before), _told(now)
    return None
