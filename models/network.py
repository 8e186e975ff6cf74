"""The feed-forward stylization network (Johnson et al. 2016; Ruder et al. 2018, sec. 5)."""

import math
from fractions import Fraction
from typing import Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from brushflow.common.errors import UsageError
from brushflow.models.arch import PADDING_TYPES, LayerSpec, parse_arch
from brushflow.models.network_input import FILLS
from brushflow.models.preprocessing import PREPROCESSINGS, as_network_space, prepared_as

PAPER_ARCH = "c9s1-32,d64,d128,R128,R128,R128,R128,R128,U2,c3s1-64,U2,c9s1-3"
# Xu et al. 2021: with even kernels, norms that only normalise, padding "interpolate", no tanh.
FDB_ARCH = "c9s1-32,c4s2-64,c4s2-128,R128,R128,R128,R128,R128,f4s2-64,f4s2-32,c9s1-3"
NORMS = ("instance", "batch", "plain")
Norm2d: TypeAlias = nn.InstanceNorm2d | nn.BatchNorm2d
_Mode: TypeAlias = Literal["zeros", "reflect", "replicate"]
# Padding types that PyTorch's convolutions know; the others pad with zeros, if at all.
_MODES: dict[str, _Mode] = {"reflect": "reflect", "replicate": "replicate"}
# Padding types whose blocks use convolutions without padding. The original programs put the
# missing pixels back by reflection before the first layer for both of these names.
_VALID_BLOCKS = ("none", "reflect-start")
# Below this, deep layers have too few pixels to pad or to normalise.
SMALLEST_SIDE = 41
_WIDEST_MARGIN = 1024
_COARSEST = 1024


class InterpolatedConv2d(nn.Conv2d):
    """A convolution that sees the picture enlarged beyond its border.

    The rim is that of the picture resized to the padded size (bilinear, corners aligned) and
    carries no gradient; inside it lies the picture itself (Xu et al. 2021).
    """

    def __init__(self, into: int, out: int, kernel: int, stride: int, padding: int) -> None:
        super().__init__(into, out, kernel, stride, padding)
        self.rim = padding

    def forward(self, x: Tensor) -> Tensor:
        x = interpolated_rim(x, self.rim)
        return F.conv2d(x, self.weight, self.bias, self.stride)


def padding_of(layer: nn.Conv2d | nn.ConvTranspose2d) -> tuple[int, str]:
    """Pixels that a convolution of these networks pads by on each side, and PyTorch's mode of it.

    The mode of ``InterpolatedConv2d`` is "interpolate".
    """
    if isinstance(layer.padding, str):
        raise TypeError("these networks' convolutions pad by a number of pixels")
    interpolates = isinstance(layer, InterpolatedConv2d)
    return layer.padding[0], "interpolate" if interpolates else layer.padding_mode


def factor_of(layer: nn.Upsample) -> int:
    """How much an enlargement of these networks enlarges, across and down."""
    if not isinstance(layer.scale_factor, float):
        raise TypeError("these networks' enlargements have one factor")
    return int(layer.scale_factor)


def interpolated_rim(x: Tensor, width: int) -> Tensor:
    """``x`` (N, C, H, W) with ``width`` more pixels on each side, see ``InterpolatedConv2d``."""
    if width == 0:
        return x
    height, length = x.shape[-2:]
    size = (height + 2 * width, length + 2 * width)
    wide = F.interpolate(x.detach(), size, mode="bilinear", align_corners=True)
    wide[..., width : width + height, width : width + length] = x
    return wide


class ConvBlock(nn.Module):
    """Two 3×3 convolutions; a residual block if ``skip``, else followed by ReLU.

    With padding "none" and "reflect-start" each convolution takes one pixel off every side, and
    the skip path is cropped to match.
    """

    def __init__(
        self, in_channels: int, channels: int, norm: str, padding: str, skip: bool
    ) -> None:
        super().__init__()
        valid = padding in _VALID_BLOCKS
        width = 0 if valid else 1
        self.conv1 = _convolution(in_channels, channels, 3, 1, width, padding)
        self.norm1 = _norm(norm, channels)
        self.conv2 = _convolution(channels, channels, 3, 1, width, padding)
        self.norm2 = _norm(norm, channels)
        self.skip = skip
        self.crop = 2 if valid else 0

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        if not self.skip:
            return F.relu(y)
        return y + (x[..., self.crop : -self.crop, self.crop : -self.crop] if self.crop else x)


class StyleNetwork(nn.Module):
    """A picture (with its prior) in, the stylized picture out.

    Input float32 (N, in_channels, H, W), output float32 (N, 3, H, W) in [-tanh_constant,
    tanh_constant]: BGR minus the VGG mean. Any H and W from 1 up; the output is cropped to the
    input's size (the original programs return 4·ceil(H/4) by 4·ceil(W/4)).

    Attributes: ``arch``, ``in_channels``, ``padding_type``, ``tanh_constant`` (0: no tanh, the
    last convolution's output is the picture, without bounds), ``norm`` ("plain" is an instance
    norm without weights), ``start_padding`` (pixels of reflection before the first layer),
    ``margin`` (pixels of reflection that are painted as well and cropped off: whatever a layer's
    own padding does to the border is lost with them; 0 as in the original programs),
    ``preprocessing`` (how the layers see pictures and give one: "vgg", network space as it is, or
    "resnet"), ``fill`` (of ``FILLS``: what it has learned to see where nothing is painted yet),
    ``multiple`` (sides are enlarged to multiples of this before the first layer).
    """

    def __init__(
        self,
        arch: str = PAPER_ARCH,
        in_channels: int = 7,
        padding_type: str = "reflect-start",
        tanh_constant: float = 150.0,
        norm: str = "instance",
        margin: int = 0,
        preprocessing: str = "vgg",
        fill: str = "mean",
    ) -> None:
        super().__init__()
        if preprocessing not in PREPROCESSINGS:
            raise UsageError(
                f"Unknown preprocessing {preprocessing!r}; choose {' or '.join(PREPROCESSINGS)}."
            )
        if padding_type not in PADDING_TYPES:
            raise UsageError(
                f"Unknown padding type {padding_type!r}; choose one of {', '.join(PADDING_TYPES)}."
            )
        if norm not in NORMS:
            raise UsageError(f"Unknown normalization {norm!r}; choose one of {', '.join(NORMS)}.")
        if fill not in FILLS:
            raise UsageError(
                f"What is not known is filled with {', '.join(FILLS)}, not {fill!r}.", about="fill"
            )
        if not 0 <= tanh_constant < math.inf:
            raise UsageError(f"The tanh constant {tanh_constant} is not a number from 0 up.")
        if not 0 <= margin <= _WIDEST_MARGIN:
            raise UsageError(f"The margin {margin} is not from 0 to {_WIDEST_MARGIN} pixels.")
        self.arch = arch
        self.in_channels = in_channels
        self.padding_type = padding_type
        self.tanh_constant = tanh_constant
        self.norm = norm
        self.margin = margin
        self.preprocessing = preprocessing
        self.fill = fill
        specs = parse_arch(arch, in_channels)
        self.multiple = _multiple(specs)
        self.start_padding = _start_padding(specs) if padding_type in _VALID_BLOCKS else 0
        self.layers = _layers(specs, in_channels, padding_type, norm)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        x = prepared_as(self.preprocessing, x)
        x = self.layers(pad(x, self.start_padding + self.margin, self.multiple))
        if self.tanh_constant:
            x = self.tanh_constant * torch.tanh(x)
        x = as_network_space(self.preprocessing, x)
        top = left = self.margin
        return x[..., top : top + height, left : left + width]


def build(
    arch: str = PAPER_ARCH,
    in_channels: int = 7,
    padding_type: str = "reflect-start",
    tanh_constant: float = 150.0,
    norm: str = "instance",
    margin: int = 0,
    preprocessing: str = "vgg",
    fill: str = "mean",
) -> StyleNetwork:
    """Build a network with fresh weights; UsageError if the description is wrong."""
    return StyleNetwork(
        arch, in_channels, padding_type, tanh_constant, norm, margin, preprocessing, fill
    )


def _layers(specs: list[LayerSpec], channels: int, padding: str, norm: str) -> nn.Sequential:
    layers: list[nn.Module] = []
    for index, spec in enumerate(specs):
        layers.append(_layer(spec, channels, padding, norm))
        channels = spec.filters or channels
        last = index == len(specs) - 1
        if not last and spec.kind not in "NRC":
            layers += [_norm(norm, channels), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def _layer(spec: LayerSpec, channels: int, padding: str, norm: str) -> nn.Module:
    if spec.kind == "c":
        return _convolution(channels, spec.filters, spec.kernel, spec.stride, spec.half, padding)
    if spec.kind == "d":
        return nn.Conv2d(channels, spec.filters, 3, 2, padding=1)
    if spec.kind in "fu":
        return nn.ConvTranspose2d(
            channels,
            spec.filters,
            spec.kernel,
            spec.stride,
            padding=spec.half,
            output_padding=spec.stride - 1 if spec.kernel % 2 else 0,
        )
    if spec.kind in "UN":
        return nn.Upsample(scale_factor=spec.stride, mode="nearest")
    return ConvBlock(channels, spec.filters, norm, padding, skip=spec.kind == "R")


def _convolution(
    into: int, out: int, kernel: int, stride: int, width: int, padding: str
) -> nn.Conv2d:
    """One that pads by ``width`` as the padding type has it."""
    if padding == "interpolate":
        return InterpolatedConv2d(into, out, kernel, stride, width)
    mode: _Mode = _MODES.get(padding, "zeros") if width else "zeros"
    return nn.Conv2d(into, out, kernel, stride, padding=width, padding_mode=mode)


def _norm(norm: str, channels: int) -> Norm2d:
    if norm == "batch":
        return nn.BatchNorm2d(channels)
    if norm == "plain":
        return nn.InstanceNorm2d(channels)
    layer = nn.InstanceNorm2d(channels, affine=True)
    # Torch's InstanceNormalization starts from U(0, 1) weights (Ulyanov et al. 2016).
    nn.init.uniform_(layer.weight)
    return layer


def _start_padding(specs: list[LayerSpec]) -> int:
    """Pixels per side that valid convolutions in the blocks take away, at the input's scale."""
    stride, taken = Fraction(1), Fraction(0)
    for spec in specs:
        numerator, denominator = spec.scale
        stride *= Fraction(denominator, numerator)
        if spec.kind in "RC":
            taken += 2 * stride
    return math.ceil(taken)


def _multiple(specs: list[LayerSpec]) -> int:
    """What sides must be multiples of for even kernels to miss no pixel; 1 without them.

    Odd kernels round a side up when they halve it; even ones would round it down.
    """
    if all(spec.kernel % 2 for spec in specs):
        return 1
    stride, multiple = Fraction(1), 1
    for spec in specs:
        stride /= Fraction(*spec.scale)
        multiple = math.lcm(multiple, stride.numerator)
        if multiple > _COARSEST:
            raise UsageError(
                f"The architecture makes the picture more than {_COARSEST} times smaller, which "
                f"even kernels cannot do."
            )
    return multiple


def pad(x: Tensor, width: int, multiple: int = 1) -> Tensor:
    """Reflect on all sides; enlarge what is too small for it, on the right and below.

    Both sides of the result are multiples of ``multiple``.
    """
    rows, columns = x.shape[-2:]
    smallest = max(SMALLEST_SIDE, width + 1)
    wanted = [max(side, smallest) for side in (rows, columns)]
    down, right = (side + -(side + 2 * width) % multiple for side in wanted)
    if (down, right) != (rows, columns):
        x = F.pad(x, (0, right - columns, 0, down - rows), mode="replicate")
    if width == 0:
        return x
    return F.pad(x, (width,) * 4, mode="reflect")
