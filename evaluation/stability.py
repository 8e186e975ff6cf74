"""Temporal errors: does what the source shows twice look the same both times?

Three numbers go by the name of temporal error in the literature. They differ in what they divide
by and are not comparable with each other, so each keeps its author's name here. All are about RGB
in [0, 1]; 0 is best, and a picture that never changes gets 0.
"""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from brushflow.flow import warp_array
from brushflow.flow.types import Flow, Frame

FloatMap = NDArray[np.float32]
_MEAN = np.full((1, 3), 1 / 3, np.float32)


def difference_map(frame: Frame, other: Frame, flow: Flow) -> FloatMap:
    """|warp(other, flow) − frame|² as the mean of the three channels; float32 (H, W) in [0, 1].

    Args:
        frame: uint8 or uint16 RGB (H, W, 3), the picture on whose grid ``flow`` lives.
        other: the same, the picture that ``flow`` points into.
        flow: float32 (H, W, 2) in pixels.
    """
    difference = warp_array(_unit(other), flow)
    difference -= _unit(frame)
    squares = np.square(difference, out=difference)
    return np.asarray(cv2.transform(squares, _MEAN), np.float32)


def e_warp(differences: FloatMap, mask: NDArray) -> float:
    """E_warp of one pair: Σ M·D / ΣM, in [0, 1]; NaN where the mask is empty.

    Lai et al. 2018 as in their released program: M is repeated for the three channels, so
    this is the mean squared difference per visible channel sample. ``differences``: from
    ``difference_map`` of the earlier frame, the later one and the forward flow; ``mask`` (H, W),
    see ``masks.traceable``. Lai's number for a video is the mean over its pairs.
    """
    visible = float(mask.sum(dtype=np.float64))
    if visible == 0:
        return math.nan
    return float((differences * mask).sum(dtype=np.float64)) / visible


def ruder_error(differences: FloatMap, certainty: NDArray) -> float:
    """The masked error over all pixels: mean of c²·D over the picture, in [0, 1].

    Ruder et al. 2018 as in fast-artistic-videos' evaluation: mean of (c·warped − c·output)² over
    3·H·W samples, with hidden ones counted as 0. Half of the picture hidden halves the number.
    """
    weight = np.square(certainty, dtype=np.float32)
    return float((differences * weight).mean(dtype=np.float64))


def rerevst_error(masked_error: float) -> float:
    """√ of ``ruder_error``, in [0, 1]; for a video the mean over pairs of the root.

    Wang et al., Consistent Video Style Transfer via Relaxation and Regularization, TIP 2020, whose
    program gives the root of the mean squared error of masked frames, divided by 255.
    """
    return math.sqrt(masked_error)


def tof(flow: Flow, reference: Flow, known: NDArray | None = None) -> float:
    """tOF: mean distance in pixels between the motion of a result and that of its source, ≥ 0.

    mean |F(y_t, y_{t+1}) − F(x_t, x_{t+1})|₂ (Chu et al., Learning Temporal Coherence via
    Self-Supervision, TOG 2020). ``known``: bool (H, W), the pixels that count. NaN if none does.
    """
    distance = np.hypot(*np.moveaxis(flow - reference, 2, 0))
    if known is not None:
        distance = distance[known]
    return float(distance.mean(dtype=np.float64)) if distance.size else math.nan


def frame_difference_error(
    output: Frame, next_output: Frame, source: Frame, next_source: Frame
) -> float:
    """Mean over samples of ((y_{t+1} − y_t) − (x_{t+1} − x_t))², in [0, 4]; needs no flow.

    The pixel term of the frame difference-based loss (P-FDB), without its weight; times 255² it
    is on the scale of that loss. A result whose contrast differs from the source's cannot be 0.
    """
    change = np.subtract(next_output, output, dtype=np.float32) / _top(output)
    wanted = np.subtract(next_source, source, dtype=np.float32) / _top(source)
    return float(np.square(change - wanted).mean(dtype=np.float64))


def _unit(picture: Frame) -> FloatMap:
    return np.divide(picture, _top(picture), dtype=np.float32)


def _top(picture: Frame) -> float:
    return float(np.iinfo(picture.dtype).max)
