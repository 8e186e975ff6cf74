"""RAFT (Teed and Deng, ECCV 2020) with torchvision's networks."""

import threading
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from brushflow.downloads import download_weights
from brushflow.flow.estimators import Flow, Frame
from brushflow.flow.padding import replicate
from brushflow.flow.raft_weights import load_weights
from brushflow.torchvision_import import import_torchvision

# The feature maps are 1/8 of the picture; the fourth level of the correlation pyramid is 1/64 and
# must be two pixels or more, else the network returns NaN.
_STRIDE = 8
_SMALLEST = 128
_INSTEAD = "pass them with --flow-weights FILE, or choose --flow dis, which needs none."


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
            model.load_state_dict(download_weights(published.url, "flow weights", _INSTEAD))
        else:
            load_weights(model, name, Path(weights))
        self.device = torch.device(device)
        self._model = model.eval().to(self.device)
        # torchvision keeps the correlation volume of the running pair on the module.
        self._one_at_a_time = threading.Lock()

    @torch.inference_mode()
    def __call__(self, frame: Frame, other: Frame) -> Flow:
        frame, inside = replicate(frame, _SMALLEST, _STRIDE)
        other, _ = replicate(other, _SMALLEST, _STRIDE)
        with self._one_at_a_time:
            flow = self._model(self._input(frame), self._input(other))[-1]
            # The volume takes gigabytes on large frames; others need that memory between calls.
            self._model.corr_block.corr_pyramid = []
        flow = flow[0].permute(1, 2, 0).float().cpu().numpy()
        return np.ascontiguousarray(flow[inside])

    def _input(self, frame: Frame) -> Tensor:
        """(1, 3, H, W) in [-1, 1]."""
        full_scale = np.iinfo(frame.dtype).max
        # int32: torch computes little with uint16.
        pixels = frame if frame.dtype == np.uint8 else frame.astype(np.int32)
        picture = torch.from_numpy(np.ascontiguousarray(pixels)).to(self.device)
        return (picture.permute(2, 0, 1)[None].float() * (2 / full_scale) - 1).contiguous()
