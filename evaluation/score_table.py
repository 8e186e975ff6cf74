"""A table of scores in a file that every new row completes."""

import csv
from pathlib import Path
from typing import IO

from brushflow.common.atomic_files import atomic_path
from brushflow.common.errors import BrushflowError

_MEAN = "mean"

Key = tuple[int, ...]
Row = list[float | None]


class ScoreTable:
    """Rows of numbers, of which some may be missing, and a last row with their means.

    A mean is over the rows that have a value. Rows that lie in the file already are kept, so that
    a run that goes on completes it.

    Args:
        path: the file; BrushflowError if it is something else than such a table.
        keys: names of the whole numbers that tell rows apart.
        names: names of the scores.
    """

    def __init__(self, path: Path, keys: tuple[str, ...], names: tuple[str, ...]) -> None:
        self.path = path
        self.head = [*keys, *names]
        self.rows: dict[Key, Row] = _read(path, self.head, len(keys))

    def write(self) -> None:
        """Write all rows, in the order of their keys."""
        with atomic_path(self.path) as partial, _open(partial, "w") as file:
            writer = csv.writer(file, delimiter=";")
            writer.writerow(self.head)
            for key, values in sorted(self.rows.items()):
                writer.writerow([*key, *("" if v is None else repr(v) for v in values)])
            means = [_mean(column) for column in zip(*self.rows.values(), strict=True)]
            writer.writerow([_MEAN, *[""] * (len(self.head) - len(means) - 1), *means])


def _open(path: Path, mode: str) -> IO[str]:
    return path.open(mode, newline="", encoding="utf-8")  # newlines are the csv module's


def _mean(column: tuple[float | None, ...]) -> str:
    there = [value for value in column if value is not None]
    return repr(sum(there) / len(there)) if there else ""


def _read(path: Path, head: list[str], keys: int) -> dict[Key, Row]:
    if not path.exists():
        return {}
    try:
        with _open(path, "r") as file:
            first, *rows = csv.reader(file, delimiter=";")
        if first != head or any(len(row) != len(head) for row in rows):
            raise ValueError
        return {
            tuple(map(int, row[:keys])): [float(cell) if cell else None for cell in row[keys:]]
            for row in rows
            if row[0] != _MEAN
        }
    except (ValueError, UnicodeDecodeError) as error:
        raise BrushflowError(
            f"{path} is no table of this command's scores.", about="evaluation_file"
        ) from error
