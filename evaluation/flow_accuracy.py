"""How far estimated flow is from the truth."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from brushflow.common.errors import BrushflowError
from brushflow.evaluation.datasets import FlowPair
from brushflow.flow.types import Flow, FlowEstimator
from brushflow.video import read_image


def end_point_error(flow: Flow, truth: Flow) -> NDArray[np.float32]:
    """EPE: |flow − truth|₂ per pixel, float32 (H, W) in pixels (Baker et al., IJCV 2011)."""
    return np.hypot(*np.moveaxis(flow - truth, 2, 0))


def outliers(errors: NDArray[np.float32], truth: Flow) -> NDArray[np.bool_]:
    """Fl: pixels whose error is above 3 pixels and above 5 % of the true length; bool (H, W).

    Menze and Geiger, Object Scene Flow for Autonomous Vehicles, CVPR 2015.
    """
    return (errors > 3) & (errors > 0.05 * np.hypot(truth[..., 0], truth[..., 1]))


@dataclass
class FlowAccuracy:
    """Sums over the pixels of all pairs so far; every pixel counts the same.

    ``all``: pixels with known flow; ``visible``: those of them that are seen in the second frame
    too. ``epe`` in pixels, ``fl`` in percent, both NaN without pixels.
    """

    pairs: int = 0
    seconds: float = 0.0
    per_pair: list[tuple[str, float]] = field(default_factory=list)
    _sums: dict[str, NDArray[np.float64]] = field(
        default_factory=lambda: {"all": np.zeros(3), "visible": np.zeros(3)}
    )

    def add(
        self, name: str, errors: NDArray[np.float32], wrong: NDArray[np.bool_], **masks: NDArray
    ) -> None:
        """Count one pair; ``masks``: bool (H, W), ``all`` and ``visible``."""
        for kind, mask in masks.items():
            chosen = errors[mask]
            self._sums[kind] += (chosen.size, chosen.sum(dtype=np.float64), wrong[mask].sum())
        counted = errors[masks["all"]]
        self.per_pair.append((name, float(counted.mean()) if counted.size else float("nan")))
        self.pairs += 1

    def epe(self, kind: str = "all") -> float:
        """Mean end-point error in pixels."""
        return self._mean(kind, 1)

    def fl(self, kind: str = "all") -> float:
        """Share of outliers in percent."""
        return 100 * self._mean(kind, 2)

    def _mean(self, kind: str, which: int) -> float:
        sums = self._sums[kind]
        return float(sums[which] / sums[0]) if sums[0] else float("nan")


def flow_accuracy(
    estimator: FlowEstimator,
    pairs: Iterable[FlowPair],
    progress: Callable[[int], None] = lambda done: None,
) -> FlowAccuracy:
    """Run an estimator over pairs with true flow.

    ``progress`` is called with the number of pairs done. BrushflowError for files that are damaged
    or do not belong together.
    """
    accuracy = FlowAccuracy()
    for pair in pairs:
        truth = pair.read()
        frame, other = read_image(pair.frame), read_image(pair.other)
        for path, picture in ((pair.frame, frame), (pair.other, other)):
            if picture.shape[:2] != truth.known.shape:
                raise BrushflowError(
                    f"{path} is {picture.shape[1]}×{picture.shape[0]} but its flow is "
                    f"{truth.known.shape[1]}×{truth.known.shape[0]}."
                )
        started = time.perf_counter()
        flow = estimator(frame, other)
        accuracy.seconds += time.perf_counter() - started
        errors = end_point_error(flow, truth.flow)
        wrong = outliers(errors, truth.flow)
        accuracy.add(pair.name, errors, wrong, all=truth.known, visible=truth.visible)
        progress(accuracy.pairs)
    return accuracy
