"""Work on other people's files, in a process of its own whose memory is bounded.

A picture can claim to be huge, and a damaged file can end the decoder that reads it. Neither may
end the server: what is told here happens elsewhere, and if that ends, it is one job that failed.
"""

import contextlib
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, cast

import psutil
from PIL import Image

from brushflow.common.errors import BrushflowError
from brushflow.common.memory import available_memory, keep_freed_memory
from brushflow.common.processes import kill_family

logger = logging.getLogger(__name__)

# PyTorch's threads and CUDA do not survive a fork.
_SPAWN = multiprocessing.get_context("spawn")
_LOOK = 0.1  # seconds between two looks at the memory, and at whether to stop
_FAMILY = 1.0  # seconds between two looks for programs that the process has started
_PATIENCE = 20.0  # seconds that the work may take to stop when it is told to
_SPARE_SHARE, _SPARE_LEAST = 0.1, 256 << 20  # of the memory that is free, and bytes: left alone


class Died(Exception):  # noqa: N818
    """The process ended in the middle of its work."""


class TooMuchMemory(BrushflowError):  # noqa: N818
    """The work needed more memory than there is."""

    def __init__(self) -> None:
        super().__init__("There is not enough memory on the server for this.")


class Apart:
    """One such process, for one task at a time; it begins with the first, and again after an end.

    A task is a function of some module, called with the given arguments (which are pickled) and
    ``tell``. ``tell(name, *values)`` calls back here, and returns whether to stop.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: Any = None
        self._connection: Connection | None = None

    def call(
        self,
        task: Callable[..., Any],
        *arguments: Any,
        told: Callable[..., None] = lambda *_: None,
        stop: threading.Event | None = None,
        limit: float | None = None,
    ) -> Any:
        """Return what ``task(*arguments, tell=tell)`` returns, or raise what it raises.

        ``told(name, *values)`` is called in this thread. ``limit``: seconds it may take.

        Raises:
            KeyboardInterrupt: ``stop`` was set and the task did not end by itself in good time.
            TooMuchMemory: it took more than there was to be had when it began.
            Died: it ended for another reason, or took too long.
        """
        with self._lock:
            try:
                return self._call(task, arguments, told, stop or threading.Event(), limit)
            except (EOFError, OSError, psutil.NoSuchProcess) as error:
                self._end()
                raise Died from error
            except BaseException as error:
                if not isinstance(error, _FromThere):
                    self._end()
                    raise
                raise error.error from _Told(error.told)

    def close(self) -> None:
        """End the process, whatever it does, also if it is just being started."""
        while not self._lock.acquire(timeout=_LOOK):
            process = self._process
            if process is not None and process.pid is not None:
                kill_family(process.pid)
        try:
            self._end()
        finally:
            self._lock.release()

    def _call(
        self,
        task: Callable[..., Any],
        arguments: tuple[Any, ...],
        told: Callable[..., None],
        stop: threading.Event,
        limit: float | None,
    ) -> Any:
        connection = self._started()
        bound = _Bound(self._process.pid)
        connection.send((task, arguments))
        began = time.monotonic()
        stopped: float | None = None
        while True:
            while not connection.poll(_LOOK):
                now = time.monotonic()
                bound.check()
                if stop.is_set():
                    stopped = stopped or now
                    if now > stopped + _PATIENCE:
                        raise KeyboardInterrupt
                if limit is not None and now > began + limit:
                    raise EOFError("it took too long")
            bound.check()
            kind, value, more = connection.recv()
            if kind == "told":
                told(value, *more)
                connection.send(stop.is_set())
            elif kind == "failed":
                raise _FromThere(value, more)
            else:
                return value

    def _started(self) -> Connection:
        if self._process is not None and not self._process.is_alive():
            self._end()
        if self._process is None:
            here, theirs = _SPAWN.Pipe()
            self._connection = cast(Connection, here)  # Windows has a class of its own, alike
            self._process = _SPAWN.Process(target=_serve, args=(theirs,), daemon=True)
            self._process.start()
            theirs.close()
        assert self._connection is not None
        return self._connection

    def _end(self) -> None:
        if self._process is None:
            return
        kill_family(self._process.pid)
        self._process.join()
        assert self._connection is not None
        self._connection.close()
        self._process = self._connection = None


class _FromThere(Exception):  # noqa: N818
    """An error that the task has raised, and its traceback as text."""

    def __init__(self, error: BaseException, told: str) -> None:
        super().__init__(error)
        self.error = error
        self.told = told


class _Told(Exception):  # noqa: N818
    """The traceback of the process in which an error arose."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


class _Bound:
    """How much a process and the programs that it has started may take, all together."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._family = [self._process]
        self._looked = self._asked = time.monotonic()
        free = available_memory()
        self._most = self._taken() + free - max(_SPARE_LEAST, int(_SPARE_SHARE * free))

    def check(self) -> None:
        """TooMuchMemory if it is more; seldom enough to cost nothing."""
        now = time.monotonic()
        if now < self._looked + _LOOK:
            return
        self._looked = now
        if now > self._asked + _FAMILY:
            self._asked = now
            with contextlib.suppress(psutil.Error):
                self._family = [self._process, *self._process.children(recursive=True)]
        if self._taken() > self._most:
            raise TooMuchMemory

    def _taken(self) -> int:
        taken = 0
        for process in self._family:
            with contextlib.suppress(psutil.Error):
                taken += process.memory_info().rss
        return taken


def _serve(connection: Connection) -> None:
    """The life of the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the server decides
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # Where the system itself looks for something to end, it is this and not the server.
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    keep_freed_memory()
    Image.MAX_IMAGE_PIXELS = None  # its size is looked at, and memory is bounded

    def tell(name: str, *values: Any) -> bool:
        connection.send(("told", name, values))
        return connection.recv()

    with contextlib.suppress(EOFError, OSError):
        while True:
            task, arguments = connection.recv()
            answer: tuple[str, Any, str | None]
            try:
                answer = ("done", task(*arguments, tell=tell), None)
            except BaseException as error:
                answer = ("failed", error, traceback.format_exc())
            try:
                connection.send(answer)
            except (TypeError, AttributeError, ValueError) as error:  # it cannot be pickled
                connection.send(("failed", RuntimeError(str(error)), answer[2]))


def _end_with_parent() -> None:
    """A server that is killed cannot tell the processes it has started."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)
