"""The two operations inference spends its time in: a convolution, and what stands behind it.

Both choose by where and in what precision they run. On a CPU in float32:

- 3×3 and larger convolutions with stride 1 go to NNPACK, which is part of PyTorch. It multiplies
  in the transformed domain (Winograd's F(6×6, 3×3); a 16×16 Fourier transform for larger kernels)
  and needs less than half the time of a direct convolution. Rounding errors are some 1e-5 of the
  result.
- The norm is computed as a group norm with one channel a group: the same statistics, with
  PyTorch's faster kernel. Adding the skip, ReLU and padding for the next convolution happen while
  a few channels are in the cache, in one pass over memory.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from brushflow.models.network import Norm2d, interpolated_rim

# Floats of a group of channels that is worked on at once: 8 MB. Every operation on less wakes up
# the other threads once more, which takes a tenth of a millisecond where they do not spin.
_CHUNK = 1 << 21
# Bytes that a convolution may take beside its input and output. Larger pictures are convolved in
# strips, which takes as long: the first layer of the paper's network would want 400 MB at 854×480
# and 1.4 GB at 1920×1080.
_WORKSPACE = 64 << 20


@dataclass(frozen=True)
class Want:
    """How a convolution wants its input.

    Either all of it with ``width`` more pixels on each side, by ``mode`` "reflect", "replicate" or
    "interpolate", or only the ``part`` (top, bottom, left, right), bottom and right excluded.
    """

    width: int = 0
    mode: str = "reflect"
    part: tuple[int, int, int, int] | None = None

    def of(self, x: Tensor) -> Tensor:
        """The part of ``x``, (N, C, H, W), a view."""
        if self.part is None:
            return x
        top, bottom, left, right = self.part
        return x[..., top:bottom, left:right]

    def padded(self, x: Tensor) -> Tensor:
        """The part of ``x`` with its rim, (N, C, H + 2·width, W + 2·width)."""
        if self.mode == "interpolate":
            return interpolated_rim(self.of(x), self.width)
        return F.pad(self.of(x), (self.width,) * 4, mode=self.mode)


WHOLE = Want()


def has_transforms() -> bool:
    """Whether this PyTorch and this processor can do the fast convolutions."""
    return hasattr(torch, "_nnpack_spatial_convolution") and torch._nnpack_available()


def convolve(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int, transforms: bool
) -> Tensor:
    """Convolution with zero padding, of ``x`` (N, C, H, W) by ``weight`` (filters, C, k, k).

    ``transforms``: by NNPACK where that can be done.
    """
    kernel = weight.shape[-1]
    suits = stride == 1 and 3 <= kernel <= 16 and min(x.shape[-2:]) + 2 * padding >= kernel
    if not (transforms and suits and _plain_cpu(x) and has_transforms()):
        # Not channels-last: there the group norm subtracts large squares and loses all digits.
        return F.conv2d(x, weight, bias, stride, padding).contiguous()
    rows = _strip(x, weight, padding)
    height, width = (side + 2 * padding - kernel + 1 for side in x.shape[-2:])
    if rows >= height:
        return torch._nnpack_spatial_convolution(x, weight, bias, [padding, padding])
    y = x.new_empty(x.shape[0], weight.shape[0], height, width)
    for start in range(0, height, rows):
        first, end = start - padding, min(start + rows, height) + kernel - 1 - padding
        part = x[:, :, max(first, 0) : end]
        part = F.pad(part, (padding, padding, max(-first, 0), max(end - x.shape[2], 0)))
        y[:, :, start : start + rows] = torch._nnpack_spatial_convolution(
            part, weight, bias, [0, 0]
        )
    return y


def _strip(x: Tensor, weight: Tensor, padding: int) -> int:
    """Rows of output that NNPACK can make at a time without going beyond ``_WORKSPACE``.

    It holds the transforms of all input and output channels, tile² numbers for each
    (tile − kernel + 1)² pixels.
    """
    kernel = weight.shape[-1]
    tile = 8 if kernel == 3 else 16
    step = tile - kernel + 1
    across = -(-(x.shape[3] + 2 * padding) // step)
    bytes_per_row = 4 * tile**2 * across * sum(weight.shape[:2])
    return max(1, _WORKSPACE // bytes_per_row) * step


class Norm(nn.Module):
    """Instance norm, or a batch norm that knows its statistics, per channel.

    ``shared``: the pictures of a batch are parts of one, and so are an instance norm's statistics.
    """

    shared = False

    weight: Tensor | None
    bias: Tensor | None
    mean: Tensor | None
    variance: Tensor | None

    def __init__(self, norm: Norm2d) -> None:
        super().__init__()
        self.eps = norm.eps
        for name in ("weight", "bias"):
            parameter = getattr(norm, name)
            self.register_buffer(name, None if parameter is None else parameter.detach())
        known = isinstance(norm, nn.BatchNorm2d)
        self.register_buffer("mean", norm.running_mean if known else None)
        self.register_buffer("variance", norm.running_var if known else None)

    def forward(self, y: Tensor, channels: slice = slice(None)) -> Tensor:
        """``y``, (N, C, H, W) as the result, holds these ``channels`` of the input."""
        weight, bias = (
            None if each is None else each[channels] for each in (self.weight, self.bias)
        )
        if self.mean is not None and self.variance is not None:
            mean, variance = self.mean[channels], self.variance[channels]
            return F.batch_norm(y, mean, variance, weight, bias, eps=self.eps)
        if self.shared:
            return F.batch_norm(y, None, None, weight, bias, training=True, eps=self.eps)
        if _plain_cpu(y):
            return F.group_norm(y, y.shape[1], weight, bias, self.eps)
        return F.instance_norm(y, weight=weight, bias=bias, eps=self.eps)


def finish(
    y: Tensor, norm: Norm | None, relu: bool, skip: Tensor | None = None, want: Want = WHOLE
) -> Tensor:
    """Norm, plus ``skip``, ReLU, and what the next convolution wants, in that order.

    ``y`` and ``skip``: (N, C, H, W); the result is of the size that ``want`` says. May overwrite
    ``y``.
    """
    if norm is None and skip is None and want == WHOLE:
        return y.relu_() if relu else y
    if not (_plain_cpu(y) and y.is_contiguous()):
        y = norm(y) if norm else y
        y = y + skip if skip is not None else y
        y = y.relu_() if relu else y
        return want.padded(y) if want.width else want.of(y)
    width = want.width
    rows, columns = want.of(y).shape[-2:]
    padded = (*y.shape[:2], rows + 2 * width, columns + 2 * width)
    out = y if want == WHOLE else y.new_empty(padded)
    inner = out[..., width : width + rows, width : width + columns]
    # Threads share the channels of a chunk.
    size = max(torch.get_num_threads(), _CHUNK // y[0, 0].numel())
    for start in range(0, y.shape[1], size):
        part = slice(start, start + size)
        chunk = norm(y[:, part], part) if norm else y[:, part]
        chunk, target = want.of(chunk), inner[:, part]
        if skip is not None:
            torch.add(chunk, want.of(skip[:, part]), out=target)
            if relu:
                target.relu_()
        elif relu:
            torch.clamp_min(chunk, 0, out=target)
        else:
            target.copy_(chunk)
    if width and want.mode == "interpolate":
        return want.padded(inner)
    if width:
        _fill_rim(out, width, want.mode)
    return out


def _fill_rim(x: Tensor, width: int, mode: str) -> None:
    """Overwrite the outer ``width`` pixels of ``x`` with what padding its inside gives."""
    height, length = x.shape[-2:]
    for i in range(width):
        source = 2 * width - i if mode == "reflect" else width
        inside = slice(width, height - width)
        x[..., inside, i] = x[..., inside, source]
        x[..., inside, length - 1 - i] = x[..., inside, length - 1 - source]
    for i in range(width):
        source = 2 * width - i if mode == "reflect" else width
        x[..., i, :] = x[..., source, :]
        x[..., height - 1 - i, :] = x[..., height - 1 - source, :]


def _plain_cpu(x: Tensor) -> bool:
    return (
        x.device.type == "cpu" and x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    )
