"""Painting in several processes of this machine, as many as it has use for."""

import contextlib
import logging
import multiprocessing
import os
import pickle
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any, cast

import torch

from brushflow.common.memory import CGROUP, available_memory, keep_freed_memory
from brushflow.common.torch_devices import choose_device, choose_precision
from brushflow.pipeline.parallel import worker

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
        threads: of PyTorch in all of them together, see ``worker.take_idle_threads``.
        gpus: values for CUDA_VISIBLE_DEVICES, given to the processes in turn.
    """

    def __init__(self, count: int, threads: int, gpus: Sequence[str] = ()) -> None:
        self.count = count
        self._threads = ThreadPoolExecutor(count, "process")
        self._unfinished = 0
        # Only written here: a lock could be held by a process that is killed.
        self._busy = _SPAWN.RawValue("i", 0)
        shared = worker.SharedThreads(threads, self._busy)
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

    def check(self, run: worker.RunDescription) -> None:
        """UsageError unless this machine has the device and the precision."""
        choose_precision(run.options.precision, choose_device(run.options.device))

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

    def __init__(self, threads: worker.SharedThreads, gpu: str | None) -> None:
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
    if sys.platform == "win32":  # where signals cannot be held back
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


def _serve(connection: Connection, threads: worker.SharedThreads, gpu: str | None) -> None:
    """The life of a painting process."""
    worker.shared_threads = threads
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
            worker.take_idle_threads()
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


@contextlib.contextmanager
def painting_processes(
    jobs: int | str, device: str, memory: int
) -> Iterator[PaintingProcesses | None]:
    """Processes that take so many bytes of ``memory`` each; None if this one will do.

    ``jobs`` is their number, or "auto": as many as there are processors or, on CUDA, GPUs, as far
    as memory goes. PyTorch's threads are divided among those at work.
    """
    chosen = choose_device(device)
    gpus: list[str] = _visible_gpus() if chosen.type == "cuda" and chosen.index is None else []
    if jobs == "auto":
        jobs = len(gpus) if chosen.type != "cpu" else usable_cores()
        jobs = max(1, min(jobs, available_memory() // max(memory, 1)))
    if jobs == 1:
        yield None
        return
    with PaintingProcesses(int(jobs), torch.get_num_threads(), gpus) as processes:
        yield processes


def usable_cores() -> int:
    """Processors that this process may use, all day long; a container may have a share of some."""
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    try:
        quota, period = (CGROUP / "cpu.max").read_text().split()
    except (OSError, ValueError):
        return cores
    return cores if quota == "max" else max(1, min(cores, int(quota) // int(period)))


def _visible_gpus() -> list[str]:
    """One value for CUDA_VISIBLE_DEVICES for each GPU that this process sees."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name.strip() for name in named.split(",")][: torch.cuda.device_count()]
    return [str(index) for index in range(torch.cuda.device_count())]
