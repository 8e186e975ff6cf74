"""Rows of shots handed to an executor: the longest first, those whose process died once more."""

import logging
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import replace
from itertools import pairwise

from brushflow.errors import BrushflowError
from brushflow.pipeline.paint_shots import RunDescription, find_motion, paint_shots
from brushflow.pipeline.plan import Segment
from brushflow.pipeline.scan import Scan
from brushflow.pipeline.shared_motion import next_to_find
from brushflow.pipeline.turns import Turn

logger = logging.getLogger(__name__)

POLL = 0.2  # seconds between two looks at how far the others are
_ATTEMPTS = 3
_LAST_WORDS = 60  # seconds
_ROWS_IF_DAMAGED = 8

Row = Sequence[Segment]


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
    helping: dict[Future, Segment] = {}
    taken = set(finished)
    step = -1 if run.options.backward else 1

    def help_out() -> None:
        """Let idle processes find motion, once every row is at work."""
        begun = turn.count(row[0].first for row in pending.values())
        idle = executor.count - len(pending) - len(helping)
        for row in sorted(pending.values(), key=len, reverse=True):
            if idle <= 0 or len(begun) < len(pending):
                return
            segment = next_to_find(row, step, begun[row[0].first], taken)
            if segment is not None:
                taken.add(segment)
                mine = replace(run, turn=turn.mark)
                helping[executor.submit(find_motion, mine, list(row), segment)] = segment
                idle -= 1

    def progress() -> None:
        known.update(turn.count(row[0].first for row in pending.values()))
        show(sum(min(done, frames[row]) for row, done in known.items()))

    def begin(row: Row) -> None:
        attempts[row[0].first] = attempts.get(row[0].first, 0) + 1
        pending[executor.submit(paint_shots, replace(run, turn=turn.mark), list(row))] = row

    try:
        with Turn(run.folder) as turn:
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
                for future in [future for future in helping if future.done()]:
                    del helping[future]
                    if future.exception() is not None:  # the painters do without
                        share_motion = False
                        logger.info("Motion is not shared: %s", future.exception())
                if share_motion:
                    help_out()
    finally:
        for future in pending:
            future.cancel()
        # They end at the next frame, and write into the folder until then.
        wait(helping, _LAST_WORDS)


def _given_up(row: Row, error: BaseException) -> BrushflowError:
    return BrushflowError(
        f"The process that painted frames {row[0].first} to {row[-1].last} ended {_ATTEMPTS} "
        f"times, perhaps for lack of memory; fewer --jobs need less. ({error})"
    )
