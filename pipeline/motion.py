"""How a frame moved since the one before it, and which of its pixels that is known for."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from brushflow.flow.borders import hold_inside
from brushflow.flow.estimators import FlowEstimator
from brushflow.flow.pairs import bidirectional
from brushflow.flow.resize import fit, resize_flow
from brushflow.occlusion import reliability, rescue

_LEAST, _MOST = 320, 1024


@dataclass(frozen=True)
class Motion:
    """Displacement into the previous frame.

    ``flow``: float32 (H, W, 2) in pixels, on the frame's grid; ``reliability``: float32 (H, W)
    in [0, 1]; ``reverse``: flow from the previous frame to this one on the grid that it was found
    on, in that grid's pixels, as few ever want it; None if unknown; ``found``: flow and reliability
    on that grid, None if it is the frame's.
    """

    flow: np.ndarray
    reliability: np.ndarray
    reverse: np.ndarray | None = None
    found: tuple[np.ndarray, np.ndarray] | None = None

    def enlarged(self, size: tuple[int, int]) -> "Motion":
        """The same on a larger grid, (height, width)."""
        return Motion(
            resize_flow(self.flow, size),
            cv2.resize(self.reliability, size[::-1], interpolation=cv2.INTER_NEAREST),
            self.reverse,
            (self.flow, self.reliability),
        )


class MotionSource(Protocol):
    """Where motion comes from: an estimator, or files. Called from several threads at once."""

    def __call__(
        self, frame: np.ndarray, previous: np.ndarray, index: int, executor: Executor
    ) -> Motion:
        """Motion of ``frame`` (H, W, 3), which has this index, from ``previous``."""
        ...


class EstimatedMotion:
    """Flow in both directions, and reliability by their consistency (Ruder et al. 2018).

    With rule "fast", what looks as it did counts as reliable as well, see ``occlusion.rescue``.

    Both are found on smaller frames, as if they were the video, and enlarged: that takes a quarter
    of the time at half the size, and what is painted is as stable (docs/performance.md).

    Args:
        estimator: finds flow.
        rule: "fast" or "slow", see ``occlusion.reliability``.
        max_size: longest side in pixels that motion is found at; None: see ``usual_size``.
    """

    def __init__(
        self, estimator: FlowEstimator, rule: str = "fast", max_size: int | None = None
    ) -> None:
        self.estimator = estimator
        self.rule = rule
        self.max_size = max_size

    def __call__(
        self, frame: np.ndarray, previous: np.ndarray, index: int, executor: Executor
    ) -> Motion:
        return self.find(frame, previous, executor).enlarged(frame.shape[:2])

    def find(self, frame: np.ndarray, previous: np.ndarray, executor: Executor) -> Motion:
        """Motion on the smaller frames' grid."""
        longest = self.max_size or usual_size(max(frame.shape[:2]))
        small, small_previous = (fit(picture, longest) for picture in (frame, previous))
        flow, reverse = bidirectional(self.estimator, small, small_previous, executor)
        known = reliability(flow, reverse, small, self.rule)
        flow = hold_inside(flow)
        if self.rule == "fast":
            known = rescue(known, flow, small, small_previous)
        # The check believes them when noise in the flow points inwards: they would come and go, and
        # flicker. Networks have learned to paint them anew.
        known[-1] = known[:, -1] = 0
        return Motion(flow, known, reverse)


# Flow and reliability of the frame with an index, as ``EstimatedMotion.find`` gives them, or None.
TakeMotion = Callable[[int], tuple[np.ndarray, np.ndarray] | None]


class SharedMotion:
    """What others have found and put somewhere, else what is found here.

    Args:
        inner: finds motion.
        take: gives what others have found.
    """

    def __init__(
        self,
        inner: EstimatedMotion,
        take: TakeMotion,
    ) -> None:
        self.inner = inner
        self.take = take

    def __call__(
        self, frame: np.ndarray, previous: np.ndarray, index: int, executor: Executor
    ) -> Motion:
        known = self.take(index)
        if known is None:
            return self.inner(frame, previous, index, executor)
        return Motion(*known).enlarged(frame.shape[:2])


def usual_size(longest: int) -> int:
    """The longest side to find motion at, in frames with this one: half, within bounds.

    On smaller pictures flow is worse than the time saved is worth, and all-pairs RAFT needs 4 GB
    for 1080p.
    """
    return min(longest, max(longest // 2, _LEAST), _MOST)
