"""Doing two things at once with a bounded number of items in between."""

import queue
import threading
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, wait
from contextlib import suppress
from typing import Any, Generic, TypeVar

T = TypeVar("T")
_END = object()
# Seconds that the main thread waits at a time: on Windows, Ctrl-C is heard only in between.
PATIENCE = 0.2


def result_of(future: "Future[T]") -> T:
    """``future.result()``, waited for so that Ctrl-C is heard."""
    while not future.done():
        wait([future], PATIENCE)
    return future.result()


def prefetch(items: Iterable[T], size: int) -> Generator[T, None, None]:
    """Iterate in another thread, at most ``size`` items ahead.

    An exception of the producer is raised here, after the items before it. Closing the generator
    ends the thread and closes ``items``.
    """
    buffer: queue.Queue = queue.Queue(size)
    stop = threading.Event()
    failure: list[BaseException] = []

    def put(item: object) -> bool:
        while not stop.is_set():
            try:
                buffer.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def produce() -> None:
        try:
            for item in items:
                if not put(item):
                    break
        except BaseException as error:
            failure.append(error)
        finally:
            if hasattr(items, "close"):
                items.close()
            put(_END)

    thread = threading.Thread(target=produce, name="prefetch", daemon=True)
    thread.start()
    try:
        while (item := _next_of(buffer)) is not _END:
            yield item
        if failure:
            raise failure[0]
    finally:
        stop.set()
        thread.join()


def _next_of(buffer: queue.Queue) -> Any:
    while True:
        with suppress(queue.Empty):
            return buffer.get(timeout=PATIENCE)


def _put(buffer: queue.Queue, item: object) -> None:
    while True:
        try:
            return buffer.put(item, timeout=PATIENCE)
        except queue.Full:
            continue


class Sink(Generic[T]):
    """Calls ``consume`` for items in another thread, in order, at most ``size`` behind.

    A failure is raised by the next ``put`` or at the end of the ``with`` block; if the block
    itself fails, items not begun are dropped.
    """

    def __init__(self, consume: Callable[[T], None], size: int) -> None:
        self._consume = consume
        self._buffer: queue.Queue = queue.Queue(size)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="sink", daemon=True)

    def put(self, item: T) -> None:
        """Hand over an item; waits while the buffer is full."""
        if self._failure:
            raise self._failure
        _put(self._buffer, item)

    def __enter__(self) -> "Sink[T]":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._failure = self._failure or RuntimeError("cancelled")
        _put(self._buffer, _END)
        self._thread.join()
        if kind is None and self._failure:
            raise self._failure

    def _run(self) -> None:
        # After a failure the buffer is still emptied, so that nobody waits in put for ever.
        while (item := self._buffer.get()) is not _END:
            if self._failure is None:
                try:
                    self._consume(item)
                except BaseException as error:
                    self._failure = error
