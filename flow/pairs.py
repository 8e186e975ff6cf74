"""Both directions between two frames."""

from concurrent.futures import Executor

from brushflow.common.queues import result_of
from brushflow.flow.types import Flow, FlowEstimator, Frame


def bidirectional(
    estimator: FlowEstimator, frame: Frame, other: Frame, executor: Executor | None = None
) -> tuple[Flow, Flow]:
    """The flow from ``frame`` into ``other``, and the reverse one, on the grid of ``other``.

    An estimator with a method ``both_ways`` finds them together. For any other, with an executor,
    the reverse direction runs there while this thread computes the first. If it has not been begun
    by then it is done here, so a full pool, or one that this very call runs on, cannot block.
    """
    if hasattr(estimator, "both_ways"):
        return estimator.both_ways(frame, other, executor)
    if executor is None:
        return estimator(frame, other), estimator(other, frame)
    pending = executor.submit(estimator, other, frame)
    try:
        flow = estimator(frame, other)
    except BaseException:
        pending.cancel()
        raise
    reverse = estimator(other, frame) if pending.cancel() else result_of(pending)
    return flow, reverse
