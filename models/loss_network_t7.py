"""A VGG in a file of Torch 7, as the original programs load it: ``vgg16.t7``."""

from pathlib import Path

from torch import Tensor

from brushflow.models.importers.torch7 import Layer, read_t7
from brushflow.models.importers.torch7_layers import CONVOLUTIONS, POOLS, Row, square


def read_vgg_t7(path: Path) -> tuple[dict[int, tuple[Tensor, Tensor]], bool]:
    """Weights and biases of its convolutions, by their place among all layers from 0 on.

    That is the number which torchvision gives them in ``features``. Also whether its pools round
    sizes up, as those of Caffe do. Classifying layers behind the last pool are left out.

    Raises:
        BrushflowError: the file cannot be read, or is damaged.
        ValueError: it holds something else than 3×3 convolutions, ReLUs and 2×2 pools.
    """
    model = read_t7(path)
    model = model.get("model") if isinstance(model, dict) else model
    if not isinstance(model, Layer):
        raise ValueError("it holds no network")
    row = Row(model)
    found: dict[int, tuple[Tensor, Tensor]] = {}
    rounds_up: set[bool] = set()
    place = 0
    while row.kind() in CONVOLUTIONS:
        convolution = row.take_convolution()
        if (convolution.kernel, convolution.stride, convolution.padding) != (3, 1, "zero"):
            raise ValueError(f"{convolution.name} is none of a VGG")
        row.take("ReLU")
        found[place] = (convolution.weights["weight"], convolution.weights["bias"])
        place += 2
        if row.kind() in POOLS:
            name, pool = row.name, row.take(*POOLS)
            if [square(pool, field) for field in ("k", "d", "pad")] != [2, 2, 0]:
                raise ValueError(f"{name} is none of a VGG")
            rounds_up.add(bool(pool.fields.get("ceil_mode")))
            place += 1
    if len(rounds_up) > 1:
        raise ValueError("its pools do not all round alike")
    return found, True in rounds_up
