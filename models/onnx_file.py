"""Style networks as ONNX files, for programs without PyTorch.

The graph is written layer by layer: PyTorch's own exporters fix the size of the picture, or need
one more package. Input ``input`` float32 (N, in_channels, H, W), output ``output`` (N, 3, H, W),
in network space, see ``preprocessing``; N, H and W are free, H and W from 1 up.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from brushflow.common.atomic_files import atomic_path
from brushflow.common.errors import BrushflowError, UsageError
from brushflow.models.network import (
    SMALLEST_SIDE,
    ConvBlock,
    StyleNetwork,
    factor_of,
    padding_of,
)
from brushflow.models.preprocessing import as_network_space, prepared_as

if TYPE_CHECKING:
    import onnx

TOLERANCE = 0.05  # grey levels between what the file gives and what PyTorch gives
_OPSET = 18  # the first one whose Pad takes its widths by axis
_IR_VERSION = 8  # of that opset's time, so that older runtimes read it too
_SIZES = ((2, 61, 74), (1, 96, 64), (1, 7, 130))  # (N, H, W) that a file is tried with
_PAD_MODES = {"reflect": "reflect", "replicate": "edge"}


def save_onnx(network: StyleNetwork, path: Path | str) -> float:
    """Write a network, atomically, after it has been tried against PyTorch in ONNX Runtime.

    Returns the largest difference found, in grey levels.

    Raises:
        UsageError: the packages onnx and onnxruntime are missing.
        BrushflowError: the file cannot be written, or differs by more than ``TOLERANCE``.
    """
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise UsageError(
            f"ONNX files need the package {error.name}; "
            f"python -m pip install 'brushflow[onnx]' gets it."
        ) from error
    data = _Graph(network).model(onnx).SerializeToString()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    difference = max(_difference(network, session, size) for size in _SIZES)
    if not difference <= TOLERANCE:
        raise BrushflowError(
            f"The ONNX network differs from PyTorch's by {difference:.2g} grey levels, and "
            f"{TOLERANCE} are allowed; {path} was not written."
        )
    try:
        with atomic_path(path) as partial:
            partial.write_bytes(data)
    except OSError as error:
        raise BrushflowError(f"Could not write the model {path}: {error.strerror}.") from error
    return difference


@torch.no_grad()
def _difference(network: StyleNetwork, session: Any, size: tuple[int, int, int]) -> float:
    count, height, width = size
    noise = torch.Generator().manual_seed(0)
    x = 60 * torch.randn(count, network.in_channels, height, width, generator=noise)
    (found,) = session.run(None, {"input": x.numpy()})
    wanted = network(x).numpy()
    if found.shape != wanted.shape:
        return float("inf")
    return float(np.abs(found - wanted).max())


class _Graph:
    """Collects the nodes and weights of one network."""

    def __init__(self, network: StyleNetwork) -> None:
        self._network = network
        self._nodes: list[tuple[str, list[str], str, dict[str, Any]]] = []
        self._constants: dict[str, np.ndarray] = {}

    def model(self, onnx: Any) -> "onnx.ModelProto":
        """The whole model."""
        network = self._network
        last = self._picture("input")
        helper = onnx.helper
        kind = onnx.TensorProto.FLOAT
        graph = helper.make_graph(
            [helper.make_node(op, inputs, [out], **more) for op, inputs, out, more in self._nodes],
            "brushflow",
            [helper.make_tensor_value_info("input", kind, ["N", network.in_channels, "H", "W"])],
            [helper.make_tensor_value_info(last, kind, ["N", 3, "H", "W"])],
            [onnx.numpy_helper.from_array(array, n) for n, array in self._constants.items()],
        )
        model = helper.make_model(
            graph,
            producer_name="brushflow",
            ir_version=_IR_VERSION,
            opset_imports=[helper.make_opsetid("", _OPSET)],
        )
        onnx.checker.check_model(model, full_check=True)
        return model

    def _picture(self, x: str) -> str:
        """StyleNetwork.forward."""
        network = self._network
        size = self._node("Shape", [x], start=2)
        width = network.start_padding + network.margin
        smallest = self._integers(max(SMALLEST_SIDE, width + 1))
        wanted = self._node("Max", [size, smallest])
        if network.multiple > 1:
            multiple = self._integers(network.multiple)
            padded = self._node("Add", [wanted, self._integers(2 * width)])
            over = self._node("Mod", [self._node("Neg", [padded]), multiple])
            wanted = self._node("Add", [wanted, over])
        missing = self._node("Sub", [wanted, size])
        pads = self._node("Concat", [self._integers(0, 0), missing], axis=0)
        x = self._node("Pad", [self._prepared(x), pads, "", self._integers(2, 3)], mode="edge")
        x = self._pad(x, width, "reflect")
        for layer in network.layers:
            x = self._layer(layer, x)
        if network.tanh_constant:
            constant = self._constant(np.float32(network.tanh_constant))
            x = self._node("Mul", [self._node("Tanh", [x]), constant])
        if network.preprocessing != "vgg":
            x = self._linear(x, partial(as_network_space, network.preprocessing), 3)
        start = self._integers(network.margin, network.margin)
        end = self._node("Add", [size, start])
        return self._node("Slice", [x, start, end, self._integers(2, 3)], "output")

    def _prepared(self, x: str) -> str:
        network = self._network
        if network.preprocessing == "vgg":
            return x
        return self._linear(x, partial(prepared_as, network.preprocessing), network.in_channels)

    def _linear(self, x: str, change: Callable[[torch.Tensor], torch.Tensor], channels: int) -> str:
        """A change that is linear in the channels of each pixel, as a convolution."""
        base = torch.zeros(1, channels, 1, 1, dtype=torch.float64)
        shift = change(base)
        ones = torch.eye(channels, dtype=torch.float64)[..., None, None]
        weight = (change(ones) - shift).permute(1, 0, 2, 3)
        return self._node(
            "Conv", [x, self._tensor(weight.float()), self._tensor(shift.flatten().float())]
        )

    def _layer(self, layer: nn.Module, x: str) -> str:
        if isinstance(layer, nn.Conv2d):
            return self._convolution(layer, x)
        if isinstance(layer, nn.ConvTranspose2d):
            return self._node(
                "ConvTranspose",
                [x, *self._weights(layer)],
                kernel_shape=layer.kernel_size,
                strides=layer.stride,
                pads=layer.padding * 2,
                output_padding=layer.output_padding,
            )
        if isinstance(layer, nn.InstanceNorm2d):
            weights = self._weights(layer) if layer.affine else self._no_change(layer.num_features)
            return self._node("InstanceNormalization", [x, *weights], epsilon=layer.eps)
        if isinstance(layer, nn.BatchNorm2d):
            inputs = [x, *self._weights(layer), *self._statistics(layer)]
            return self._node("BatchNormalization", inputs, epsilon=layer.eps)
        if isinstance(layer, nn.ReLU):
            return self._node("Relu", [x])
        if isinstance(layer, nn.Upsample):
            factor = factor_of(layer)
            scales = self._constant(np.array([1, 1, factor, factor], np.float32))
            return self._node(
                "Resize",
                [x, "", scales],
                mode="nearest",
                coordinate_transformation_mode="asymmetric",
                nearest_mode="floor",
            )
        if isinstance(layer, ConvBlock):
            return self._block(layer, x)
        raise TypeError(f"{type(layer).__name__} has no counterpart here")

    def _block(self, block: ConvBlock, x: str) -> str:
        y = self._layer(block.norm1, self._convolution(block.conv1, x))
        y = self._convolution(block.conv2, self._node("Relu", [y]))
        y = self._layer(block.norm2, y)
        if not block.skip:
            return self._node("Relu", [y])
        if block.crop:
            start, end = (self._integers(by, by) for by in (block.crop, -block.crop))
            x = self._node("Slice", [x, start, end, self._integers(2, 3)])
        return self._node("Add", [x, y])

    def _convolution(self, layer: nn.Conv2d, x: str) -> str:
        width, mode = padding_of(layer)
        if mode != "zeros":
            x, width = self._pad(x, width, mode), 0
        return self._node(
            "Conv",
            [x, *self._weights(layer)],
            kernel_shape=layer.kernel_size,
            strides=layer.stride,
            pads=[width] * 4,
        )

    def _pad(self, x: str, width: int, mode: str) -> str:
        if width == 0:
            return x
        if mode == "interpolate":
            return self._interpolated_rim(x, width)
        inputs = [x, self._integers(*[width] * 4), "", self._integers(2, 3)]
        return self._node("Pad", inputs, mode=_PAD_MODES[mode])

    def _interpolated_rim(self, x: str, width: int) -> str:
        """``network.interpolated_rim``: the enlarged picture plus what its middle lacks."""
        wider = self._integers(0, 0, 2 * width, 2 * width)
        sizes = self._node("Add", [self._node("Shape", [x]), wider])
        wide = self._node(
            "Resize",
            [x, "", "", sizes],
            mode="linear",
            coordinate_transformation_mode="align_corners",
        )
        start, end = (self._integers(by, by) for by in (width, -width))
        middle = self._node("Slice", [wide, start, end, self._integers(2, 3)])
        pads = [self._node("Sub", [x, middle]), self._integers(*[width] * 4)]
        change = self._node("Pad", [*pads, "", self._integers(2, 3)], mode="constant")
        return self._node("Add", [wide, change])

    def _no_change(self, channels: int) -> list[str]:
        return [self._tensor(torch.full((channels,), value)) for value in (1.0, 0.0)]

    def _weights(self, layer: Any) -> list[str]:
        return [self._tensor(layer.weight), self._tensor(layer.bias)]

    def _statistics(self, layer: nn.BatchNorm2d) -> list[str]:
        if layer.running_mean is None or layer.running_var is None:
            raise TypeError("a batch norm without statistics has no counterpart here")
        return [self._tensor(layer.running_mean), self._tensor(layer.running_var)]

    def _tensor(self, tensor: torch.Tensor) -> str:
        return self._constant(tensor.detach().cpu().numpy())

    def _integers(self, *values: int) -> str:
        return self._constant(np.array(values, np.int64))

    def _constant(self, value: np.ndarray | np.generic) -> str:
        name = f"c{len(self._constants)}"
        self._constants[name] = np.asarray(value)
        return name

    def _node(self, op: str, inputs: list[str], output: str = "", **attributes: Any) -> str:
        output = output or f"x{len(self._nodes)}"
        self._nodes.append((op, inputs, output, attributes))
        return output
