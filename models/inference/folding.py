"""The network rewritten for inference: the same picture for a fraction of the work.

- An enlargement followed by norm, ReLU and a convolution becomes norm and ReLU at the small size
  (both commute with repeating pixels) and one sub-pixel convolution, see ``subpixel``.
- Batch norm becomes part of the convolution before it.
- What stands between two convolutions is one pass over memory, which also writes the padding that
  the next one needs, see ``kernels.finish``.
- Of the last layer only the pixels that remain after cropping are computed.
"""

from typing import cast

import torch
from torch import Tensor, nn

from brushflow.models.inference.cuda_graph import Graphed
from brushflow.models.inference.kernels import Norm, finish, has_transforms
from brushflow.models.inference.steps import (
    Block,
    Convolution,
    Enlargement,
    Step,
    TransposedConvolution,
)
from brushflow.models.network import (
    ConvBlock,
    InterpolatedConv2d,
    Norm2d,
    StyleNetwork,
    factor_of,
    pad,
)
from brushflow.models.preprocessing import as_network_space, prepared_as


class FoldedNetwork(nn.Module):
    """Computes what a ``StyleNetwork`` computes in evaluation mode; made by ``fold``.

    Input float32 (N, in_channels, H, W), output float32 (N, 3, H, W), as there. For inference
    only: its weights are buffers, and no gradient flows.
    """

    def __init__(self, network: StyleNetwork, transforms: bool, shared: bool = False) -> None:
        super().__init__()
        self.shared = shared
        self.arch = network.arch
        self.in_channels = network.in_channels
        self.tanh_constant = network.tanh_constant
        self.margin = network.margin
        self.start_padding = network.start_padding
        self.multiple = network.multiple
        self.preprocessing = network.preprocessing
        self.steps = nn.ModuleList(_steps(list(network.layers), transforms))
        for norm in self.modules():
            if isinstance(norm, Norm):
                norm.shared = shared
        # The norm behind the first convolution takes away what a constant adds. Rounding errors
        # are in proportion to it, though, and the norm of a black frame would make a pattern of
        # them. With zeros at the border a constant is not without effect.
        first = self.steps[0]
        self.centred = (
            isinstance(first, Convolution) and first.norm is not None and first.want.width > 0
        )

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        top = left = self.margin
        x = prepared_as(self.preprocessing, x)
        if self.centred:
            x = x - x.mean((0, 2, 3) if self.shared else (2, 3), keepdim=True)
        y, skip = pad(x, self.start_padding + self.margin, self.multiple), None
        norm, relu = None, False
        steps = cast("list[Step]", list(self.steps))  # a ModuleList is one of any modules
        last = steps[-1]
        for step in steps:
            want = step.want
            if step is last:
                want = step.want_part((y.shape[-2], y.shape[-1]), (top, left, height, width))
            x = finish(y, norm, relu, skip, want)
            y, skip = step(x, want)
            norm, relu = step.norm, step.relu
        y = finish(y, norm, relu, skip)
        if want.part:
            top, left = top % last.factor, left % last.factor
        if self.tanh_constant:
            y = y.tanh_().mul_(self.tanh_constant)
        y = as_network_space(self.preprocessing, y)
        return y[..., top : top + height, left : left + width]


def for_inference(
    network: nn.Module, device: torch.device, precision: str, shared: bool = False
) -> nn.Module:
    """The same network folded, which is several times faster; other modules as they are.

    ``shared``: what is painted at once are parts of one picture, see ``fold``.

    On CUDA it is started as a whole, see ``cuda_graph``.
    """
    network = network.to(device).eval()
    if not isinstance(network, StyleNetwork):
        return network
    folded = fold(network, precision == "fp32", shared)
    return Graphed(folded) if device.type == "cuda" else folded


def fold(network: StyleNetwork, transforms: bool = True, shared: bool = False) -> FoldedNetwork:
    """Rewrite ``network``, as it is in evaluation mode, for inference where it lies now.

    ``transforms``: on a CPU that can, convolve in the transformed domain, see ``kernels``.
    ``shared``: the pictures of a batch are parts of one, with one mean and deviation for each
    channel; else every picture is painted by itself.
    """
    cpu = next(network.parameters()).device.type == "cpu"
    return FoldedNetwork(network, transforms and cpu and has_transforms(), shared).eval()


def _steps(modules: list[nn.Module], transforms: bool) -> list[Step]:
    """The layers of a ``StyleNetwork``, each with the norm and ReLU behind it."""
    steps: list[Step] = []
    factor = 1
    while modules:
        layer = modules.pop(0)
        norm: Norm2d | None = None
        if modules and isinstance(modules[0], nn.InstanceNorm2d | nn.BatchNorm2d):
            norm = modules[0]
            del modules[:2]
        relu = norm is not None
        if isinstance(layer, nn.Upsample):
            if norm is not None:
                steps.append(Step(norm, relu))
            factor *= factor_of(layer)
            continue
        # What is made up beyond the border of an enlarged picture is none of the small one's.
        foldable = factor == 1 or not isinstance(layer, InterpolatedConv2d)
        if isinstance(layer, nn.Conv2d) and layer.stride == (1, 1) and foldable:
            steps.append(Convolution(layer, norm, relu, transforms, factor))
            factor = 1
            continue
        if factor > 1:
            steps.append(Enlargement(factor))
            factor = 1
        if isinstance(layer, ConvBlock):
            steps.append(Block(layer, transforms))
        elif isinstance(layer, nn.Conv2d):
            steps.append(Convolution(layer, norm, relu, transforms))
        elif isinstance(layer, nn.ConvTranspose2d):
            steps.append(TransposedConvolution(layer, norm, relu))
        else:
            raise TypeError(f"{type(layer).__name__} has no counterpart here")
    return steps
