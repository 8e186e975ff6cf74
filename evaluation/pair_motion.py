"""What moved where between two frames of a source, for all results at once."""

from dataclasses import dataclass

from numpy.typing import NDArray

from brushflow.evaluation.masks import Mask, traceable
from brushflow.evaluation.stability import (
    FloatMap,
    difference_map,
    e_warp,
    rerevst_error,
    ruder_error,
)
from brushflow.evaluation.truth import TrueFlow
from brushflow.flow import bidirectional
from brushflow.flow.types import Flow, FlowEstimator, Frame
from brushflow.occlusion import reliability


@dataclass(frozen=True)
class PairMotion:
    """Motion between an earlier and a later frame, and where it counts.

    ``forward`` and ``mask`` lie on the earlier frame's grid. The reliability that goes with the
    masked error over all pixels lies on the later frame's grid, as in fast-artistic-videos; with
    ground truth, which has one direction only, ``backward`` is None and the mask stands for it
    (that program's option ``backward_eval``). ``known``: bool (H, W), None for everywhere.
    """

    forward: Flow
    mask: Mask
    backward: Flow | None
    certainty: NDArray
    known: Mask | None = None

    def errors(self, earlier: Frame, later: Frame) -> tuple[dict[str, float], FloatMap]:
        """A video's warping errors by name, and its map of differences for ``forward``."""
        differences = difference_map(earlier, later, self.forward)
        over_all = differences
        if self.backward is not None:
            over_all = difference_map(later, earlier, self.backward)
        ruder = ruder_error(over_all, self.certainty)
        named = {"e_warp": e_warp(differences, self.mask), "ruder": ruder}
        return named | {"rerevst": rerevst_error(ruder)}, differences


def estimated_motion(
    estimator: FlowEstimator, earlier: Frame, later: Frame, structure: NDArray | None = None
) -> PairMotion:
    """Motion by an estimator in both directions, checked against each other.

    ``structure``: ``occlusion.structure_map`` of the later frame, where it is known already.
    """
    forward, backward = bidirectional(estimator, earlier, later)
    certainty = reliability(backward, forward, later, "fast", structure)
    return PairMotion(forward, traceable(forward, backward), backward, certainty)


def true_motion(truth: TrueFlow) -> PairMotion:
    """Motion known from rendering; what is visible counts, motion boundaries included."""
    return PairMotion(truth.flow, truth.visible, None, truth.visible, truth.known)
