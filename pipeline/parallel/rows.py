"""Rows of shots handed to an executor: the longest first, those whose process died once more."""

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import replace
from itertools import pairwise

from brushflow.common.errors import BrushflowError
from brushflow.pipeline.helpers import Helpers
from brushflow.pipeline.parallel.lease import Turn
from brushflow.pipeline.parallel.worker import RunDescription, paint_shots
from brushflow.pipeline.plan import Segment
from brushflow.pipeline.shared_motion import Row
from brushflow.shots.scan import Scan

POLL = 0.2  # seconds between two looks at how far the others are
_ATTEMPTS = 3
_ROWS_IF_DAMAGED = 8


def plan_rows(
    plan: Sequence[Segment], scan: Scan, recurrent: bool, joints: Collection[int] = ()
) -> list[Row]:
    """The plan divided into rows that can be painted side by side: shots, or parts from ``joints``.

    A damaged source can only be read from its start, so there a row takes several shots.
    Where no frame depends on the one before it, a segment is a row.
    """
    cuts = {*scan.cuts, *joints} if recurrent else {segment.first for segment in plan}
    starts = [i for i, segment in enumerate(plan) if i == 0 or segment.first in cuts]
    if scan.problem is not None:
        starts = starts[:: -(-len(starts) // _ROWS_IF_DAMAGED)]
    return [plan[start:end] for start, end in pairwise([*starts, len(plan)])]


def paint_rows(
    executor: Executor,
    run: RunDescription,
    rows: Sequence[Row],
    finished: Collection[Segment],
    show: Callable[[int], None],
    check_stop: Callable[[], None],
    share_motion: bool = False,
) -> None:
    """Paint what is missing of all rows; the caller holds the lock of the run's folder.

    ``run`` gets the mark of this turn. ``show`` gets the number of frames that are done of these
    rows. When this ends, for whatever reason, the executor's processes stop painting for it. With
    ``share_motion``, those that have no row left find the motion for those that have.

    Raises:
        BrushflowError: a row that failed, or whose process died again and again.
        ShortOfMemory: memory ran out.
    """
    known = {row[0].first: sum(len(part) for part in row if part in finished) for row in rows}
    frames = {row[0].first: sum(map(len, row)) for row in rows}
    order = sorted(rows, key=lambda row: known[row[0].first] - frames[row[0].first])
    attempts: dict[int, int] = {}
    pending: dict[Future, Row] = {}
    helpers: Helpers | None = None

    def progress() -> None:
        counts = turn.count(row[0].first for row in pending.values())
        known.update(counts)
        show(sum(min(done, frames[row]) for row, done in known.items()))
        if helpers is not None and len(counts) == len(pending):  # no row waits for a process
            helpers.employ({row[0].first: row for row in pending.values()}, counts)

    def begin(row: Row) -> None:
        attempts[row[0].first] = attempts.get(row[0].first, 0) + 1
        pending[executor.submit(paint_shots, run, list(row))] = row

    try:
        with Turn(run.folder) as turn:
            run = replace(run, turn=turn.mark)
            if share_motion:
                helpers = Helpers(executor, run, finished)
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
        if helpers is not None:
            helpers.dismiss()


def _given_up(row: Row, error: BaseException) -> BrushflowError:
    return BrushflowError(
        f"The process that painted frames {row[0].first} to {row[-1].last} ended {_ATTEMPTS} "
        f"times, perhaps for lack of memory; fewer --jobs need less. ({error})"
    )
