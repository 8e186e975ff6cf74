"""The feed-forward stylization network (Johnson et al. 2016; Ruder et al. 2018, sec. 5)."""

import math
from fractions import Fraction

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from brushflow.errors import UsageError
from brushflow.models.arch import PADDING_TYPES, LayerSpec, parse_arch

PAPER_ARCH = "c9s1-32,d64,d128,R128,R128,R128,R128,R128,U2,c3s1-64,U2,c9s1-3"
NORMS = ("instance", "batch")
# Padding types whose blocks use convolutions without padding. The original programs put the
# missing pixels back by reflection before the first layer for both of these names.
_VALID_BLOCKS = ("none", "reflect-start")
# Below this, deep layers have too few pixels to pad or to normalise.
SMALLEST_SIDE = 41
_WIDEST_MARGIN = 1024


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
        mode = "zeros" if padding == "zero" else padding
        width, mode = (0, "zeros") if valid else (1, mode)
        self.conv1 = nn.Conv2d(in_channels, channels, 3, padding=width, padding_mode=mode)
        self.norm1 = _norm(norm, channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=width, padding_mode=mode)
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
    last convolution's output is the picture, without bounds), ``norm``, ``start_padding`` (pixels
    of reflection before the first layer), ``margin`` (pixels of reflection that are painted as
    well and cropped off: whatever a layer's own padding does to the border is lost with them; 0 as
    in the original programs).
    """

    def __init__(
        self,
        arch: str = PAPER_ARCH,
        in_channels: int = 7,
        padding_type: str = "reflect-start",
        tanh_constant: float = 150.0,
        norm: str = "instance",
        margin: int = 0,
    ) -> None:
        super().__init__()
        if padding_type not in PADDING_TYPES:
            raise UsageError(
                f"Unknown padding type {padding_type!r}; choose one of {', '.join(PADDING_TYPES)}."
            )
        if norm not in NORMS:
            raise UsageError(f"Unknown normalization {norm!r}; choose one of {', '.join(NORMS)}.")
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
        specs = parse_arch(arch, in_channels)
        self.start_padding = _start_padding(specs) if padding_type in _VALID_BLOCKS else 0
        self.layers = _layers(specs, in_channels, padding_type, norm)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        x = self.layers(pad(x, self.start_padding + self.margin))
        if self.tanh_constant:
            x = self.tanh_constant * torch.tanh(x)
        top = left = self.margin
        return x[..., top : top + height, left : left + width]


def build(
    arch: str = PAPER_ARCH,
    in_channels: int = 7,
    padding_type: str = "reflect-start",
    tanh_constant: float = 150.0,
    norm: str = "instance",
    margin: int = 0,
) -> StyleNetwork:
    """Build a network with fresh weights; UsageError if the description is wrong."""
    return StyleNetwork(arch, in_channels, padding_type, tanh_constant, norm, margin)


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
    half = (spec.kernel - 1) // 2
    if spec.kind == "c":
        mode = padding if padding in ("reflect", "replicate") else "zeros"
        return nn.Conv2d(
            channels, spec.filters, spec.kernel, spec.stride, padding=half, padding_mode=mode
        )
    if spec.kind == "d":
        return nn.Conv2d(channels, spec.filters, 3, 2, padding=1)
    if spec.kind in "fu":
        return nn.ConvTranspose2d(
            channels,
            spec.filters,
            spec.kernel,
            spec.stride,
            padding=half,
            output_padding=spec.stride - 1,
        )
    if spec.kind in "UN":
        return nn.Upsample(scale_factor=spec.stride, mode="nearest")
    return ConvBlock(channels, spec.filters, norm, padding, skip=spec.kind == "R")


def _norm(norm: str, channels: int) -> nn.Module:
    if norm == "batch":
        return nn.BatchNorm2d(channels)
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


def pad(x: Tensor, width: int) -> Tensor:
    """Reflect on all sides; enlarge what is too small for it, on the right and below."""
    rows, columns = x.shape[-2:]
    smallest = max(SMALLEST_SIDE, width + 1)
    if min(rows, columns) < smallest:
        missing = (0, max(0, smallest - columns), 0, max(0, smallest - rows))
        x = F.pad(x, missing, mode="replicate")
    if width == 0:
        return x
    return F.pad(x, (width,) * 4, mode="reflect")
