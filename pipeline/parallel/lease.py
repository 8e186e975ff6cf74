"""Whose turn it is to write in a run's folder, how far every row of shots is, and who is at it.

A run may be killed while processes elsewhere paint for it, and be started again before they have
noticed. So every start writes a mark of its own into the folder, and whoever paints looks at every
frame whether it is still there: without it he stops. Nor do two paint the same row at a time; the
second waits until the first has stopped, and then goes on after what that one finished. All this
goes through files, as the folder is what the processes share.
"""

import os
import secrets
import time
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from filelock import lock_descriptor

from brushflow.common.atomic_files import atomic_path
from brushflow.common.errors import BrushflowError

_TELL = 1.0  # seconds after which other machines see a count
_WAIT = 0.1  # seconds between two looks at a row that is still locked


class TurnOver(BrushflowError):  # noqa: N818
    """This work belongs to a start of the run that has ended."""


class Turn:
    """One start's right to have rows painted; a context manager that ends it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mark = secrets.token_hex(8)

    def __enter__(self) -> "Turn":
        rows = self.folder / "rows"
        rows.mkdir(exist_ok=True)
        for path in rows.iterdir():
            # Not removed: somebody who has not noticed yet may write there or hold the lock.
            if not path.suffix:
                os.truncate(path, 0)
        with atomic_path(self.folder / "turn") as partial:
            partial.write_text(self.mark, encoding="ascii")
        return self

    def __exit__(self, *_: object) -> None:
        turn = self.folder / "turn"
        try:
            turn.unlink(missing_ok=True)
        except PermissionError:  # on Windows, while a painter reads it
            os.truncate(turn, 0)

    def count(self, rows: Iterable[int]) -> dict[int, int]:
        """Frames that are done of each row that somebody has begun; rows go by first frames."""
        counts = {row: painted_of(self.folder, row) for row in rows}
        return {row: done for row, done in counts.items() if done is not None}


class RowAtWork:
    """A row of shots being painted, as a context manager: locked, and its frames counted.

    ``row`` is its first frame, ``mark`` that of the turn. TurnOver when that has ended.
    """

    def __init__(self, folder: Path, row: int, mark: str) -> None:
        self._folder = folder
        self._path = _row_path(folder, row)
        self._mark = mark
        self._done = 0
        self._told = time.monotonic()

    def __enter__(self) -> "RowAtWork":
        self.check()
        with ExitStack() as opened:
            # Of its own, as on Windows nobody else can read what is locked.
            lock = _opened(self._path.with_suffix(".lock"), opened)
            while not lock_descriptor(lock, blocking=False):
                time.sleep(_WAIT)
                self.check()
            self._file = _opened(self._path, opened)
            self._stack = opened.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def begin(self, done: int) -> None:
        """Say how many frames were there already."""
        self._done = done
        self._write()

    def painted(self) -> None:
        """Count a frame."""
        self._done += 1
        self._write()

    def check(self) -> None:
        """Raise TurnOver if the turn has ended."""
        check_turn(self._folder, self._mark)

    def _write(self) -> None:
        # Always as long, so that a reader sees the old number or the new one.
        os.lseek(self._file, 0, os.SEEK_SET)
        os.write(self._file, b"%8d" % self._done)
        if time.monotonic() > self._told + _TELL:
            os.fsync(self._file)
            self._told = time.monotonic()


def painted_of(folder: Path, row: int) -> int | None:
    """How many frames of a row are done, None if nobody has begun it in this turn."""
    try:
        text = _row_path(folder, row).read_text(encoding="ascii")
    except FileNotFoundError:
        return None
    return int(text) if text else None


def check_turn(folder: Path, mark: str) -> None:
    """Raise TurnOver if the turn with this mark has ended."""
    try:
        now = (folder / "turn").read_text(encoding="ascii")
    except FileNotFoundError:
        now = ""
    if now != mark:
        raise TurnOver(f"The run in {folder} was stopped or started anew.")


def _row_path(folder: Path, row: int) -> Path:
    return folder / "rows" / f"{row:08d}"


def _opened(path: Path, stack: ExitStack) -> int:
    """The descriptor of a file, made if need be, that ``stack`` closes."""
    file = os.open(path, os.O_RDWR | os.O_CREAT)
    stack.callback(os.close, file)
    return file
