"""Flow estimators by name.

What all of them have in common is done once: frames are checked and equal frames have no motion
(``guarded``), and the size at which flow is computed may be capped (``resize``).
"""

import difflib
import importlib
from pathlib import Path

import torch

from brushflow.common.errors import UsageError
from brushflow.flow.guarded import Guarded
from brushflow.flow.resize import CappedSize
from brushflow.flow.types import FlowEstimator, Loader

# Each estimator, or family of them with a colon, and the module that has it; see ``types.Loader``.
_MODULES = {
    "dis": "opencv",
    "dis-fast": "opencv",
    "deepflow": "opencv",
    "farneback": "opencv",
    "tvl1": "opencv",
    "raft-small": "raft",
    "raft-large": "raft",
    "ptlflow:": "ptlflow",
}
ESTIMATOR_NAMES = tuple(name for name in _MODULES if not name.endswith(":"))
_FAMILIES = tuple(name for name in _MODULES if name.endswith(":"))
NAMES_TOLD = f"{', '.join(ESTIMATOR_NAMES)} or {' or '.join(f'{name}NAME' for name in _FAMILIES)}"


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
    estimator = find_loader(name)(name, device, weights)
    return Guarded(estimator if max_size is None else CappedSize(estimator, max_size))


def is_network(name: str) -> bool:
    """Whether the estimator of this name is a network, and none of OpenCV's algorithms."""
    return _MODULES.get(name) != "opencv"


def find_loader(name: str) -> Loader:
    """What makes the estimator of that name; UsageError for an unknown one."""
    module = _MODULES.get(name) or next(
        (_MODULES[family] for family in _FAMILIES if name.startswith(family)), None
    )
    if module is None:
        near = difflib.get_close_matches(name, ESTIMATOR_NAMES, n=1)
        meant = f" (did you mean '{near[0]}'?)" if near else ""
        raise UsageError(f"There is no flow estimator '{name}'{meant}; choose one of {NAMES_TOLD}.")
    # Imported when asked for: torchvision alone takes seconds, which the default needs none of.
    loader: Loader = importlib.import_module(f"brushflow.flow.{module}").load
    return loader
