"""The estimators that OpenCV brings: no weights, no GPU."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import torch

from brushflow.common.errors import UsageError
from brushflow.flow.padding import replicate
from brushflow.flow.types import Flow, Frame


def _calm_dis() -> cv2.DISOpticalFlow:
    """DIS that makes up less motion on plain walls, in the time of OpenCV's medium preset.

    What noise says where nothing can be told is not handed on to neighbouring patches, and the
    variational refinement goes on for longer. (A smoother one would be better on walls, and lose
    what is small and fast.) Against RAFT-small on real clips, errors in plain areas are two thirds
    of that preset's, and elsewhere no larger.
    """
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    dis.setUseSpatialPropagation(False)
    dis.setVariationalRefinementIterations(12)
    # This pays for it.
    dis.setPatchStride(4)
    dis.setGradientDescentIterations(16)
    return dis


ALGORITHMS = {
    # Kroeger et al., Fast Optical Flow using Dense Inverse Search, ECCV 2016.
    "dis": _calm_dis,
    "dis-fast": lambda: cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST),
    # Weinzaepfel et al., DeepFlow, ICCV 2013; OpenCV has its smoothing stage, not its matching.
    "deepflow": lambda: cv2.optflow.createOptFlow_DeepFlow(),
    # Farneback, Two-Frame Motion Estimation Based on Polynomial Expansion, SCIA 2003.
    "farneback": lambda: cv2.FarnebackOpticalFlow.create(),
    # Zach et al., A Duality Based Approach for Realtime TV-L1 Optical Flow, DAGM 2007.
    "tvl1": lambda: cv2.optflow.DualTVL1OpticalFlow.create(),
}

_CONTRIBUTED = ("deepflow", "tvl1")

# DIS fails on sides below about a dozen pixels; the other pyramids have little to say there.
_SMALLEST = 32
# Where even the longer side is shorter, DIS answers by what it was asked before.
_SURE = 48


class OpenCvEstimator:
    """One of OpenCV's algorithms by our name for it; compares brightness at 8 bits."""

    def __init__(self, name: str) -> None:
        self.name = name
        # The algorithms keep their pyramids on the object, so threads cannot share one.
        self._of_thread = threading.local()

    def __call__(self, frame: Frame, other: Frame) -> Flow:
        if not hasattr(self._of_thread, "algorithm"):
            self._of_thread.algorithm = ALGORITHMS[self.name]()
        smallest = _SMALLEST if max(frame.shape[:2]) >= _SURE else _SURE
        frame, inside = replicate(frame, smallest)
        other, _ = replicate(other, smallest)
        flow = self._of_thread.algorithm.calc(_brightness(frame), _brightness(other), None)
        return np.ascontiguousarray(flow[inside])


def load(name: str, device: str | torch.device, weights: Path | str | None) -> OpenCvEstimator:
    """See ``types.Loader``; UsageError for weights, which none of these has, or without modules."""
    del device
    if name in _CONTRIBUTED and not hasattr(cv2, "optflow"):
        raise UsageError(
            f"The flow estimator '{name}' needs OpenCV's contributed modules, and the OpenCV here "
            f"({cv2.__version__}) has none: another package, such as opencv-python, was installed "
            f"over opencv-contrib-python.",
            about="opencv",
        )
    if weights is not None:
        raise UsageError(
            f"The flow estimator '{name}' is no network and takes no weights; "
            "leave the weight file out or choose a RAFT."
        )
    return OpenCvEstimator(name)


def _brightness(frame: Frame) -> np.ndarray:
    gray = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    return gray if gray.dtype == np.uint8 else cv2.convertScaleAbs(gray, alpha=1 / 257)


@contextmanager
def one_opencv_thread() -> Iterator[None]:
    """Give OpenCV one thread while the block runs.

    Motion of several frames is found at once, each in one thread: OpenCV's own threads would
    fight them, and would make the result of DIS depend on the number of cores.
    """
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)
