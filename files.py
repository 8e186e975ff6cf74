"""Writing files so that an interruption leaves the old one or the new one, never half of one."""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from brushflow.errors import UsageError

_HASHED_AT_ONCE = 1 << 20


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success flush it to disk and rename it.

    The temporary name keeps the suffix, which some writers choose the format by, and is the same
    every time, so that what a killed process left is overwritten by the next try. If the block
    raises, the temporary file is removed and ``path`` is left as it was. One writer at a time.
    """
    path = Path(path)
    digest = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]
    partial = path.with_name(f".partial-{digest}{path.suffix}")
    try:
        partial.touch()  # a place that cannot be written to is found out before the work
        yield partial
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Make the folder and keep other runs out of it while the block runs.

    UsageError if another one is at work there, OSError if it cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(
                f"Another run is writing the same output ({folder}); wait for it or choose "
                f"another --output."
            ) from error
        if not _is(lock, folder / "lock"):
            raise UsageError(f"Another run has just ended in {folder}; start again.")
        yield
    finally:
        os.close(lock)


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_HASHED_AT_ONCE):
            digest.update(block)
    return digest.hexdigest()


def _is(descriptor: int, path: Path) -> bool:
    """Whether this is still the file of that name, and not one that was removed meanwhile."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
