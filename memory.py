"""How much memory there is, and large pieces of it kept for the next frame."""

import ctypes
import platform
from pathlib import Path

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # names of settings in glibc's malloc.h
_LIMIT = 1 << 30
_MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")  # what a container may use, where there is a container


def keep_freed_memory() -> bool:
    """Make this process reuse freed memory at once; returns whether that could be done.

    glibc hands every piece above 32 MB back to the system when it is freed. The next frame then
    gets it page by page, each with an interruption and a wipe, which takes longer than the work
    on it: a third of the network's time at 854×480. The process keeps the most memory it ever
    needed. It is one setting for the whole process, so commands make it, not the library.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    return bool(libc.mallopt(_MMAP_THRESHOLD, _LIMIT) and libc.mallopt(_TRIM_THRESHOLD, _LIMIT))


def available_memory() -> int | None:
    """Bytes that new processes may take without others being swapped out; None if unknown.

    In a container that is what its limit leaves, where this is less.
    """
    known = [free for free in (_free_of_machine(), _free_of_container()) if free is not None]
    return min(known, default=None)


def _free_of_machine() -> int | None:
    entries = _entries(_MEMINFO, ":")
    return int(entries["MemAvailable"].split()[0]) << 10 if "MemAvailable" in entries else None


def _free_of_container() -> int | None:
    """By cgroup version 2; files it has read count as taken, but give way."""
    try:
        limit, taken = ((CGROUP / f"memory.{name}").read_text() for name in ("max", "current"))
    except OSError:
        return None
    if limit.strip() == "max":
        return None
    cached = int(_entries(CGROUP / "memory.stat", " ").get("inactive_file", 0))
    return max(0, int(limit) - int(taken) + cached)


def _entries(path: Path, separator: str) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except OSError:
        return {}
    return dict(line.split(separator, 1) for line in lines)
