"""Rows of shots handed to an executor: the longest first, those whose process died once more."""

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from dataclasses import replace
from typing import Any, Protocol

from brushflow.common.errors import BrushflowError
from brushflow.pipeline.folder import Segment
from brushflow.pipeline.parallel.lease import Turn
from brushflow.pipeline.parallel.worker import RunDescription, paint_shots
from brushflow.pipeline.segments import Row

POLL = 0.2  # seconds between two looks at how far the others are
_ATTEMPTS = 3


class ShotExecutor(Protocol):
    """What paints rows of shots side by side: processes of this machine, or a cluster."""

    count: int  # of the rows that it paints at once

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        """See ``concurrent.futures.Executor``; function, arguments and result can be pickled."""
        ...

    def check(self, run: RunDescription) -> None:
        """Raise BrushflowError unless this run can be painted there, as it would be here."""
        ...

    def fewer(self) -> bool:
        """Paint fewer rows at once from now on, for lack of memory; False if that cannot be."""
        ...


def paint_rows(
    executor: ShotExecutor,
    run: RunDescription,
    rows: Sequence[Row],
    finished: Collection[Segment],
    show: Callable[[int], None],
    check_stop: Callable[[], None],
) -> None:
    """Paint what is missing of all rows; the caller holds the lock of the run's folder.

    ``run`` gets the mark of this turn. ``show`` gets the number of frames that are done of these
    rows. When this ends, for whatever reason, the executor's processes stop painting for it.

    Raises:
        BrushflowError: a row that failed, or whose process died again and again.
        ShortOfMemory: memory ran out.
    """
    known = {row[0].first: sum(len(part) for part in row if part in finished) for row in rows}
    frames = {row[0].first: sum(map(len, row)) for row in rows}
    order = sorted(rows, key=lambda row: known[row[0].first] - frames[row[0].first])
    attempts: dict[int, int] = {}
    pending: dict[Future, Row] = {}

    def progress() -> None:
        known.update(turn.count(row[0].first for row in pending.values()))
        show(sum(min(done, frames[row]) for row, done in known.items()))

    def begin(row: Row) -> None:
        attempts[row[0].first] = attempts.get(row[0].first, 0) + 1
        pending[executor.submit(paint_shots, run, list(row))] = row

    try:
        with Turn(run.folder) as turn:
            run = replace(run, turn=turn.mark)
            for row in order:
                begin(row)
            while pending:
                done, _ = wait(pending, POLL, FIRST_COMPLETED)
                check_stop()
                for future in done:
                    row = pending.pop(future)
                    try:
                        future.result()
                    except BrokenExecutor as error:
                        if attempts[row[0].first] == _ATTEMPTS:
                            raise _given_up(row, error) from error
                        begin(row)
                    else:
                        known[row[0].first] = frames[row[0].first]
                progress()
    finally:
        for future in pending:
            future.cancel()


def _given_up(row: Row, error: BaseException) -> BrushflowError:
    return BrushflowError(
        f"The process that painted frames {row[0].first} to {row[-1].last} ended {_ATTEMPTS} "
        f"times, perhaps for lack of memory ({error}).",
        about="fewer_jobs",
    )
