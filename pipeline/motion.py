"""How a frame moved since the one before it, and which of its pixels that is known for."""

from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from brushflow.flow.estimators import FlowEstimator
from brushflow.flow.pairs import bidirectional
from brushflow.occlusion import reliability


@dataclass(frozen=True)
class Motion:
    """Displacement into the previous frame.

    ``flow``: float32 (H, W, 2) in pixels, on the frame's grid; ``reliability``: float32 (H, W)
    in [0, 1]; ``reverse``: flow from the previous frame to this one, None if unknown.
    """

    flow: np.ndarray
    reliability: np.ndarray
    reverse: np.ndarray | None = None


class MotionSource(Protocol):
    """Where motion comes from: an estimator, or files. Called from several threads at once."""

    def __call__(
        self, frame: np.ndarray, previous: np.ndarray, index: int, executor: Executor
    ) -> Motion:
        """Motion of ``frame`` (H, W, 3), which has this index, from ``previous``."""
        ...


class EstimatedMotion:
    """Flow in both directions, and reliability by their consistency (Ruder et al. 2018)."""

    def __init__(self, estimator: FlowEstimator, rule: str = "fast") -> None:
        self.estimator = estimator
        self.rule = rule

    def __call__(
        self, frame: np.ndarray, previous: np.ndarray, index: int, executor: Executor
    ) -> Motion:
        flow, reverse = bidirectional(self.estimator, frame, previous, executor)
        return Motion(flow, reliability(flow, reverse, frame, self.rule), reverse)
