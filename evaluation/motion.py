"""What moved where between two frames of a source, for all results at once."""

from collections.abc import Sequence
from dataclasses import dataclass

from numpy.typing import NDArray

from brushflow.evaluation.masks import Mask, traceable
from brushflow.evaluation.stability import (
    FloatMap,
    difference_maps,
    e_warp,
    rerevst_error,
    ruder_error,
    unit_planes,
)
from brushflow.evaluation.truth import TrueFlow
from brushflow.flow.estimators import Flow, FlowEstimator, Frame
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

    def errors(
        self, earlier: Sequence[Frame], later: Sequence[Frame]
    ) -> list[tuple[dict[str, float], FloatMap]]:
        """Per video its warping errors by name, and the map of differences for ``forward``."""
        before, after = unit_planes(earlier), unit_planes(later)
        differences = difference_maps(before, after, self.forward)
        over_all = differences
        if self.backward is not None:
            over_all = difference_maps(after, before, self.backward)
        return [
            (
                {
                    "e_warp": e_warp(masked, self.mask),
                    "ruder": ruder_error(whole, self.certainty),
                    "rerevst": rerevst_error(whole, self.certainty),
                },
                masked,
            )
            for masked, whole in zip(differences, over_all, strict=True)
        ]


def estimated_motion(
    estimator: FlowEstimator, earlier: Frame, later: Frame, structure: NDArray | None = None
) -> PairMotion:
    """Motion by an estimator in both directions, checked against each other.

    ``structure``: ``occlusion.structure_map`` of the later frame, where it is known already.
    """
    forward, backward = estimator(earlier, later), estimator(later, earlier)
    certainty = reliability(backward, forward, later, "fast", structure)
    return PairMotion(forward, traceable(forward, backward), backward, certainty)


def true_motion(truth: TrueFlow) -> PairMotion:
    """Motion known from rendering; what is visible counts, motion boundaries included."""
    return PairMotion(truth.flow, truth.visible, None, truth.visible, truth.known)
