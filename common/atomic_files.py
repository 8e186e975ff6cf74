"""Writing files so that an interruption leaves the old one or the new one, never half of one.

And only where they belong: what others have put in a place is neither followed, changed nor
removed, whatever it is called.
"""

import functools
import hashlib
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import lock_descriptor

from brushflow.common.errors import BrushflowError, UsageError

MARK = "brushflow.txt"  # what tells a folder that the program has made from any other
LOCK = "lock"
_MARK_TEXT = (
    "The files in this folder are brushflow's, which removes them when it needs them no more.\n"
)
_PARTIAL = re.compile(r"\.partial-([0-9a-f]{16})(-[0-9a-f]{16})?(\.\w+)*")
_HASHED_AT_ONCE = 1 << 20
_SHARES_NO_DELETION = os.name == "nt"  # no file can be removed there while it is open
_PATIENCE = (0.01, 0.05, 0.2, 0.5)  # seconds between tries to replace one that is


class InUse(UsageError):  # noqa: N818
    """Somebody else is at work in a folder."""


def is_special(path: Path) -> bool:
    """Whether what is at a path, or where a link there leads, is neither a file nor a folder."""
    return path.exists() and not path.is_file() and not path.is_dir()


@contextmanager
def atomic_path(path: Path | str, replace: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success flush it to disk and rename it.

    The temporary name keeps the suffix, which some writers choose the format by, and nobody can
    guess it, so that no link lies in wait there. What a killed process has left of the same file
    is removed. If the block raises, the temporary file is removed and ``path`` is left as it was.
    So it is, with a BrushflowError, if there is something by then that is not to be replaced, and
    with a UsageError where devices and pipes are. One writer at a time.
    """
    path = Path(path)
    if is_special(path):
        raise UsageError(f"{path} is no file but a device or a pipe, and is left as it is.")
    digest = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]
    for name in left_over(path.parent).pop(digest, ()):
        with suppress(OSError):
            path.with_name(name).unlink()
    partial = path.with_name(f".partial-{digest}-{secrets.token_hex(8)}{path.suffix}")
    # A place that cannot be written to is found out before the work.
    os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    try:
        yield partial
        with partial.open("r+b") as written:  # Windows flushes only what may be written
            os.fsync(written.fileno())
        _rename(partial, path, replace)
    except BaseException as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename in (None, os.fspath(partial)):
            error.filename = os.fspath(path)  # what could not be written, as people know it
        raise


@functools.lru_cache(maxsize=256)
def left_over(folder: Path) -> dict[str, list[str]]:
    """Names of what killed processes have left in a folder, by the digest of the file's name.

    A folder is looked at once, as it may hold a file for every frame.
    """
    found: dict[str, list[str]] = {}
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            match = _PARTIAL.fullmatch(entry.name)
            if match and match[2] and entry.is_file(follow_symlinks=False):
                found.setdefault(match[1], []).append(entry.name)
    return found


def _rename(partial: Path, path: Path, replace: bool) -> None:
    if replace:
        _replace(partial, path)
        return
    try:
        os.link(partial, path)
    except FileExistsError as error:
        raise _came_meanwhile(path) from error
    except OSError:  # a file system without second names
        if os.path.lexists(path):
            raise _came_meanwhile(path) from None
        _replace(partial, path)
    else:
        partial.unlink()


def _replace(partial: Path, path: Path) -> None:
    """Rename; on Windows again after a while, if somebody is just reading what is replaced."""
    for pause in _PATIENCE if _SHARES_NO_DELETION else ():
        try:
            partial.replace(path)
        except PermissionError:
            time.sleep(pause)
        else:
            return
    partial.replace(path)


def _came_meanwhile(path: Path) -> BrushflowError:
    return BrushflowError(
        f"Something has come to lie at {path} meanwhile, and is left as it is.", about="in_the_way"
    )


@contextmanager
def alone_in(folder: Path, known: str = "") -> Iterator[None]:
    """Make the folder and keep other runs out of it while the block runs.

    UsageError if another one is at work there (InUse), or if it is not the program's own: a link,
    one with links in it, or one that something else has filled. OSError if it cannot be written to.
    ``known``: a regular expression for the names in folders that the program has made before it
    marked them.
    """
    if is_link(folder):
        raise _foreign_link(folder)
    folder.mkdir(parents=True, exist_ok=True)
    _refuse_foreign(folder, known)
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0))
    try:
        if not lock_descriptor(lock, blocking=False):
            raise InUse(f"Another run is writing the same output ({folder}).", about="in_use")
        if not _is(lock, folder / LOCK):
            raise InUse(f"Another run has just ended in {folder}; start again.")
        mark_folder(folder)
        yield
    finally:
        os.close(lock)
        if _SHARES_NO_DELETION:
            _remove_given_up(folder)


def remove_lock(folder: Path) -> None:
    """Remove the lock of a folder that is given up.

    Where it cannot be removed while it is held (Windows), ``alone_in`` does it at its end.
    """
    try:
        (folder / LOCK).unlink(missing_ok=True)
    except PermissionError:
        if not _SHARES_NO_DELETION:
            raise


def _remove_given_up(folder: Path) -> None:
    """Remove a folder with nothing but a lock, unless somebody holds it (which only Windows sees).

    Who comes in meanwhile has it open, so that it stays.
    """
    with suppress(OSError):
        if [entry.name for entry in folder.iterdir()] == [LOCK]:
            remove_lock(folder)
            folder.rmdir()


def mark_folder(folder: Path) -> None:
    """Write into a folder whose it is."""
    if not (folder / MARK).exists():
        with atomic_path(folder / MARK) as partial:
            partial.write_text(_MARK_TEXT, encoding="ascii")


def _refuse_foreign(folder: Path, known: str) -> None:
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            if is_link(Path(place, name)):
                raise _foreign_link(Path(place, name))
    names = {entry.name for entry in folder.iterdir()}
    own = re.compile(rf"{re.escape(LOCK)}|{_PARTIAL.pattern}|{known}")
    if MARK not in names and not all(own.fullmatch(name) for name in names):
        raise UsageError(
            f"{folder} holds files that are not brushflow's, and it would remove files there.",
            about="foreign",
        )


def is_link(path: Path) -> bool:
    """Whether this is a link, or what Windows calls a junction."""
    is_junction = getattr(os.path, "isjunction", lambda _: False)
    return path.is_symlink() or is_junction(path)


def _foreign_link(path: Path) -> UsageError:
    return UsageError(f"{path} is a link, and files there would be removed.", about="foreign")


def remove_own(folder: Path, names: str) -> None:
    """Remove the files in ``folder`` that match, and then the folder if nothing else is in it.

    ``names``: a regular expression for whole names; temporary files count as well. Links are left.
    """
    if is_link(folder) or not folder.is_dir():
        return
    own = re.compile(rf"{names}|{_PARTIAL.pattern}")
    for entry in list(os.scandir(folder)):
        if not own.fullmatch(entry.name) or not entry.is_file(follow_symlinks=False):
            continue
        if entry.name == LOCK:
            remove_lock(folder)
        else:
            Path(entry.path).unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()


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
