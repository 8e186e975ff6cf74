"""Large pieces of memory, kept for the next frame."""

import ctypes
import platform

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # names of settings in glibc's malloc.h
_LIMIT = 1 << 30


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
