"""The folder of a run: what survives an interruption, and whether a new run may go on from it."""

import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from brushflow.errors import BrushflowError, UsageError
from brushflow.files import alone_in, atomic_path
from brushflow.pipeline.plan import Segment
from brushflow.video import verify_segment


@dataclass(frozen=True)
class Scan:
    """What one look at the source found.

    ``pts``: timestamps of all frames, in ticks of the source's time base; ``cuts``: indices at
    which a shot begins; ``problem``: what is wrong with the source, None if it is whole.
    """

    pts: list[int]
    cuts: list[int]
    problem: str | None


class RunFolder:
    """``run.json``, ``scan.json``, ``segments/`` and ``state/`` of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.segments = path / "segments"
        self.states = path / "state"
        self._last_state: Path | None = None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Make the folder and keep other runs out of it; UsageError if one is at work."""
        with ExitStack() as stack:
            try:
                stack.enter_context(alone_in(self.path))
            except OSError as error:
                raise BrushflowError(
                    f"Could not write in {self.path}: {error.strerror}; --work-dir names another "
                    f"place."
                ) from error
            yield

    def begin(self, settings: dict[str, Any], restart: bool) -> None:
        """Start a run, or go on with the one that lies here if it is the same.

        ``settings`` may be nested once. UsageError names the first difference.
        """
        known = self._read_json("run.json")
        if restart or known is None:
            self.clear()
            self.segments.mkdir()
            self.states.mkdir()
            self._write_json("run.json", settings)
            return
        difference = _difference(known, settings)
        if difference:
            name, old, new = difference
            raise UsageError(
                f"{self.path} holds an unfinished run with {name} {old}, and now it is {new}; "
                f"repeat the earlier command to go on with it, or add --restart to start over."
            )

    def clear(self) -> None:
        """Remove all that runs have left here, but not the lock."""
        for entry in self.path.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            elif entry.name != "lock":
                entry.unlink()

    def remove(self) -> None:
        """Remove the folder when the output is complete."""
        shutil.rmtree(self.path)

    def load_scan(self) -> Scan | None:
        """The scan of an earlier start of this run, None if there is none or it is damaged."""
        known = self._read_json("scan.json") or {}
        pts, cuts, problem = (known.get(name) for name in ("pts", "cuts", "problem"))
        whole = all(
            isinstance(numbers, list) and all(type(number) is int for number in numbers)
            for numbers in (pts, cuts)
        )
        if not whole or not isinstance(problem, str | None):
            return None
        return Scan(pts, cuts, problem)

    def save_scan(self, scan: Scan) -> None:
        """Keep the scan for later starts."""
        self._write_json("scan.json", vars(scan))

    def segment_path(self, segment: Segment) -> Path:
        """Where a segment's file lies or will lie."""
        return self.segments / f"{segment.name}.mkv"

    def finished(self, plan: Iterable[Segment]) -> list[Segment]:
        """Those segments whose file is there and whole; damaged ones are removed."""
        whole = []
        for segment in plan:
            path = self.segment_path(segment)
            if not path.exists():
                continue
            try:
                if verify_segment(path) == len(segment):
                    whole.append(segment)
                    continue
            except BrushflowError:
                pass
            path.unlink()
        return whole

    def save_state(self, index: int, output: Tensor) -> None:
        """Keep the recurrent state after frame ``index``, and the one before it only."""
        path = self._state_path(index)
        with atomic_path(path) as partial:
            partial.write_bytes(save({"output": output.cpu().contiguous()}))
        for other in self.states.glob("*.safetensors"):
            if other not in (path, self._last_state):
                other.unlink()
        self._last_state = path

    def load_state(self, index: int) -> Tensor | None:
        """The state after frame ``index``, None if it is not there or damaged."""
        try:
            return load_file(self._state_path(index))["output"].to(torch.float32)
        except (OSError, SafetensorError, KeyError):
            return None

    def _state_path(self, index: int) -> Path:
        return self.states / f"{index:08d}.safetensors"

    def _read_json(self, name: str) -> dict[str, Any] | None:
        try:
            value = json.loads((self.path / name).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return None
        return value if isinstance(value, dict) else None

    def _write_json(self, name: str, value: dict[str, Any]) -> None:
        with atomic_path(self.path / name) as partial:
            partial.write_text(json.dumps(value, indent=1), encoding="utf-8")


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
            return f"{prefix}{name}", json.dumps(before), json.dumps(now)
    return None
