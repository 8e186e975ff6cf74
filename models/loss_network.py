"""VGG feature extractors for perceptual losses (Simonyan & Zisserman 2015; Gatys et al. 2016)."""

import re
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from brushflow.errors import BrushflowError, UsageError


class LossNetwork(nn.Module):
    """The activations of a VGG network at named layers, e.g. ``relu1_2`` or ``relu3_3``.

    Input float32 (N, 3, H, W) in network space (BGR, 0–255, minus the mean), as the Caffe
    weights expect; output a dict from layer name to (N, C, H', W'). Weights are frozen and
    layers after the last one asked for are left out.
    """

    def __init__(self, weights: Path | str, layers: Sequence[str]) -> None:
        super().__init__()
        state = _read_weights(Path(weights))
        modules = _modules(state)
        missing = [layer for layer in layers if layer not in modules]
        if missing:
            has = ", ".join(name for name in modules if name.startswith("relu"))
            raise UsageError(f"{weights} has no layer {missing[0]!r}; it has {has}.")
        names = list(modules)
        last = max(names.index(layer) for layer in layers)
        self.names = names[: last + 1]
        self.wanted = frozenset(layers)
        self.layers = nn.ModuleList(modules[name] for name in self.names)
        # Measured on the CPU: convolutions forward and back take a quarter less time this way.
        self.requires_grad_(False).to(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        activations: dict[str, Tensor] = {}
        x = x.contiguous(memory_format=torch.channels_last)
        for name, layer in zip(self.names, self.layers, strict=True):
            x = layer(x)
            if name in self.wanted:
                activations[name] = x
        return activations


def gram_matrix(features: Tensor) -> Tensor:
    """(N, C, H, W) to (N, C, C): F·Fᵀ / (C·H·W) (Johnson et al. 2016, eq. 3)."""
    n, c, h, w = features.shape
    flat = features.reshape(n, c, h * w)
    return flat @ flat.transpose(1, 2) / (c * h * w)


def _read_weights(path: Path) -> dict[int, tuple[Tensor, Tensor]]:
    """Weights and biases of the convolutions by their index in torchvision's ``features``."""
    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
        indices = sorted(
            int(match[1])
            for key in state
            if (match := re.fullmatch(r"features\.(\d+)\.weight", key))
        )
        weights = {
            i: (state[f"features.{i}.weight"].float(), state[f"features.{i}.bias"].float())
            for i in indices
        }
        if indices[0] != 0 or weights[0][0].shape != (64, 3, 3, 3):
            raise KeyError("features.0")
    except FileNotFoundError as error:
        raise BrushflowError(f"There is no file {path} with the loss network's weights.") from error
    except (SafetensorError, OSError, RuntimeError, KeyError, IndexError, ValueError) as error:
        raise BrushflowError(
            f"{path} does not hold VGG weights under torchvision's names (features.0.weight, …)."
        ) from error
    except Exception as error:  # an unpickler meets anything
        raise BrushflowError(f"{path} is not a file of PyTorch weights.") from error
    return weights


def _modules(weights: dict[int, tuple[Tensor, Tensor]]) -> dict[str, nn.Module]:
    """Name every module. Indices tell where the pooling is: conv, ReLU (, pool), conv, …"""
    modules: dict[str, nn.Module] = {}
    block, place, previous = 1, 0, -2
    for index, (weight, bias) in weights.items():
        if index - previous == 3:
            modules[f"pool{block}"] = nn.MaxPool2d(2)
            block, place = block + 1, 0
        place, previous = place + 1, index
        convolution = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)
        convolution.weight.data.copy_(weight)
        convolution.bias.data.copy_(bias)
        modules[f"conv{block}_{place}"] = convolution
        # Not in place: the activation before it may be one that somebody asked for.
        modules[f"relu{block}_{place}"] = nn.ReLU()
    return modules
