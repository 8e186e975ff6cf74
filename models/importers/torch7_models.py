"""Networks of the original programs, fast-artistic-videos and fast-neural-style (Torch 7).

A checkpoint is a table whose entry ``model`` is a row of layers. They spell out what an
architecture string says in short, so the string, the padding type, the norm and the constant of
the tanh are read off them; the input channels tell a video network (7) from an image network (3).
"""

from typing import Any

import torch
from torch import Tensor

from brushflow.models.importers.torch7 import Layer
from brushflow.models.importers.torch7_layers import NORMS, Convolution, Row, modules, number, whole
from brushflow.models.network import StyleNetwork, build
from brushflow.models.weights import network_from_state


def detect(checkpoint: Any) -> bool:
    """Whether there are layers, alone or in the checkpoint's entry ``model``."""
    return isinstance(_model(checkpoint), Layer)


def load(checkpoint: Any) -> StyleNetwork:
    """Build the network; ValueError or UsageError names a layer that cannot be had here."""
    options = checkpoint.get("opt") if isinstance(checkpoint, dict) else None
    preprocessing = options.get("preprocessing", "vgg") if isinstance(options, dict) else "vgg"
    row = Row(_model(checkpoint))
    if row.pools:
        raise ValueError("it is a VGG, which judges pictures and paints none")
    return _Translation(row, preprocessing).network()


def _model(checkpoint: Any) -> Any:
    return checkpoint.get("model") if isinstance(checkpoint, dict) else checkpoint


class _Translation:
    """From a row of layers to an architecture string and weights; ValueError for what has none."""

    def __init__(self, row: Row, preprocessing: str) -> None:
        self._row = row
        self._preprocessing = preprocessing
        self._arch: list[str] = []
        self._weights: dict[str, Tensor] = {}
        self._place = 0  # index in StyleNetwork.layers
        self._in_channels = 0
        self._norms: set[str] = set()
        # Padding types under which all layers so far mean what they say; the first one is taken.
        self._types = ["zero", "reflect", "replicate", "reflect-start"]

    def network(self) -> StyleNetwork:
        """Translate all layers and build the network."""
        start = self._row.take_start_padding()
        if start:
            self._only("reflect-start", name="the padding before the first layer")
        while self._row.kind() not in ("Tanh", "MulConstant", "end"):
            self._element()
        constant = self._tanh_constant()
        self._row.take_end()
        if not self._in_channels or len(self._norms) > 1:
            raise ValueError("its layers do not make a stylization network")
        description: dict[str, Any] = {
            "arch": ",".join(self._arch),
            "in_channels": self._in_channels,
            "padding_type": self._types[0],
            "tanh_constant": constant,
            "norm": min(self._norms, default="instance"),
            "preprocessing": self._preprocessing,
        }
        with torch.device("meta"):
            taken = build(**description).start_padding
        if start != taken:
            raise ValueError(
                f"it pads the picture by {start} pixels before the first layer, and its blocks "
                f"take {taken} away"
            )
        return network_from_state(self._weights, **description)

    def _tanh_constant(self) -> float:
        """What the tanh is multiplied with; 0 if there is none."""
        if self._row.kind() != "Tanh":
            return 0.0
        self._row.take("Tanh")
        if self._row.kind() != "MulConstant":
            return 1.0
        name, layer = self._row.name, self._row.take("MulConstant")
        constant = number(layer, "constant_scalar")
        if not constant > 0:
            raise ValueError(f"{name} multiplies by {constant}")
        return constant

    def _element(self) -> None:
        """Translate the layers that one element of an architecture string stands for."""
        kind = self._row.kind()
        if kind == "ConcatTable":
            self._residual_block()
            return
        if kind == "SpatialUpSamplingNearest":
            factor = whole(self._row.take(kind), "scale_factor")
            has_norm = self._row.kind() in NORMS
            self._add(f"{'U' if has_norm else 'N'}{factor}")
            if has_norm:
                self._norm_and_relu()
            return
        transposed = kind == "SpatialFullConvolution"
        row = self._row
        convolution = row.take_full_convolution() if transposed else row.take_convolution()
        self._in_channels = self._in_channels or convolution.channels
        if convolution.padding == "none":
            self._block_without_skip(convolution)
            return
        self._add(self._text(convolution), {"": convolution.weights})
        if self._row.kind() in NORMS:
            self._norm_and_relu()
        elif self._row.kind() not in ("Tanh", "MulConstant", "end"):
            raise ValueError(f"{convolution.name} has no normalization after it")

    def _text(self, convolution: Convolution) -> str:
        """What a convolution is called, which also tells something of the padding type."""
        kernel, stride, filters = convolution.kernel, convolution.stride, convolution.filters
        halving = (kernel, stride) == (3, 2)
        if convolution.enlarges:
            return f"u{filters}" if halving else f"f{kernel}s{stride}-{filters}"
        if convolution.padding != "zero":
            self._only(convolution.padding, name=convolution.name)
        elif halving:
            return f"d{filters}"
        elif kernel > 1:
            self._only("zero", "reflect-start", name=convolution.name)
        return f"c{kernel}s{stride}-{filters}"

    def _residual_block(self) -> None:
        name = self._row.name
        branches = modules(self._row.take("ConcatTable"))
        self._row.take("CAddTable")
        if len(branches) != 2:
            raise ValueError(f"{name} has {len(branches)} branches instead of 2")
        inside, skip = (Row(branch, f"{name}, layer") for branch in branches)
        first = inside.take_convolution()
        weights: dict[str, dict[str, Tensor]] = {}
        padding = self._block(inside, first, weights)
        inside.take_end()
        crop = whole(skip.take("ShaveImage"), "size") if skip.kind() != "end" else 0
        skip.take_end()
        if crop != (2 if padding == "none" else 0):
            raise ValueError(f"{name} adds pictures of different sizes")
        self._only("reflect-start" if padding == "none" else padding, name=name)
        self._add(f"R{first.filters}", weights)

    def _block_without_skip(self, first: Convolution) -> None:
        """A ``C``; with other paddings it is two ``c``, which compute the same."""
        weights: dict[str, dict[str, Tensor]] = {}
        self._block(self._row, first, weights)
        self._row.take("ReLU")
        self._only("reflect-start", name=first.name)
        self._add(f"C{first.filters}", weights)

    def _block(self, row: Row, first: Convolution, weights: dict[str, dict[str, Tensor]]) -> str:
        """What follows the first convolution of a block; returns the padding of both."""
        norms = [row.take_norm()]
        row.take("ReLU")
        second = row.take_convolution()
        norms.append(row.take_norm())
        for convolution in (first, second):
            if (convolution.kernel, convolution.stride) != (3, 1):
                raise ValueError(f"{convolution.name} is not of kernel 3 and stride 1")
        if first.padding != second.padding or first.filters != second.filters:
            raise ValueError(f"{second.name} differs from the first one of its block")
        for index, (kind, parameters) in enumerate(norms, start=1):
            self._norms.add(kind)
            weights[f"norm{index}."] = parameters
        weights |= {"conv1.": first.weights, "conv2.": second.weights}
        return first.padding

    def _norm_and_relu(self) -> None:
        kind, parameters = self._row.take_norm()
        self._row.take("ReLU")
        self._norms.add(kind)
        self._keep({"": parameters})
        self._place += 2

    def _add(self, text: str, weights: dict[str, dict[str, Tensor]] | None = None) -> None:
        self._arch.append(text)
        self._keep(weights or {})
        self._place += 1

    def _keep(self, weights: dict[str, dict[str, Tensor]]) -> None:
        for part, parameters in weights.items():
            for name, tensor in parameters.items():
                self._weights[f"layers.{self._place}.{part}{name}"] = tensor

    def _only(self, *types: str, name: str) -> None:
        """Keep those padding types that fit another layer as well."""
        self._types = [known for known in self._types if known in types]
        if not self._types:
            raise ValueError(f"{name} pads otherwise than the layers before it")
