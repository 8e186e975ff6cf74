"""What flow is made of: the shapes of frames and fields, and what an estimator is."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

Frame: TypeAlias = NDArray[np.uint8 | np.uint16]
Flow: TypeAlias = NDArray[np.float32]


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


# What an estimator's module has under the name ``load``: made of the estimator's name, the device
# that a network runs on, and a file of weights, None for those that are published.
Loader: TypeAlias = Callable[[str, str | torch.device, Path | str | None], FlowEstimator]
