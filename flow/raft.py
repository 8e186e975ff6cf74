"""RAFT (Teed and Deng, ECCV 2020) with torchvision's networks."""

import threading
from concurrent.futures import Executor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from brushflow.common.downloads import download_file
from brushflow.common.torchvision_import import import_torchvision
from brushflow.flow.padding import replicate
from brushflow.flow.raft_weights import load_weights
from brushflow.flow.types import Flow, Frame, Loader

# The feature maps are 1/8 of the picture; the fourth level of the correlation pyramid is 1/64 and
# must be two pixels or more, else the network returns NaN.
_STRIDE = 8
_SMALLEST = 128
# Of the correlation of two feature maps, for each pair of their pixels: four levels of float32.
_VOLUME_BYTES = 4 * (1 + 1 / 4 + 1 / 16 + 1 / 64)
# What the correlations of a batch may take: enough for both directions at 1024×576.
_MOST_BYTES = 1 << 30


class Raft:
    """``raft-small`` or ``raft-large``, both networks of 12 updates.

    Raises:
        BrushflowError: the weights cannot be had or do not fit.
    """

    def __init__(
        self, name: str, device: str | torch.device = "cpu", weights: Path | str | None = None
    ) -> None:
        networks = import_torchvision("models.optical_flow")
        if name == "raft-small":
            model = networks.raft_small()
            published = networks.Raft_Small_Weights.DEFAULT
        else:
            model = networks.raft_large()
            published = networks.Raft_Large_Weights.DEFAULT
        if weights is None:
            weights = download_file(published.url, "flow weights", "no_flow_weights")
        load_weights(model, name, Path(weights))
        self.device = torch.device(device)
        self._model = model.eval().to(self.device)
        # torchvision keeps the correlation volume of the running pair on the module.
        self._one_at_a_time = threading.Lock()

    def __call__(self, frame: Frame, other: Frame) -> Flow:
        return self._flows([frame], [other])[0]

    def both_ways(
        self, frame: Frame, other: Frame, executor: Executor | None = None
    ) -> tuple[Flow, Flow]:
        """Both directions as one batch, or one by one where that would take too much memory."""
        pixels = frame.shape[0] * frame.shape[1]
        if 2 * _VOLUME_BYTES * (pixels / _STRIDE**2) ** 2 > _MOST_BYTES:
            return self(frame, other), self(other, frame)
        flow, reverse = self._flows([frame, other], [other, frame])
        return flow, reverse

    @torch.inference_mode()
    def _flows(self, frames: list[Frame], others: list[Frame]) -> list[Flow]:
        _, inside = replicate(frames[0], _SMALLEST, _STRIDE)
        with self._one_at_a_time:
            flows = self._model(self._input(frames), self._input(others))[-1]
            # The volume takes gigabytes on large frames; others need that memory between calls.
            self._model.corr_block.corr_pyramid = []
        arrays = flows.permute(0, 2, 3, 1).float().cpu().numpy()
        return [np.ascontiguousarray(flow[inside]) for flow in arrays]

    def _input(self, frames: list[Frame]) -> Tensor:
        """(N, 3, H, W) in [-1, 1]."""
        stack = np.stack([replicate(frame, _SMALLEST, _STRIDE)[0] for frame in frames])
        full_scale = np.iinfo(stack.dtype).max
        # int32: torch computes little with uint16.
        pixels = stack if stack.dtype == np.uint8 else stack.astype(np.int32)
        pictures = torch.from_numpy(pixels).to(self.device)
        return (pictures.permute(0, 3, 1, 2).float() * (2 / full_scale) - 1).contiguous()


load: Loader = Raft
