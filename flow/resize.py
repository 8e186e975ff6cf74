"""Flow at another size than the frames'."""

from concurrent.futures import Executor

import cv2
import numpy as np

from brushflow.common.sizes import fit_size, resized
from brushflow.flow.pairs import bidirectional
from brushflow.flow.types import Flow, FlowEstimator, Frame


def resize_flow(flow: Flow, size: tuple[int, int]) -> Flow:
    """Bring a flow field to another grid, its vectors to the other grid's pixels.

    Args:
        flow: float32 (H, W, 2).
        size: (height, width) of the result.

    Returns:
        float32 (height, width, 2); bilinear when growing, area averages when shrinking.
    """
    height, width = size
    old_height, old_width = flow.shape[:2]
    if (height, width) == (old_height, old_width):
        return flow
    scaled = flow * np.array([width / old_width, height / old_height], np.float32)
    shrinks = height < old_height or width < old_width
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(scaled, (width, height), interpolation=interpolation)


class CappedSize:
    """Another estimator, run on frames whose longest side is at most ``max_size`` pixels.

    All-pairs networks need memory with the fourth power of the side, and motion at half size is
    easier to find; the field is scaled back to the size of the frames.
    """

    def __init__(self, estimator: FlowEstimator, max_size: int) -> None:
        self.estimator = estimator
        self.max_size = max_size

    def __call__(self, frame: Frame, other: Frame) -> Flow:
        flow = self.estimator(fit(frame, self.max_size), fit(other, self.max_size))
        return resize_flow(flow, frame.shape[:2])

    def both_ways(
        self, frame: Frame, other: Frame, executor: Executor | None = None
    ) -> tuple[Flow, Flow]:
        """See ``pairs.bidirectional``."""
        small, small_other = fit(frame, self.max_size), fit(other, self.max_size)
        flow, reverse = bidirectional(self.estimator, small, small_other, executor)
        return resize_flow(flow, frame.shape[:2]), resize_flow(reverse, frame.shape[:2])


def fit(picture: np.ndarray, max_size: int) -> np.ndarray:
    """A picture (H, W, …) shrunk so that its longest side is at most ``max_size``, or as it is."""
    return resized(picture, fit_size((picture.shape[1], picture.shape[0]), max_size))
