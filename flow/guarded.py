"""The promises that all estimators make."""

from concurrent.futures import Executor

import numpy as np

from brushflow.flow.pairs import bidirectional
from brushflow.flow.types import Flow, FlowEstimator, Frame


class Guarded:
    """Another estimator behind the promises that all of them make.

    Frames must be equal in shape, and frames that are equal bit for bit give exactly zero flow.
    RAFT and Farneback find up to some tenths of a pixel there, which would smear a still picture
    over time.

    Raises:
        ValueError: the frames differ in shape or type, or are no RGB frames.
    """

    def __init__(self, estimator: FlowEstimator) -> None:
        self.estimator = estimator

    def __call__(self, frame: Frame, other: Frame) -> Flow:
        _check(frame, other)
        if np.array_equal(frame, other):
            return _no_motion(frame)
        return self.estimator(frame, other)

    def both_ways(
        self, frame: Frame, other: Frame, executor: Executor | None = None
    ) -> tuple[Flow, Flow]:
        """See ``pairs.bidirectional``."""
        _check(frame, other)
        if np.array_equal(frame, other):
            return _no_motion(frame), _no_motion(frame)
        return bidirectional(self.estimator, frame, other, executor)


def _check(frame: Frame, other: Frame) -> None:
    for each in (frame, other):
        if each.dtype not in (np.uint8, np.uint16) or each.ndim != 3 or each.shape[2] != 3:
            raise ValueError(f"a frame is uint8 or uint16 (H, W, 3), not {each.dtype} {each.shape}")
    if frame.shape != other.shape or frame.dtype != other.dtype:
        raise ValueError(
            f"the frames differ: {frame.dtype} {frame.shape} and {other.dtype} {other.shape}"
        )


def _no_motion(frame: Frame) -> Flow:
    return np.zeros((*frame.shape[:2], 2), np.float32)
