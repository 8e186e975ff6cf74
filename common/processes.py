"""Ending what a process has started, on any system."""

import contextlib

import psutil


def kill_family(pid: int) -> None:
    """End a process at once, and all that it and those it has started have started."""
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        for member in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                member.kill()
