"""Weights of the PyTorch port of fast-artistic-videos.

It numbers its modules as one nn.Sequential: 0 padding, 1 convolution, 2 norm, 3 ReLU, and so on;
a residual block keeps its parts under ``<number>.0.0.``. The architecture is read off the shapes,
so networks of other widths or with another number of residual blocks load as well.
"""

import re

from torch import Tensor

from brushflow.models.network import StyleNetwork
from brushflow.models.weights import network_from_state

_BLOCK_PARTS = {"0.0.0": "conv1", "0.0.1": "norm1", "0.0.3": "conv2", "0.0.4": "norm2"}


def detect(state: dict[str, Tensor]) -> bool:
    """Whether all names begin with a number."""
    return all(re.fullmatch(r"[0-9]{1,3}\..+", name) for name in state)


def load(state: dict[str, Tensor]) -> StyleNetwork:
    """Build the network; KeyError, IndexError, ValueError or UsageError if the layout differs."""
    modules: dict[int, dict[str, Tensor]] = {}
    for name, tensor in state.items():
        number, _, rest = name.partition(".")
        modules.setdefault(int(number), {})[rest] = tensor
    arch, renamed, in_channels = _translate(modules)
    return network_from_state(renamed, arch, in_channels=in_channels)


def _translate(modules: dict[int, dict[str, Tensor]]) -> tuple[str, dict[str, Tensor], int]:
    """The architecture string, the state dict under our names, and the input channels."""
    arch: list[str] = []
    renamed: dict[str, Tensor] = {}
    ours = 0  # index in StyleNetwork.layers
    in_channels = 0
    for index in sorted(modules):
        parts = modules[index]
        if "0.0.0.weight" in parts:
            for key, tensor in parts.items():
                place, _, name = key.rpartition(".")
                renamed[f"layers.{ours}.{_BLOCK_PARTS[place]}.{name}"] = tensor
            arch.append(f"R{parts['0.0.0.weight'].shape[0]}")
            ours += 1
        elif parts["weight"].ndim == 4:
            filters, channels, kernel, _ = parts["weight"].shape
            if ours == 0:
                in_channels = channels
            # Between first convolution and blocks the port has only halving 3×3 convolutions.
            halves = kernel == 3 and not any(layer[0] in "RU" for layer in arch)
            arch.append(f"d{filters}" if halves else f"c{kernel}s1-{filters}")
            renamed |= {f"layers.{ours}.{name}": tensor for name, tensor in parts.items()}
            ours += 1
        else:
            if index - 1 not in modules:  # a norm after a parameterless layer: the enlargement
                arch.append("U2")
                ours += 1
            renamed |= {f"layers.{ours}.{name}": tensor for name, tensor in parts.items()}
            ours += 2  # the norm and its ReLU
    return ",".join(arch), renamed, in_channels
