"""The recurrence as training runs it: over a few frames, with or without gradients in between."""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from brushflow.flow.warp import warp
from brushflow.models.network_input import Filling, filling, input_for
from brushflow.training.data.batches import Batch


class Network(Protocol):
    """What paints: a ``StyleNetwork``, or something that holds one."""

    in_channels: int

    def __call__(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, 3, H, W), both in network space."""
        ...


@dataclass(frozen=True)
class Step:
    """One painted frame of a sequence; all (N, C, H, W), pictures in network space.

    ``seen``: the network's whole input, the frame in its first three channels; ``prior``: the
    output before, warped to this frame (zeros for a first frame); ``certainty``: (N, 1, H, W) as
    the network saw it, after the min filter; ``reliable``: before it.
    """

    frame: Tensor
    seen: Tensor
    prior: Tensor
    certainty: Tensor
    reliable: Tensor
    output: Tensor


@dataclass(frozen=True)
class Recurrence:
    """How a network is run over a sequence.

    ``min_filter``: odd width of the window that shrinks certainty; ``fill``: of ``FILLS``, what
    the network sees where it has no prior; ``through_time``: gradients reach every step and
    not the last only; ``settle``: the most times that a sequence's first frame is painted again
    with its own painting as prior, so that the steps start from what long videos come to, and not
    only from what a prior-less network paints; ``first_network``: image network that paints
    first frames, None: the network itself.
    """

    min_filter: int = 7
    fill: str = "mean"
    through_time: bool = False
    settle: int = 0
    first_network: nn.Module | None = None

    def __call__(self, network: Network, batch: Batch, seed: int) -> list[Step]:
        """Paint a batch of sequences; ``seed`` decides what fills.

        Ruder et al. 2018, sec. 5.2 (REFERENCE E2) for the video network (7 channels). An image
        network (3) paints every frame alone. A recurrent one (6; Xu et al. 2021) sees the output
        before as it is, zeros at first.
        """
        random = np.random.default_rng(seed)
        fill = filling(self.fill, random)
        count = len(batch.flows)
        steps = [self._first(network, batch.frames[0], fill, alone=count == 0)]
        if count and self.settle and network.in_channels > 3:
            steps[0] = self._settled(network, steps[0], int(random.integers(self.settle + 1)), fill)
        drift = torch.zeros(()) if not count else torch.zeros_like(batch.flows[0])
        for k in range(count):
            learning = torch.is_grad_enabled() and (self.through_time or k == count - 1)
            frame, flow, reliable = batch.frames[k + 1], batch.flows[k], batch.certainties[k]
            before = steps[-1].output if self.through_time else steps[-1].output.detach()
            prior = warp(before, flow)
            drift = _drifted(drift, flow, reliable)
            certainty = shrink(reliable, self.min_filter)
            with torch.set_grad_enabled(learning):
                x = input_for(network.in_channels, frame, prior, certainty, before, fill, drift)
                steps.append(Step(frame, x, prior, certainty, reliable, network(x).float()))
        return steps

    def _first(self, network: Network, frame: Tensor, fill: Filling | None, alone: bool) -> Step:
        nothing = torch.zeros_like(frame)
        unknown = torch.zeros_like(frame[:, :1])
        learning = torch.is_grad_enabled() and (self.through_time or alone)
        if self.first_network is not None and not alone:
            x = frame
            with torch.no_grad():
                output = self.first_network(x)
        else:
            with torch.set_grad_enabled(learning):
                x = input_for(network.in_channels, frame, fill=fill)
                output = network(x)
        return Step(frame, x, nothing, unknown, unknown, output.float())

    @torch.no_grad()
    def _settled(self, network: Network, step: Step, times: int, fill: Filling | None) -> Step:
        """The first step after painting a still picture this often; gradients stay out of it."""
        reliable = torch.ones_like(step.certainty)
        reliable[..., -1, :] = reliable[..., :, -1] = 0  # as the consistency check has it
        certainty = shrink(reliable, self.min_filter)
        output = step.output
        for _ in range(times):
            x = input_for(network.in_channels, step.frame, output, certainty, output, fill)
            output = network(x).float()
        return replace(step, output=output) if times else step


def _drifted(drift: Tensor, flow: Tensor, reliable: Tensor) -> Tensor:
    """See ``State.drift``: the way (N, H, W, 2) of what is seen, through all flows so far."""
    way = flow + warp(drift.movedim(3, 1), flow).movedim(1, 3)
    return torch.where(reliable.movedim(1, 3) > 0.5, way, 0.0)


def shrink(certainty: Tensor, width: int) -> Tensor:
    """Min filter of (N, 1, H, W) with a window of odd ``width``; borders see the picture only."""
    return -torch.nn.functional.max_pool2d(-certainty, width, 1, width // 2)
