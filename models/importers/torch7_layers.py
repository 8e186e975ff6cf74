"""Rows of Torch 7 layers, taken one after another and checked."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from brushflow.models.importers.torch7 import Layer, T7Tensor

NORMS = {"InstanceNormalization": "instance", "SpatialBatchNormalization": "batch"}
CONVOLUTIONS = ("SpatialConvolution", "SpatialConvolutionMM")
PADDINGS = {"SpatialReflectionPadding": "reflect", "SpatialReplicationPadding": "replicate"}
POOLS = ("SpatialMaxPooling", "SpatialAveragePooling")
_NOTHING = ("TotalVariation", "Identity")  # leave a picture as it is
_EPS = 1e-5  # of every norm, here and in the original programs
_MOST_LAYERS = 1000
_LARGEST = 4096


@dataclass(frozen=True)
class Convolution:
    """A convolution with the padding before it.

    ``padding``: "zero", "reflect" or "replicate" if it keeps the place of the picture, "none" if
    there is none although the kernel is wider than a pixel. ``enlarges``: it is a transposed one.
    """

    name: str
    kernel: int
    stride: int
    padding: str
    filters: int
    channels: int
    weights: dict[str, Tensor]
    enlarges: bool = False


class Row:
    """Layers in the order in which they work; the next one is looked at or taken.

    Sequences inside a sequence are laid out, layers without effect are left out. ValueError, with
    the layer's place in the row, for whatever is not as asked for.
    """

    def __init__(self, layer: Layer, title: str = "layer") -> None:
        self._layers: list[Layer] = []
        self._title = title
        self._next = 0
        # A sequence may hold itself, so none is followed further than a network goes.
        waiting = [layer]
        steps = 0
        while waiting:
            steps += 1
            if steps + len(waiting) > _MOST_LAYERS:
                raise ValueError(f"it has more than {_MOST_LAYERS} layers")
            layer = waiting.pop()
            if layer.kind == "Sequential":
                waiting += reversed(modules(layer))
            elif layer.kind not in _NOTHING:
                self._layers.append(layer)

    def kind(self, ahead: int = 0) -> str:
        """Class of the next layer, or of one after it; "end" behind the last one."""
        place = self._next + ahead
        return self._layers[place].kind if place < len(self._layers) else "end"

    @property
    def pools(self) -> bool:
        """Whether it holds a pooling layer, as networks that judge pictures do."""
        return any(layer.kind in POOLS for layer in self._layers)

    @property
    def name(self) -> str:
        """What messages call the next layer."""
        if self.kind() == "end":
            return "the end"
        return f"{self._title} {self._next + 1} ({self.kind()})"

    def take(self, *kinds: str) -> Layer:
        """The next layer, which must be one of these."""
        if self.kind() == "end" or self.kind() not in kinds:
            raise ValueError(f"{self.name} comes where {' or '.join(kinds)} is expected")
        self._next += 1
        return self._layers[self._next - 1]

    def take_end(self) -> None:
        """Nothing may follow."""
        if self.kind() != "end":
            raise ValueError(f"{self.name} comes where the end is expected")

    def take_start_padding(self) -> int:
        """Pixels of reflection at the beginning that belong to no convolution."""
        if self.kind() != "SpatialReflectionPadding" or self.kind(1) == "end":
            return 0
        width, second = _border(self._layers[0]), self._layers[1]
        plain = second.kind in CONVOLUTIONS and square(second, "pad") == 0
        if plain and width == (square(second, "k") - 1) // 2:
            return 0
        self._next += 1
        return width

    def take_convolution(self) -> Convolution:
        """The next convolution, and the padding layer before it if there is one."""
        name = self.name
        padding = self.take(*PADDINGS) if self.kind() in PADDINGS else None
        layer = self.take(*CONVOLUTIONS)
        kernel, stride, own = square(layer, "k"), square(layer, "d"), square(layer, "pad")
        width = own if padding is None else _border(padding)
        half = (kernel - 1) // 2
        if kernel % 2 == 0 or (padding is not None and own) or width not in (0, half):
            raise ValueError(f"{name} moves or crops the picture")
        mode = "zero" if padding is None else PADDINGS[padding.kind]
        weight = _array(layer, "weight", name)
        if weight.ndim == 2:  # laid out for a matrix product
            channels = whole(layer, "nInputPlane")
            if weight.shape[1] != channels * kernel * kernel:
                raise ValueError(f"{name} has weights of another size than it says")
            weight = weight.reshape(-1, channels, kernel, kernel)
        if weight.ndim != 4 or weight.shape[2:] != (kernel, kernel):
            raise ValueError(f"{name} has weights of another size than it says")
        filters, channels = weight.shape[:2]
        return Convolution(
            name,
            kernel,
            stride,
            mode if width == half else "none",
            filters,
            channels,
            _parameters(layer, weight, filters, name),
        )

    def take_full_convolution(self) -> Convolution:
        """The next transposed convolution, which must enlarge by its stride exactly."""
        name, layer = self.name, self.take("SpatialFullConvolution")
        kernel, stride = square(layer, "k"), square(layer, "d")
        weight = _array(layer, "weight", name)
        if weight.ndim != 4 or weight.shape[2:] != (kernel, kernel):
            raise ValueError(f"{name} has weights of another size than it says")
        exact = square(layer, "pad") == (kernel - 1) // 2 and square(layer, "adj") == stride - 1
        if kernel % 2 == 0 or not exact:
            raise ValueError(f"{name} does not enlarge the picture by its stride {stride} exactly")
        channels, filters = weight.shape[:2]
        parameters = _parameters(layer, weight, filters, name)
        return Convolution(name, kernel, stride, "zero", filters, channels, parameters, True)

    def take_norm(self) -> tuple[str, dict[str, Tensor]]:
        """The next normalization: "instance" or "batch", and its parameters."""
        name, layer = self.name, self.take(*NORMS)
        eps = number(layer, "eps")
        kind = NORMS[layer.kind]
        if kind == "instance":
            if abs(eps - _EPS) > 1e-3 * _EPS:
                raise ValueError(f"{name} has the eps {eps} instead of {_EPS}")
            weight = _array(layer, "weight", name)
            return kind, _parameters(layer, weight, weight.size, name)
        mean = _array(layer, "running_mean", name)
        # Only the sum of variance and eps counts.
        variance = _array(layer, "running_var", name) + np.float32(eps - _EPS)
        scale = layer.fields.get("weight")
        weight = _array(layer, "weight", name) if scale is not None else np.ones_like(mean)
        return kind, _parameters(layer, weight, weight.size, name) | {
            "running_mean": torch.from_numpy(mean),
            "running_var": torch.from_numpy(variance),
            "num_batches_tracked": torch.tensor(0),
        }


def modules(container: Layer) -> list[Layer]:
    """What a container holds, in its order."""
    table = container.fields.get("modules")
    if not isinstance(table, dict):
        raise ValueError(f"a {container.kind} has no table of modules")
    entries = [table.get(index) for index in range(1, len(table) + 1)]
    layers = [entry for entry in entries if isinstance(entry, Layer)]
    if len(layers) < len(entries):
        raise ValueError(f"a {container.kind} holds something else than layers")
    return layers


def number(layer: Layer, field: str, default: float | None = None) -> float:
    """A number that a layer has."""
    value = layer.fields.get(field, default)
    if not isinstance(value, float):
        raise ValueError(f"a {layer.kind} has no number {field!r}")
    return value


def square(layer: Layer, field: str) -> int:
    """A number that is the same for width (``kW``) and height (``kH``)."""
    # Layers from before paddings and adjustments have no field for them.
    default = 0.0 if field in ("pad", "adj") else None
    width = whole(layer, f"{field}W", default)
    if width != whole(layer, f"{field}H", default):
        raise ValueError(f"a {layer.kind} is not the same in width and height")
    return width


def whole(layer: Layer, field: str, default: float | None = None) -> int:
    """A whole number that a layer has, from 0 to 4096."""
    value = number(layer, field, default)
    if not (0 <= value <= _LARGEST and value == int(value)):
        raise ValueError(f"a {layer.kind} has {field} {value}")
    return int(value)


def _border(padding: Layer) -> int:
    widths = {whole(padding, f"pad_{side}") for side in "lrtb"}
    if len(widths) != 1:
        raise ValueError(f"a {padding.kind} is not the same on all sides")
    return widths.pop()


def _array(layer: Layer, field: str, name: str) -> np.ndarray:
    value: Any = layer.fields.get(field)
    if not isinstance(value, T7Tensor):
        raise ValueError(f"{name} has no tensor {field!r}")
    return value.take()


def _parameters(layer: Layer, weight: np.ndarray, count: int, name: str) -> dict[str, Tensor]:
    """Weight and bias, which a layer may lack."""
    has_bias = layer.fields.get("bias") is not None
    bias = _array(layer, "bias", name) if has_bias else np.zeros(count, np.float32)
    return {"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)}
