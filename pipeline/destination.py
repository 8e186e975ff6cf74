"""Where a run writes, and what it may not overwrite."""

import hashlib
import os
from pathlib import Path
from tempfile import TemporaryFile

from brushflow.common.errors import UsageError

_LONGEST_NAME = 255  # bytes, on the file systems in use
_FOLDER_SUFFIX = ".brushflow"


def check_destination(source: str | Path, output: Path, replace: bool) -> None:
    """Refuse an output that cannot be written or that would destroy something, before the work."""
    if not output.absolute().parent.is_dir():
        raise UsageError(
            f"There is no folder {output.absolute().parent} to write {output.name} in."
        )
    try:
        TemporaryFile(dir=output.absolute().parent).close()
    except OSError as error:
        raise UsageError(
            f"Nothing can be written in {output.absolute().parent} ({error.strerror}); choose "
            f"another --output."
        ) from error
    if len(os.fsencode(output.name)) > _LONGEST_NAME:
        raise UsageError(f"The name {output.name} is too long; choose another --output.")
    if output.is_dir():
        raise UsageError(f"{output} is a folder; --output names a file.")
    if not output.exists():
        return
    if Path(source).exists() and output.samefile(source):
        raise UsageError(f"{output} is the source itself; choose another --output.")
    if not replace:
        raise already_there(output)


def already_there(output: Path) -> UsageError:
    """The error about an output, or a folder of by-products, that exists."""
    return UsageError(
        f"{output} exists already; choose another --output, or add --restart to make it again."
    )


def run_folder(output: Path, work_dir: Path | None) -> Path:
    """The folder that an unfinished run for ``output`` is kept in: beside it or in ``work_dir``."""
    name, ending = output.name, _FOLDER_SUFFIX
    # Outputs of the same name in different places must not meet in one work folder, nor long names
    # that begin alike in one place.
    if work_dir is not None or len(os.fsencode(name + ending)) > _LONGEST_NAME:
        ending = f"-{_digest(output)}{ending}"
    return (work_dir or output.parent) / shortened(name, ending)


def shortened(name: str, ending: str) -> str:
    """``name + ending`` if a file system takes that, else as much of the name as goes with it."""
    if len(os.fsencode(name + ending)) <= _LONGEST_NAME:
        return name + ending
    kept = os.fsencode(name)[: _LONGEST_NAME - len(os.fsencode(ending))]
    return kept.decode("utf-8", "ignore") + ending


def _digest(output: Path) -> str:
    return hashlib.sha256(os.fsencode(output.absolute())).hexdigest()[:8]
