"""How much memory there is, how errors say that it is used up, and large pieces of it kept."""

import errno
import platform
import re
from pathlib import Path

from brushflow.common.errors import BrushflowError

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # names of settings in glibc's malloc.h
_LIMIT = 1 << 30
CGROUP = Path("/sys/fs/cgroup")  # what a container may use, where there is a container

NOT_ENOUGH = (
    "There is not enough memory for this; close other programs, or ask for less at once: smaller "
    "pictures, or fewer processes."
)
# Most libraries have no error class for it: PyTorch and its parts for CPUs and GPUs, OpenCV,
# safetensors, the C++ library, Python's threads, and Windows say it in these words.
_SHORTAGE = re.compile(
    r"(can't|cannot|could not|unable to|failed to) allocate|alloc(ation)?[_ ]failed"
    r"|memalign failed|(not enough|insufficient|out of) memory|bad[_ ]alloc"
    r"|could not create a memory|can't (start new thread|allocate lock)|paging file is too small",
    re.IGNORECASE,
)


def keep_freed_memory() -> bool:
    """Make this process reuse freed memory at once; returns whether that could be done.

    glibc hands every piece above 32 MB back to the system when it is freed. The next frame then
    gets it page by page, each with an interruption and a wipe, which takes longer than the work
    on it: a third of the network's time at 854×480. The process keeps the most memory it ever
    needed. It is one setting for the whole process, so commands make it, not the library.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    import ctypes  # late, as psutil below: help of all commands does without them

    libc = ctypes.CDLL(None)
    return bool(libc.mallopt(_MMAP_THRESHOLD, _LIMIT) and libc.mallopt(_TRIM_THRESHOLD, _LIMIT))


def out_of_memory(error: BaseException) -> bool:
    """Whether this error of a library says that memory, the computer's or a GPU's, is used up."""
    if isinstance(error, BrushflowError):  # which has said what there is to say
        return False
    if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
        return True
    if type(error).__name__ == "OutOfMemoryError":  # PyTorch's, which may say nothing more
        return True
    return isinstance(error, Exception) and bool(_SHORTAGE.search(str(error)))


def available_memory() -> int:
    """Bytes that new processes may take without others being swapped out.

    In a container that is what its limit leaves, where this is less.
    """
    import psutil

    free = psutil.virtual_memory().available
    of_container = _free_of_container()
    return free if of_container is None else min(free, of_container)


def _free_of_container() -> int | None:
    """By cgroup version 2; files it has read count as taken, but give way."""
    try:
        limit, taken = ((CGROUP / f"memory.{name}").read_text() for name in ("max", "current"))
    except OSError:
        return None
    if limit.strip() == "max":
        return None
    cached = int(_entries(CGROUP / "memory.stat").get("inactive_file", 0))
    return max(0, int(limit) - int(taken) + cached)


def _entries(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except OSError:
        return {}
    return dict(line.split(" ", 1) for line in lines)
