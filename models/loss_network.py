"""VGG feature extractors for perceptual losses (Simonyan & Zisserman 2015; Gatys et al. 2016)."""

import re
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from brushflow.common.downloads import download_file
from brushflow.common.errors import BrushflowError, UsageError
from brushflow.common.tensor_files import not_finite, read_weights
from brushflow.common.torchvision_import import import_torchvision
from brushflow.models.loss_network_t7 import read_vgg_t7

# Files that torchvision publishes, by the start of their name, take RGB; here is the scale of one
# grey level in each channel (REFERENCE E6). Files of other names take network space. The means
# that are subtracted are ours to a hundredth of a grey level, or to 0.7 for the first of these.
_PUBLISHED = {
    "vgg16_features-amdegroot": (1.0, 1.0, 1.0),
    "vgg16-397923af": (1 / (255 * 0.229), 1 / (255 * 0.224), 1 / (255 * 0.225)),
    "vgg19-dcbb9e9d": (1 / (255 * 0.229), 1 / (255 * 0.224), 1 / (255 * 0.225)),
}
_DOWNLOADED = {
    "vgg16": ("VGG16_Weights", "IMAGENET1K_FEATURES"),
    "vgg19": ("VGG19_Weights", "IMAGENET1K_V1"),
}
_WHAT = "the loss network's weights"
POOLINGS = ("max", "average")


class LossNetwork(nn.Module):
    """The activations of a VGG network at named layers, e.g. ``relu1_2`` or ``relu3_3``.

    Input float32 (N, 3, H, W) in network space (BGR, 0–255, minus the mean), as the Caffe
    weights expect; output a dict from layer name to (N, C, H', W'). Weights are frozen and
    layers after the last one asked for are left out.

    Args:
        weights: a file with a VGG's weights under torchvision's names, whole or its first layers;
            the original programs' ``vgg16.t7``; or ``"vgg16"``, ``"vgg19"``: torchvision's own,
            downloaded on first use (for VGG-16 the Caffe weights of the papers).
        layers: names, or numbers as the original programs count: convolutions, ReLUs and pools
            from 1, so that 4, 9, 16, 23 are relu1_2, relu2_2, relu3_3, relu4_3 of VGG-16.
        pooling: "max", or "average" (Gatys et al. 2016).
    """

    def __init__(self, weights: Path | str, layers: Sequence[str], pooling: str = "max") -> None:
        super().__init__()
        if pooling not in POOLINGS:
            raise UsageError(f"There is no pooling {pooling!r}; choose {' or '.join(POOLINGS)}.")
        modules = _modules(*_read_weights(weights), pooling)
        self.names = list(modules)
        self.wanted = [self._name(layer, weights) for layer in layers]
        self.names = self.names[: 1 + self._last(self.wanted)]
        self.layers = nn.ModuleList(modules[name] for name in self.names)
        # Measured on the CPU: convolutions forward and back take a quarter less time this way.
        self.requires_grad_(False)
        # PyTorch documents this argument, and its stubs leave it out.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor, layers: Sequence[str] | None = None) -> dict[str, Tensor]:
        """Activations at ``layers``, by default at all that the network was made for."""
        wanted = self.wanted if layers is None else layers
        activations: dict[str, Tensor] = {}
        x = x.contiguous(memory_format=torch.channels_last)
        end = 1 + self._last(wanted)
        for name, layer in zip(self.names[:end], self.layers[:end], strict=True):
            x = layer(x)
            if name in wanted:
                activations[name] = x
        return activations

    def _name(self, layer: str, weights: Path | str) -> str:
        if layer.isdecimal() and 1 <= int(layer) <= len(self.names):
            return self.names[int(layer) - 1]
        if layer in self.names:
            return layer
        has = ", ".join(name for name in self.names if name.startswith("relu"))
        raise UsageError(f"{weights} has no layer {layer!r}; it has {has}.")

    def _last(self, layers: Sequence[str]) -> int:
        return max(self.names.index(layer) for layer in layers)


def gram_matrix(features: Tensor) -> Tensor:
    """(N, C, H, W) to (N, C, C): F·Fᵀ / (C·H·W) (Johnson et al. 2016, eq. 3)."""
    n, c, h, w = features.shape
    # Sums over a whole picture leave the range of half precision.
    with torch.autocast(features.device.type, enabled=False):
        flat = features.float().reshape(n, c, h * w)
        return flat @ flat.transpose(1, 2) / (c * h * w)


def covariance(features: Tensor) -> Tensor:
    """(N, C, H, W) to (N, C, C): how channels vary together over all places, divided by C."""
    return gram_matrix(features - features.mean(dim=(2, 3), keepdim=True))


def spatial_mean(features: Tensor) -> Tensor:
    """(N, C, H, W) to (N, C): the mean over all places."""
    return features.float().mean(dim=(2, 3))


def _read_weights(weights: Path | str) -> tuple[dict[int, tuple[Tensor, Tensor]], bool]:
    """Weights and biases of the convolutions by their index in torchvision's ``features``.

    Also whether pools round sizes up.
    """
    path = Path(weights)
    rounds_up = False
    try:
        if path.suffix.lower() == ".t7":
            found, rounds_up = read_vgg_t7(path)
            if not_finite({f"{i} {part.dim()}": part for i in found for part in found[i]}):
                raise BrushflowError(f"The VGG weights in {path} hold values that are no numbers.")
        else:
            if str(weights) in _DOWNLOADED:
                path = _download(str(weights))
            found = _convolutions(read_weights(path, _WHAT, "loss_weights", "features."))
        if found[0][0].shape != (64, 3, 3, 3):
            raise KeyError("features.0")
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise BrushflowError(
            f"{path} does not hold the weights of a VGG, as torchvision names them "
            f"(features.0.weight, …) or in the original programs' vgg16.t7."
        ) from error
    for start, scale in _PUBLISHED.items():
        if path.name.startswith(start):
            first, bias = found[0]
            found[0] = (first.mul(torch.tensor(scale).view(1, 3, 1, 1)).flip(1), bias)
    return found, rounds_up


def _convolutions(state: dict[str, Tensor]) -> dict[int, tuple[Tensor, Tensor]]:
    indices = sorted(
        int(match[1]) for key in state if (match := re.fullmatch(r"features\.(\d+)\.weight", key))
    )
    return {
        i: (state[f"features.{i}.weight"].float(), state[f"features.{i}.bias"].float())
        for i in indices
    }


def _download(name: str) -> Path:
    vgg = import_torchvision("models.vgg")
    kind, published = _DOWNLOADED[name]
    return download_file(getattr(getattr(vgg, kind), published).url, _WHAT, "loss_weights")


def _modules(
    weights: dict[int, tuple[Tensor, Tensor]], rounds_up: bool, pooling: str
) -> dict[str, nn.Module]:
    """Name every module. Indices tell where the pooling is: conv, ReLU (, pool), conv, …"""
    modules: dict[str, nn.Module] = {}
    block, place, previous = 1, 0, -2
    for index, (weight, bias) in weights.items():
        if index - previous == 3:
            kind = nn.MaxPool2d if pooling == "max" else nn.AvgPool2d
            modules[f"pool{block}"] = kind(2, ceil_mode=rounds_up)
            block, place = block + 1, 0
        place, previous = place + 1, index
        convolution = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)
        convolution.load_state_dict({"weight": weight, "bias": bias})
        modules[f"conv{block}_{place}"] = convolution
        # Not in place: the activation before it may be one that somebody asked for.
        modules[f"relu{block}_{place}"] = nn.ReLU()
    return modules
