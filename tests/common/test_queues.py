"""Threads hand over everything, in order, and failures too."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from brushflow.common import queues
from brushflow.common.queues import Sink, prefetch, result_of

pytestmark = pytest.mark.usefixtures("heard")


def test_items_arrive_in_order_and_only_a_few_ahead():
    made = []

    def items():
        for i in range(50):
            made.append(i)
            yield i

    for i, item in enumerate(prefetch(items(), 3)):
        assert item == i
        assert len(made) <= i + 3 + 2
    assert len(made) == 50


def test_a_failure_arrives_after_the_items_before_it():
    def items():
        yield 1
        raise ValueError("broken")

    got = []
    with pytest.raises(ValueError, match="broken"):
        for item in prefetch(items(), 2):
            got.append(item)
    assert got == [1]


def test_closing_early_ends_the_thread_and_the_producer():
    closed, others = threading.Event(), set(threading.enumerate())  # of other tests

    def items():
        try:
            while True:
                yield 0
        finally:
            closed.set()

    ahead = prefetch(items(), 2)
    next(ahead)
    ahead.close()
    assert closed.is_set()
    begun = set(threading.enumerate()) - others
    assert not any(thread.name == "prefetch" for thread in begun)


def test_what_takes_long_is_waited_for(monkeypatch):
    monkeypatch.setattr(queues, "PATIENCE", 0.01)

    def slowly(item=1):
        time.sleep(0.05)
        return item

    with ThreadPoolExecutor(1) as pool:
        assert result_of(pool.submit(slowly)) == 1
        with pytest.raises(TypeError):
            result_of(pool.submit(slowly, 1, 2))
    assert list(prefetch((slowly(i) for i in range(3)), 1)) == [0, 1, 2]
    with Sink(slowly, 1) as sink:
        for i in range(4):
            sink.put(i)


def test_a_sink_consumes_everything_in_order():
    got = []
    with Sink(got.append, 2) as sink:
        for i in range(20):
            sink.put(i)
    assert got == list(range(20))


def test_a_sinks_failure_reaches_the_giver_and_never_blocks_it():
    def consume(item):
        if item == 3:
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"), Sink(consume, 2) as sink:
        for i in range(1000):
            sink.put(i)


def test_a_failing_block_drops_what_is_not_begun():
    got = []

    def until_it_fails(item):
        got.append(item)
        while not sink._failure:
            threading.Event().wait(0.001)

    with pytest.raises(KeyboardInterrupt), Sink(until_it_fails, 10) as sink:
        for i in range(10):
            sink.put(i)
        raise KeyboardInterrupt
    assert got in ([], [0])
