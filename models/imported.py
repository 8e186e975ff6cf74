"""Weights of the PyTorch port of fast-artistic-videos, recognised by their shapes."""

import pickle
import re
import zipfile
from pathlib import Path

import torch
from torch import Tensor

from brushflow.errors import BrushflowError
from brushflow.models.network import StyleNetwork, build

# The port numbers its modules as one nn.Sequential: 0 padding, 1 convolution, 2 norm, 3 ReLU, ...
_BLOCK_PARTS = {"0.0.0": "conv1", "0.0.1": "norm1", "0.0.3": "conv2", "0.0.4": "norm2"}


def network_from_port(path: Path) -> StyleNetwork:
    """Build the network whose weights a ``.pth`` file of the port holds.

    The architecture is read off the shapes, so the port's networks of other widths or with
    another number of residual blocks load as well. BrushflowError if the file holds anything
    else; nothing in it is executed.
    """
    state = _read_state(path)
    problem = BrushflowError(
        f"{path} does not hold the weights of a stylization network in a layout known here."
    )
    modules: dict[int, dict[str, Tensor]] = {}
    for key, tensor in state.items():
        match = re.fullmatch(r"(\d{1,3})\.(.+)", key)
        if match is None:
            raise problem
        modules.setdefault(int(match[1]), {})[match[2]] = tensor
    try:
        arch, renamed, in_channels = _translate(modules)
        network = build(arch, in_channels)
        network.load_state_dict(renamed)
    except (BrushflowError, KeyError, RuntimeError, IndexError, ValueError) as error:
        raise problem from error
    return network.eval()


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


def _read_state(path: Path) -> dict[str, Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (
        pickle.UnpicklingError,
        zipfile.BadZipFile,
        RuntimeError,
        EOFError,
        OSError,
        ValueError,
        KeyError,
        AttributeError,
        IndexError,
        TypeError,
    ) as error:
        raise BrushflowError(f"{path} is not a file of PyTorch weights.") from error
    tensors = (
        isinstance(state, dict)
        and state
        and all(isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items())
    )
    if not tensors:
        raise BrushflowError(f"{path} is not a file of PyTorch weights.")
    return state
