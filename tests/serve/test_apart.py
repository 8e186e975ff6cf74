"""Work in a process of its own: what it says, and that its end, however it comes, is survived."""

import multiprocessing
import threading
import time

import pytest

from brushflow.common.errors import UsageError
from brushflow.serve import apart
from brushflow.serve.apart import Apart, Died, TooMuchMemory

pytestmark = pytest.mark.apart

TASKS = """
import os, time
from brushflow.common.errors import UsageError

def count(to, *, tell):
    for number in range(to):
        if tell("number", number):
            return "stopped", number
    return "all", to

def refuse(*, tell):
    raise UsageError("not this")

def unspeakable(*, tell):
    return lambda: None

def die(*, tell):
    os._exit(9)

def sleep(*, tell):
    time.sleep(600)

def take(megabytes, hold, *, tell):
    taken = b"x" * (megabytes << 20)
    while hold:
        time.sleep(0.02)
    return len(taken) >> 20
"""


@pytest.fixture
def tasks(tmp_path, monkeypatch):
    """A module that the other process can import."""
    (tmp_path / "tasks_for_apart.py").write_text(TASKS)
    monkeypatch.syspath_prepend(tmp_path)
    import tasks_for_apart

    return tasks_for_apart


@pytest.fixture
def worker():
    others = set(multiprocessing.active_children())  # of other tests
    worker = Apart()
    yield worker
    worker.close()
    assert set(multiprocessing.active_children()) <= others


def test_what_happens_there_is_told_here(tasks, worker):
    heard = []
    result = worker.call(tasks.count, 3, told=lambda *what: heard.append(what))
    assert result == ("all", 3) and heard == [("number", n) for n in range(3)]
    with pytest.raises(UsageError, match="not this"):
        worker.call(tasks.refuse)
    with pytest.raises(RuntimeError, match="unspeakable"):
        worker.call(tasks.unspeakable)
    stop = threading.Event()
    stop.set()
    assert worker.call(tasks.count, 3, stop=stop) == ("stopped", 0)


def test_its_end_is_an_error_and_it_begins_anew(tasks, worker, monkeypatch):
    with pytest.raises(Died):
        worker.call(tasks.die)
    assert worker.call(tasks.count, 1) == ("all", 1)
    with pytest.raises(Died):
        worker.call(tasks.sleep, limit=0.1)
    monkeypatch.setattr(apart, "_PATIENCE", 0.1)
    stop = threading.Event()
    stop.set()
    with pytest.raises(KeyboardInterrupt):
        worker.call(tasks.sleep, stop=stop)
    assert worker.call(tasks.count, 1) == ("all", 1)


def test_closing_ends_what_is_at_work(tasks):
    worker, ended = Apart(), []

    def work():
        with pytest.raises(Died):
            worker.call(tasks.sleep)
        ended.append(True)

    others = set(multiprocessing.active_children())
    thread = threading.Thread(target=work)
    thread.start()
    while set(multiprocessing.active_children()) <= others:
        time.sleep(0.01)
    worker.close()
    thread.join()
    assert ended and set(multiprocessing.active_children()) <= others


def test_closing_ends_what_is_just_being_started(tasks, monkeypatch):
    worker, started, closing = Apart(), Apart._started, threading.Event()

    def slowly(self):
        closing.wait()
        time.sleep(0.2)  # close() has found no process by then
        return started(self)

    monkeypatch.setattr(Apart, "_started", slowly)
    ended = []

    def work():
        with pytest.raises(Died):
            worker.call(tasks.sleep)
        ended.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    while not worker._lock.locked():
        time.sleep(0.01)
    closing.set()
    worker.close()
    thread.join()
    assert ended


def test_memory_is_bounded(tasks, worker, monkeypatch):
    monkeypatch.setattr(apart, "available_memory", lambda: 400 << 20)
    assert worker.call(tasks.take, 50, False) == 50
    with pytest.raises(TooMuchMemory):
        worker.call(tasks.take, 600, True)
    assert worker.call(tasks.take, 50, False) == 50
