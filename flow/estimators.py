"""Flow estimators by name.

What all of them have in common is done once: frames are checked and equal frames have no motion
(``guarded``), and the size at which flow is computed may be capped (``resize``).
"""

import difflib
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from brushflow.common.errors import UsageError

Frame: TypeAlias = NDArray[np.uint8 | np.uint16]
Flow: TypeAlias = NDArray[np.float32]

OPENCV_NAMES = ("dis", "dis-fast", "deepflow", "farneback", "tvl1")
RAFT_NAMES = ("raft-small", "raft-large")
ESTIMATOR_NAMES = (*OPENCV_NAMES, *RAFT_NAMES)
PTLFLOW_PREFIX = "ptlflow:"


class FlowEstimator(Protocol):
    """Finds where the pixels of one frame are in another. May be called from several threads.

    One that finds both directions faster together than one by one also has a method
    ``both_ways(frame, other, executor)``, see ``pairs.bidirectional``, which makes use of it.
    """

    def __call__(self, frame: Frame, other: Frame) -> Flow:
        """The displacement of every pixel of ``frame`` into ``other``.

        Args:
            frame: uint8 or uint16 (full range) (H, W, 3), RGB.
            other: the same shape.

        Returns:
            float32 (H, W, 2), (x, y) in pixels, on the grid of ``frame``.
        """
        ...


def load_estimator(
    name: str,
    device: str | torch.device = "cpu",
    weights: Path | str | None = None,
    max_size: int | None = None,
) -> FlowEstimator:
    """The estimator of that name, ready to use.

    Args:
        name: one of ``ESTIMATOR_NAMES``, or ``ptlflow:NAME`` for a model of the package ptlflow.
        device: where a network runs; the OpenCV estimators always run on the CPU.
        weights: a weight file of a network (for ptlflow also the name of a checkpoint); without
            it, published weights are downloaded once.
        max_size: compute flow on frames whose longest side is at most this.

    Raises:
        UsageError: an unknown name, or an option that does not go with it.
        BrushflowError: weights that cannot be had or do not fit.
    """
    if max_size is not None and max_size < 1:
        raise UsageError(f"The flow size must be at least 1 pixel, not {max_size}.")
    # These call back into this module.
    from brushflow.flow.guarded import Guarded
    from brushflow.flow.resize import CappedSize

    estimator = _network_or_opencv(name, device, weights)
    return Guarded(estimator if max_size is None else CappedSize(estimator, max_size))


def _network_or_opencv(
    name: str, device: str | torch.device, weights: Path | str | None
) -> FlowEstimator:
    # Imported when asked for: torchvision alone takes seconds, which the default needs none of.
    if name in RAFT_NAMES:
        from brushflow.flow.raft import Raft

        return Raft(name, device, weights)
    if name.startswith(PTLFLOW_PREFIX):
        from brushflow.flow.ptlflow import PtlflowModel

        return PtlflowModel(name.removeprefix(PTLFLOW_PREFIX), device, weights)
    if name not in OPENCV_NAMES:
        near = difflib.get_close_matches(name, ESTIMATOR_NAMES, n=1)
        meant = f" (did you mean '{near[0]}'?)" if near else ""
        raise UsageError(
            f"There is no flow estimator '{name}'{meant}; "
            f"choose one of {', '.join(ESTIMATOR_NAMES)} or {PTLFLOW_PREFIX}NAME."
        )
    if weights is not None:
        raise UsageError(
            f"The flow estimator '{name}' is no network and takes no weights; "
            "leave the weight file out or choose a RAFT."
        )
    from brushflow.flow.opencv import OpenCvEstimator

    return OpenCvEstimator(name)
