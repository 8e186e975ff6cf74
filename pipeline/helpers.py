"""Processes that have no shot to paint, put to work for those that have one."""

import logging
from collections.abc import Collection, Mapping
from concurrent.futures import Executor, Future, wait

from brushflow.pipeline.folder import RunFolder
from brushflow.pipeline.parallel.worker import RunDescription, find_motion
from brushflow.pipeline.plan import Segment
from brushflow.pipeline.shared_motion import MOST, Row, next_to_find

logger = logging.getLogger(__name__)

_LAST_WORDS = 60  # seconds


class Helpers:
    """Finds motion for the painters of one turn, in those of the executor's processes that idle.

    Args:
        executor: has ``idle``, the number of tasks that it would begin at once.
        run: with the mark of the turn.
        finished: segments that nobody need paint.
    """

    def __init__(
        self, executor: Executor, run: RunDescription, finished: Collection[Segment]
    ) -> None:
        self._executor = executor
        self._run = run
        self._step = -1 if run.options.backward else 1
        self._taken = set(finished)
        self._at_work: set[Future] = set()
        self._failed = False

    def employ(self, rows: Mapping[int, Row], painted: Mapping[int, int]) -> None:
        """Begin what is of use; ``painted`` counts the frames of all ``rows``, by first frames."""
        for future in [future for future in self._at_work if future.done()]:
            self._at_work.remove(future)
            if future.exception() is not None:  # the painters do without
                self._failed = True
                logger.info("Motion is not shared: %s", future.exception())
        if self._failed or self._executor.idle <= 0:
            return
        if RunFolder(self._run.folder).motion_bytes(self._run.turn) > MOST:
            return
        for first in sorted(rows, key=lambda first: painted[first] - sum(map(len, rows[first]))):
            segment = next_to_find(rows[first], self._step, painted[first], self._taken)
            if segment is not None and self._executor.idle > 0:
                self._taken.add(segment)
                task = self._executor.submit(find_motion, self._run, list(rows[first]), segment)
                self._at_work.add(task)

    def dismiss(self) -> None:
        """Wait for those at work, who write into the folder; they end when the turn is over."""
        wait(self._at_work, _LAST_WORDS)
