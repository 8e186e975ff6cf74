"""Everything the next iteration of a training run depends on, in one file."""

import io
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch

from brushflow.common.atomic_files import atomic_path
from brushflow.common.errors import BrushflowError, UsageError, told
from brushflow.common.memory import out_of_memory
from brushflow.common.tensor_files import load_tensors

NAME = "checkpoint.pt"


def write_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Replace the folder's checkpoint; the one before stays whole until this one is."""
    try:
        with atomic_path(folder / NAME) as partial:
            torch.save(state, partial)
    except (OSError, RuntimeError) as error:
        if out_of_memory(error):
            raise
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise BrushflowError(
            f"Could not write the checkpoint in {folder}: {reason}. The one before is still there.",
            about="full_disk",
        ) from error


def has_checkpoint(folder: Path) -> bool:
    """Whether the folder is of a training that has got somewhere."""
    return (folder / NAME).exists()


def read_checkpoint(
    folder: Path, settings: dict[str, Any], any_of: Collection[str] = ()
) -> dict[str, Any] | None:
    """The folder's checkpoint, None if there is none.

    BrushflowError if it is damaged or cannot be read, UsageError if it belongs to a run with other
    settings; those in ``any_of`` may be others.
    """
    path = folder / NAME
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BrushflowError(f"The checkpoint cannot be read: {told(error)}") from error
    try:
        state = load_tensors(io.BytesIO(content))
        before = state["settings"]
        if not isinstance(before, dict):
            raise TypeError("settings are no table")
    except (ValueError, KeyError, TypeError) as error:
        raise BrushflowError(
            f"The checkpoint {path} is damaged: delete {folder} to start over."
        ) from error
    # Compared as JSON, which knows no tuples.
    now = json.loads(json.dumps(settings))
    for name in sorted((before.keys() | now.keys()) - set(any_of)):
        if before.get(name) != now.get(name):
            raise UsageError(
                f"{path} was made with {name} = {before.get(name)!r}, not {now.get(name)!r}.",
                about="other_training",
                value=folder,
            )
    return state


class Journal:
    """``log.jsonl``: one JSON object a line, each with its ``iteration``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def rewind(self, iteration: int) -> None:
        """Drop what was written after this iteration, which a resumed run does again."""
        if not self.path.exists():
            return
        kept = [row for row in self.rows() if row["iteration"] <= iteration]
        with atomic_path(self.path) as partial:
            partial.write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")

    def add(self, row: dict[str, Any]) -> None:
        """Append one row."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def rows(self) -> list[dict[str, Any]]:
        """All whole rows; a crash may have left half of the last one."""
        rows = []
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError:
                continue
        return rows
