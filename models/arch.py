"""Architecture strings, e.g. ``c9s1-32,d64,d128,R128,R128,U2,c3s1-64,U2,c9s1-3``.

The grammar is that of Johnson et al. 2016 and Ruder et al. 2018, so their strings mean the same
here. Numbers may have any count of digits; in the original programs kernel and stride had one.
Kernels may be even where the stride is, as in the network of Xu et al. 2021 (``c4s2-64``). The
letter ``N`` is new: other programs' networks enlarge without a normalization of its own.
"""

import math
import re
from dataclasses import dataclass
from fractions import Fraction

from brushflow.common.errors import UsageError

_MOST_LAYERS = 200  # a string in a file may be of any length
PADDING_TYPES = ("zero", "reflect", "replicate", "interpolate", "none", "reflect-start")


@dataclass(frozen=True)
class LayerSpec:
    """One element of an architecture string.

    ``kind`` is its letter: ``c`` convolution, ``f`` transposed convolution, ``d`` halving
    convolution, ``u`` doubling transposed convolution, ``U`` nearest-neighbour enlargement,
    ``N`` the same without the norm and ReLU that follow it, ``R`` residual block, ``C`` the same
    two convolutions without the skip.
    """

    kind: str
    filters: int = 0  # output channels; 0 for U and N, which keep them
    kernel: int = 3
    stride: int = 1  # of U and N: the factor of enlargement

    @property
    def half(self) -> int:
        """Pixels that the layer needs beyond the picture's border, on each side.

        An even kernel stands in the middle of its stride, an odd one on a pixel.
        """
        return (self.kernel - (self.stride if self.kernel % 2 == 0 else 1)) // 2

    @property
    def scale(self) -> tuple[int, int]:
        """Output size over input size as (numerator, denominator)."""
        if self.kind in "cd":
            return 1, self.stride
        if self.kind in "fuUN":
            return self.stride, 1
        return 1, 1


_FORMS = {
    "c": (r"c(\d+)s(\d+)-(\d+)", "c<kernel>s<stride>-<filters>"),
    "f": (r"f(\d+)s(\d+)-(\d+)", "f<kernel>s<stride>-<filters>"),
    "d": (r"d(\d+)", "d<filters>"),
    "u": (r"u(\d+)", "u<filters>"),
    "U": (r"U(\d+)", "U<factor>"),
    "N": (r"N(\d+)", "N<factor>"),
    "R": (r"R(\d+)", "R<filters>"),
    "C": (r"C(\d+)", "C<filters>"),
}


def parse_arch(arch: str, in_channels: int) -> list[LayerSpec]:
    """Parse an architecture string; raise UsageError naming the element and its position."""
    specs: list[LayerSpec] = []
    channels = in_channels
    position = 1
    if arch.count(",") >= _MOST_LAYERS:
        raise UsageError(f"The architecture has more than {_MOST_LAYERS} layers.")
    for text in arch.split(","):
        spec = _parse_element(text, position)
        if spec.kind == "R" and spec.filters != channels:
            raise UsageError(
                f"The residual block {text!r} at character {position} of the architecture keeps "
                f"the number of channels, which is {channels} there; write R{channels}."
            )
        channels = spec.filters or channels
        specs.append(spec)
        position += len(text) + 1
    scale = math.prod((Fraction(*spec.scale) for spec in specs), start=Fraction(1))
    if scale != 1:
        raise UsageError(
            f"The architecture {arch!r} gives a picture {scale} times the size of its input; "
            f"balance d and stride layers with u, U and N layers."
        )
    if specs[-1].kind in "UNR" or channels != 3:
        raise UsageError(
            f"The architecture {arch!r} must end in a convolution with 3 filters, the picture."
        )
    return specs


def _parse_element(text: str, position: int) -> LayerSpec:
    form = _FORMS.get(text[:1])
    if form is None:
        raise UsageError(
            f"Unknown layer {text!r} at character {position} of the architecture; a layer begins "
            f"with one of {', '.join(_FORMS)}."
        )
    pattern, written = form
    match = re.fullmatch(pattern, text)
    numbers = [int(n) for n in match.groups()] if match else []
    if not numbers or not all(1 <= n <= 4096 for n in numbers):
        raise UsageError(
            f"The layer {text!r} at character {position} of the architecture does not have the "
            f"form {written} with numbers from 1 to 4096."
        )
    kind = text[0]
    if kind in "cf":
        kernel, stride, filters = numbers
        if kernel % 2 == 0 and (stride % 2 or kernel < stride):
            raise UsageError(
                f"The layer {text!r} at character {position} of the architecture has an even "
                f"kernel; use an odd one, or an even stride up to it, so that the picture keeps "
                f"its place."
            )
        return LayerSpec(kind, filters, kernel, stride)
    if kind in "du":
        return LayerSpec(kind, numbers[0], stride=2)
    if kind in "UN":
        return LayerSpec(kind, stride=numbers[0])
    return LayerSpec(kind, numbers[0])
