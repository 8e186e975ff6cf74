"""The layers of a folded network. Each leaves norm, skip and ReLU to ``kernels.finish``."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from brushflow.models.inference import subpixel
from brushflow.models.inference.kernels import WHOLE, Norm, Want, convolve, finish
from brushflow.models.network import ConvBlock, Norm2d, padding_of


class Step(nn.Module):
    """A layer, here one that only has a norm; ``norm`` and ``relu`` are what stands behind it.

    ``want``: how it wants its input, ``factor``: how much it enlarges. A step returns its result
    and what is to be added to it behind the norm.
    """

    factor = 1

    def __init__(self, norm: Norm2d | None = None, relu: bool = False, want: Want = WHOLE) -> None:
        super().__init__()
        self.norm = Norm(norm) if norm is not None else None
        self.relu = relu
        self.want = want

    def forward(self, x: Tensor, want: Want) -> tuple[Tensor, Tensor | None]:
        return x, None

    def want_part(self, size: tuple[int, int], place: tuple[int, int, int, int]) -> Want:
        """What is needed of an input of this size for the box (top, left, height, width)."""
        return self.want


class Convolution(Step):
    """``conv``, and a batch norm; of an input enlarged by ``factor`` if that is not 1."""

    weight: Tensor
    bias: Tensor
    original: Tensor | None
    original_bias: Tensor | None

    def __init__(
        self,
        conv: nn.Conv2d,
        norm: Norm2d | None,
        relu: bool,
        transforms: bool,
        factor: int = 1,
    ) -> None:
        kernel, (half, mode) = conv.kernel_size[0], padding_of(conv)
        reach = subpixel.reach(kernel, factor) if factor > 1 and half else half
        # The reflection of an enlarged picture repeats the outermost pixels of the small one.
        repeats = factor > 1 and half < factor
        self_padded = mode == "zeros" or (mode == "reflect" and factor > 1 and not repeats)
        weight, bias, norm = _absorbed(conv, norm, 0)
        mode = "replicate" if repeats else mode
        super().__init__(norm, relu, WHOLE if self_padded else Want(width=reach, mode=mode))
        self.factor = factor
        self.stride = conv.stride[0]
        self.reach = reach
        self.padding = reach if self_padded else 0
        self.transforms = transforms
        reflects = self_padded and mode == "reflect"
        self.offsets = [0]
        if factor > 1:
            # Winograd's form takes 3×3 taps, the direct one the fewest there are.
            _, self.offsets = subpixel.phase_offsets(kernel, factor, not transforms)
            self.register_buffer("original", weight if reflects else None)
            self.register_buffer("original_bias", bias if reflects else None)
            weight = subpixel.phase_weights(weight, factor, not transforms)
            bias = bias.repeat_interleave(factor**2)
        if self.stride == 1 and not transforms and weight.device.type == "cpu":
            # The format of the weights decides the format a direct convolution works in.
            weight = weight.contiguous(memory_format=torch.channels_last)
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor, want: Want) -> tuple[Tensor, Tensor | None]:
        padding = 0 if want.part else self.padding
        y = convolve(x, self.weight, self.bias, self.stride, padding, self.transforms)
        if self.factor > 1:
            given = self.reach if want.part else want.width
            height, width = (side - 2 * given for side in x.shape[-2:])
            y = subpixel.interleave(y, self.factor, self.offsets, height, width)
            if self.original is not None and not want.part:
                y = subpixel.reflected(y, x, self.original, self.original_bias, self.factor)
        return y, None

    def want_part(self, size: tuple[int, int], place: tuple[int, int, int, int]) -> Want:
        if self.stride > 1:
            return self.want
        ends: list[int] = []
        for length, start, count in zip(size, place[:2], place[2:], strict=True):
            first = start // self.factor - self.reach
            end = -(-(start + count) // self.factor) + self.reach
            if first < 0 or end > length:
                return self.want
            ends += [first, end]
        top, bottom, left, right = ends
        return Want(part=(top, bottom, left, right))


class TransposedConvolution(Step):
    """``conv``, and a batch norm."""

    weight: Tensor
    bias: Tensor

    def __init__(self, conv: nn.ConvTranspose2d, norm: Norm2d | None, relu: bool) -> None:
        weight, bias, norm = _absorbed(conv, norm, 1)
        super().__init__(norm, relu)
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)
        self.stride, (self.padding, _) = conv.stride, padding_of(conv)
        self.output_padding = conv.output_padding

    def forward(self, x: Tensor, want: Want) -> tuple[Tensor, Tensor | None]:
        y = F.conv_transpose2d(
            x, self.weight, self.bias, self.stride, self.padding, self.output_padding
        )
        return y, None


class Enlargement(Step):
    """Every pixel repeated, where the next layer is none that could do it by itself."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor, want: Want) -> tuple[Tensor, Tensor | None]:
        return F.interpolate(x, scale_factor=self.factor, mode="nearest"), None


class Block(Step):
    """A ``ConvBlock``."""

    def __init__(self, block: ConvBlock, transforms: bool) -> None:
        first = Convolution(block.conv1, block.norm1, True, transforms)
        second = Convolution(block.conv2, block.norm2, not block.skip, transforms)
        super().__init__(None, second.relu, first.want)
        self.first, self.second = first, second
        self.norm = second.norm
        self.skip = block.skip
        # Pixels of the input that the output does not have, on each side.
        self.inset = first.want.width or block.crop

    def forward(self, x: Tensor, want: Want) -> tuple[Tensor, Tensor | None]:
        y, _ = self.first(x, self.first.want)
        y = finish(y, self.first.norm, True, None, self.second.want)
        y, _ = self.second(y, self.second.want)
        if not self.skip:
            return y, None
        inside = slice(self.inset, -self.inset or None)
        return y, x[..., inside, inside]


def _absorbed(
    conv: nn.Conv2d | nn.ConvTranspose2d, norm: Norm2d | None, axis: int
) -> tuple[Tensor, Tensor, Norm2d | None]:
    """Weight and bias with a batch norm in them, if there is one, and else the norm behind them.

    ``axis``: along which the weight's outputs lie.
    """
    weight = conv.weight.detach()
    bias = weight.new_zeros(weight.shape[axis]) if conv.bias is None else conv.bias.detach()
    if not isinstance(norm, nn.BatchNorm2d) or norm.running_mean is None:
        return weight, bias, norm
    if norm.running_var is None:
        raise TypeError("a batch norm has a mean and no variance")
    scale = norm.weight.detach() * torch.rsqrt(norm.running_var + norm.eps)
    shape = [-1 if i == axis else 1 for i in range(4)]
    return (
        weight * scale.view(shape),
        (bias - norm.running_mean) * scale + norm.bias.detach(),
        None,
    )
