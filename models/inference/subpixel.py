"""A convolution of an enlarged picture, computed at the size it had before.

With U the nearest-neighbour enlargement by f, conv_k(U(x)) reads every pixel of x several times.
Output pixel f·m + r (one axis, r < f) is Σ_t w[t] · x[m + ⌊(r + t) / f⌋], t = −p … p, p = (k−1)/2:
each of the f phases r is a small convolution of x itself, whose taps are sums of taps of w. All f²
phases together are one convolution with f² times the outputs, and interleaving them gives the
enlarged picture: the same sums in another order (Shi et al. 2016 use the layer in this form).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

_NOT_COMPLEX = ("mps",)  # where views of complex numbers are not to be relied on


def reach(kernel: int, factor: int) -> int:
    """How many pixels beyond its own a phase may read, on each side of the small picture."""
    return math.ceil((kernel - 1) // 2 / factor)


def phase_offsets(kernel: int, factor: int, compact: bool) -> tuple[int, list[int]]:
    """Taps per axis of the convolution that serves all phases, and where each phase reads it.

    Phase r of pixel m is the convolution at m + offset[r], counted from the first position with
    ``reach`` pixels of padding. Without ``compact`` all phases share one centred window; with it
    the window is as small as any phase allows (for k = 3, f = 2: 2×2 taps in place of 3×3).
    """
    half, pad = (kernel - 1) // 2, reach(kernel, factor)
    if not compact:
        return 2 * pad + 1, [0] * factor
    first = [(r - half) // factor for r in range(factor)]
    taps = max((r + half) // factor - first[r] + 1 for r in range(factor))
    return taps, [min(start + pad, 2 * pad + 1 - taps) for start in first]


def phase_weights(weight: Tensor, factor: int, compact: bool) -> Tensor:
    """(O, I, k, k), k odd, to (O·f², I, n, n), in the order of ``F.pixel_shuffle``."""
    kernel = weight.shape[-1]
    half, pad = (kernel - 1) // 2, reach(kernel, factor)
    taps, offsets = phase_offsets(kernel, factor, compact)
    # gather[r, a, t] = 1 where tap t of the large kernel falls on tap a of phase r's.
    # On the CPU, as Apple's GPUs know no float64.
    gather = torch.zeros(factor, taps, kernel, dtype=torch.float64)
    for r in range(factor):
        for t in range(kernel):
            gather[r, (r + t - half) // factor + pad - offsets[r], t] = 1
    phases = torch.einsum("oikl,rak,sbl->orsiab", weight.cpu().double(), gather, gather)
    return phases.flatten(0, 2).to(weight).contiguous()


def interleave(y: Tensor, factor: int, offsets: list[int], height: int, width: int) -> Tensor:
    """(N, O·f², ·, ·) at the positions of ``phase_offsets`` to (N, O, height·f, width·f)."""
    real = y.dtype in (torch.float32, torch.float64) and y.device.type not in _NOT_COMPLEX
    if factor != 2 or not real:
        return _interleave_any(y, factor, offsets, height, width)
    # Two pixels side by side are a complex number, and torch makes those in half the time that
    # it takes to write every second pixel.
    y = y.unflatten(1, (-1, 2, 2))
    out = y.new_empty(*y.shape[:2], height, 2, width, dtype=y.dtype.to_complex())
    for r, down in enumerate(offsets):
        left, right = (
            y[:, :, r, s, down : down + height, start : start + width]
            for s, start in enumerate(offsets)
        )
        torch.complex(left, right, out=out[..., r, :])
    return torch.view_as_real(out).view(*y.shape[:2], 2 * height, 2 * width)


def _interleave_any(y: Tensor, factor: int, offsets: list[int], height: int, width: int) -> Tensor:
    """``interleave`` for any factor and type."""
    if not any(offsets) and y.shape[-2:] == (height, width):
        return F.pixel_shuffle(y, factor)
    y = y.unflatten(1, (-1, factor, factor))
    out = y.new_empty(y.shape[0], y.shape[1], height * factor, width * factor)
    for r, down in enumerate(offsets):
        for s, right in enumerate(offsets):
            phase = y[:, :, r, s, down : down + height, right : right + width]
            out[..., r::factor, s::factor] = phase
    return out


def reflected(y: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None, factor: int) -> Tensor:
    """``y``, the convolution of ``x`` enlarged, with reflection at its border. Overwrites ``y``.

    The reflection of an enlarged picture is not the enlargement of a picture, so strips half a
    kernel wide along the border are convolved at full size.
    """
    half = (weight.shape[-1] - 1) // 2
    height, width = y.shape[-2:]
    everything, start = slice(None), slice(0, 2 * half)
    bottom, right = slice(height - 2 * half, None), slice(width - 2 * half, None)

    def strip(rows: slice, columns: slice, *pad: int) -> Tensor:
        part = F.pad(_enlarged(x, factor, rows, columns), pad, mode="reflect")
        return F.conv2d(part, weight, bias)

    if min(height, width) <= 2 * half:
        return strip(everything, everything, half, half, half, half)
    y[..., :half, :] = strip(start, everything, half, half, half, 0)
    y[..., height - half :, :] = strip(bottom, everything, half, half, 0, half)
    y[..., half:-half, :half] = strip(everything, start, half, 0, 0, 0)
    y[..., half:-half, width - half :] = strip(everything, right, 0, half, 0, 0)
    return y


def _enlarged(x: Tensor, factor: int, rows: slice, columns: slice) -> Tensor:
    """These rows and columns of the enlarged picture."""
    for axis, part in ((-2, rows), (-1, columns)):
        index = torch.arange(x.shape[axis] * factor, device=x.device)[part] // factor
        x = x.index_select(axis, index)
    return x
