"""Painting in several processes of this machine."""

import contextlib
import logging
import multiprocessing
import os
import pickle
import queue
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, cast

import torch

from brushflow.common.memory import keep_freed_memory

# PyTorch's threads and CUDA do not survive a fork.
_SPAWN = multiprocessing.get_context("spawn")


class PaintingProcesses(Executor):
    """Processes that do one task at a time each, in the order tasks are submitted.

    In contrast to the standard library's pool, one that dies (BrokenExecutor, for its task alone)
    takes no other along and is replaced; leaving the ``with`` block ends those at work, which is
    safe at any moment, and none outlives this one, however it ends. They begin when they are
    needed first.

    Args:
        count: how many processes.
        threads: of PyTorch in all of them together, see ``take_idle_threads``.
        gpus: values for CUDA_VISIBLE_DEVICES, given to the processes in turn.
    """

    def __init__(self, count: int, threads: int, gpus: Sequence[str] = ()) -> None:
        self.count = count
        self.finds_motion = len(gpus) > 1
        self._threads = ThreadPoolExecutor(count, "process")
        self._unfinished = 0
        # Only written here: a lock could be held by a process that is killed.
        self._busy = _SPAWN.RawValue("i", 0)
        shared = _SharedThreads(threads, self._busy)
        self._all = [_Process(shared, gpus[i % len(gpus)] if gpus else None) for i in range(count)]
        self._idle: queue.SimpleQueue[_Process | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        for process in self._all:
            self._idle.put(process)

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        """See Executor; function, arguments and result are pickled."""
        self._count(1)
        future = self._threads.submit(self._run, function, args, kwargs)
        future.add_done_callback(lambda done: self._count(-1))
        return future

    @property
    def idle(self) -> int:
        """How many tasks would be begun at once."""
        return self.count - self._unfinished

    def fewer(self) -> bool:
        """Go on with half of the processes; False where there is only one left."""
        with self._lock:
            if self.count == 1:
                return False
            self.count = -(-self.count // 2)
        return True

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = True) -> None:
        """End all processes at once."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for process in self._all:
            process.end()
        for _ in self._all:
            self._idle.put(None)
        self._threads.shutdown(wait=wait)

    def _run(self, function: Callable[..., Any], args: tuple, kwargs: dict[str, Any]) -> Any:
        process = self._take()
        try:
            return process.call(function, args, kwargs)
        finally:
            self._idle.put(process)

    def _count(self, change: int) -> None:
        with self._lock:
            self._unfinished += change
            self._busy.value = min(self._unfinished, self.count)

    def _take(self) -> "_Process":
        while process := self._idle.get():
            with self._lock:
                if sum(not other.ended for other in self._all) <= self.count:
                    return process
                process.end()
        raise BrokenExecutor("the processes have been ended")


class _Process:
    """One process, started when it is called first, and again when it has died."""

    def __init__(self, threads: "_SharedThreads", gpu: str | None) -> None:
        self.ended = False
        self._arguments = (threads, gpu)
        self._process: Any = None
        self._connection: Connection | None = None
        self._lock = threading.Lock()

    def call(self, function: Callable[..., Any], args: tuple, kwargs: dict[str, Any]) -> Any:
        connection = self._started()
        try:
            connection.send((function, args, kwargs))
            done, result, told = connection.recv()
        except (EOFError, OSError) as error:
            self._bury()
            raise BrokenExecutor("a painting process has died") from error
        if done:
            return result
        raise result from _ThereTold(told)

    def end(self) -> None:
        """Kill it, for good."""
        with self._lock:
            self.ended = True
            if self._process is not None:
                self._process.kill()
                self._process.join()

    def _started(self) -> Connection:
        with self._lock:
            if self.ended:
                raise BrokenExecutor("the processes have been ended")
            if self._process is None:
                here, theirs = _SPAWN.Pipe()
                self._connection = cast(Connection, here)  # Windows has its own class, alike
                self._process = _SPAWN.Process(
                    target=_serve, args=(theirs, *self._arguments), daemon=True
                )
                with _deaf():
                    self._process.start()
                theirs.close()
            assert self._connection is not None
            return self._connection

    def _bury(self) -> None:
        with self._lock:
            self._process.kill()
            self._process.join()
            assert self._connection is not None
            self._connection.close()
            self._process = None


@contextlib.contextmanager
def _deaf() -> Iterator[None]:
    """Have processes that are started here not hear Ctrl-C, even while they import modules."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _ThereTold(Exception):  # noqa: N818
    """The traceback of the process in which an error arose."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


@dataclass(frozen=True)
class _SharedThreads:
    """PyTorch's threads for all processes, and how many of these are at work now."""

    count: int
    busy: Any  # a whole number in shared memory


_shared_threads: _SharedThreads | None = None


def take_idle_threads() -> None:
    """In a painting process, give PyTorch this one's part of the threads in the calling thread.

    Those at work share them evenly, so that the last ones get what the others have left.
    Elsewhere nothing is changed.
    """
    if _shared_threads is None:
        return
    threads = max(1, _shared_threads.count // max(1, _shared_threads.busy.value))
    if threads != torch.get_num_threads():
        torch.set_num_threads(threads)


def _serve(connection: Connection, threads: _SharedThreads, gpu: str | None) -> None:
    """The life of a painting process."""
    global _shared_threads
    _shared_threads = threads
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; one decides
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    # What is to be said about the source was said when it was scanned.
    logging.getLogger("brushflow").setLevel(logging.ERROR)
    keep_freed_memory()
    with contextlib.suppress(EOFError, OSError):
        while True:
            function, args, kwargs = connection.recv()
            take_idle_threads()
            answer: tuple[bool, Any, str | None]
            try:
                answer = (True, function(*args, **kwargs), None)
            except BaseException as error:
                answer = (False, error, traceback.format_exc())
            try:
                connection.send(answer)
            except (pickle.PicklingError, TypeError, AttributeError) as error:
                connection.send((False, RuntimeError(str(error)), answer[2]))


def _end_with_parent() -> None:
    """A process that is killed cannot tell the ones it has started."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)
