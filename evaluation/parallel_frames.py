"""The pieces of work of an evaluation: pairs of frames, a frame, a window of frames.

Each gets the frames of all videos, the source first, and gives numbers per video in that order, so
that what depends on the source only is computed once. They may run in several threads.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate

from numpy.typing import NDArray

from brushflow.evaluation.drift import appearance
from brushflow.evaluation.faithfulness import Perceptual, edge_map, edge_similarity
from brushflow.evaluation.flicker import flicker, luminance, still_region
from brushflow.evaluation.lpips import Lpips
from brushflow.evaluation.pair_motion import estimated_motion, true_motion
from brushflow.evaluation.stability import FloatMap, frame_difference_error, tof
from brushflow.evaluation.truth import TrueFlow, compose
from brushflow.flow.types import FlowEstimator, Frame
from brushflow.occlusion import structure_map

Numbers = list[dict[str, float]]


@dataclass(frozen=True)
class PairNumbers:
    """Numbers of pairs of frames; maps of differences (H, W) and their mask for neighbours."""

    numbers: Numbers
    differences: Sequence[FloatMap] = ()
    mask: NDArray | None = None


def measure_pairs(
    estimator: FlowEstimator,
    earlier: Mapping[int, Sequence[Frame]],
    later: Sequence[Frame],
    truths: Sequence[TrueFlow] = (),
    result_motion: bool = True,
) -> PairNumbers:
    """Warping errors of frames against ``earlier`` ones, which are given by their distance.

    For neighbours also frame differences and, with ``result_motion``, tOF. ``truths`` are the true
    flows of the frames before ``later``, the last one first, each into the frame after it; none
    for estimated motion.
    """
    # All distances check against it; true motion needs no check.
    structure = None if truths else structure_map(later[0])
    ways = list(accumulate(truths, lambda onward, first: compose(first, onward)))
    numbers: Numbers = [{} for _ in later]
    maps: list[FloatMap] = []
    mask = None
    for distance, before in earlier.items():
        if ways:
            motion = true_motion(ways[distance - 1])
        else:
            motion = estimated_motion(estimator, before[0], later[0], structure)
        for number, (named, frame, next_frame) in enumerate(
            zip(numbers, before, later, strict=True)
        ):
            errors, differences = motion.errors(frame, next_frame)
            named |= {f"{key}_{distance}": value for key, value in errors.items()}
            if distance > 1:
                continue
            mask = motion.mask
            maps.append(differences)
            if result_motion:
                flow = motion.forward if number == 0 else estimator(frame, next_frame)
                named["tof"] = tof(flow, motion.forward, motion.known)
            named["fdb"] = frame_difference_error(frame, next_frame, before[0], later[0])
    return PairNumbers(numbers, maps, mask)


def measure_window(windows: Sequence[Sequence[Frame]]) -> Numbers:
    """Flicker over one window of frames per video."""
    brightness = [[luminance(frame) for frame in window] for window in windows]
    still = still_region(brightness[0])
    return [{"flicker": flicker(window, still)} for window in brightness]


@dataclass(frozen=True)
class FrameJudge:
    """Measures single frames; the networks are optional."""

    perceptual: Perceptual | None = None
    lpips: Lpips | None = None

    def appearance(self, frames: Sequence[Frame]) -> Numbers:
        """Luminance, contrast and colour."""
        return [asdict(appearance(frame)) for frame in frames]

    def faithfulness(self, frames: Sequence[Frame]) -> Numbers:
        """Edges, content, style and LPIPS, against the first of the frames."""
        numbers: Numbers = [{} for _ in frames]
        edges = [edge_map(frame) for frame in frames]
        for named, found in zip(numbers, edges, strict=True):
            named["edge_ssim"] = edge_similarity(found, edges[0])
        if self.perceptual is not None:
            source = None
            for named, frame in zip(numbers, frames, strict=True):
                features = self.perceptual.features(frame)
                source = features if source is None else source
                named["content"] = self.perceptual.content(features, source)
                if self.perceptual.targets:
                    named["style"] = self.perceptual.style(features)
        if self.lpips is not None:
            activations = [self.lpips.features(frame) for frame in frames]
            for named, each in zip(numbers, activations, strict=True):
                named["lpips"] = self.lpips.distance(each, activations[0])
        return numbers
