"""Networks of other programs, told apart by what their files hold.

``.t7``: the original fast-artistic-videos and fast-neural-style, see ``imported_t7``. ``.pth``:
the PyTorch port of the former, see ``imported_port``, and the example fast_neural_style of PyTorch,
see ``imported_example``. ``.model``: the frame-difference program, see ``imported_fdb``.
Checkpoints of training, often ``.pth.tar``, hold the same with other things beside it.
"""

from pathlib import Path

from torch import Tensor

from brushflow.common.errors import BrushflowError
from brushflow.common.wording import counted
from brushflow.models.importers import fdb as imported_fdb
from brushflow.models.importers import pytorch_example as imported_example
from brushflow.models.importers import pytorch_port as imported_port
from brushflow.models.importers.pth import read_pth
from brushflow.models.importers.torch7_models import network_from_t7
from brushflow.models.network import StyleNetwork


def network_from_other(path: Path) -> StyleNetwork:
    """Build the network whose weights a file of another program holds.

    BrushflowError if the file holds anything else; nothing in it is executed.
    """
    if path.suffix.lower() == ".t7":
        return network_from_t7(path)
    state = read_pth(path)
    for layout in (imported_port, imported_fdb, imported_example):
        if layout.recognises(state):
            try:
                return layout.network_from_weights(state)
            except (BrushflowError, KeyError, IndexError, ValueError) as error:
                reason = f"no tensor {error}" if isinstance(error, KeyError) else str(error)
                raise BrushflowError(
                    f"{path} begins like a stylization network in a layout known here, and is "
                    f"none: {reason.rstrip('.')}."
                ) from error
    raise BrushflowError(
        f"{path} does not hold the weights of a stylization network in a layout known here: "
        f"{_described(state)}."
    )


def _described(state: dict[str, Tensor]) -> str:
    """What weights are, as far as their shapes tell."""
    shapes = [tuple(tensor.shape) for tensor in state.values() if tensor.ndim == 4]
    if not shapes:
        return "there is no convolution in it"
    if _like_vst(shapes):
        return (
            "it is a network like Video-Style-Transfer's, which enlarges by interpolation and ends "
            "in a normalization"
        )
    return (
        f"it has {counted(len(shapes), 'convolution')}, from {shapes[0][1]} channels to "
        f"{shapes[-1][0]}, and "
        f"the first tensor is called {next(iter(state))!r}"
    )


def _like_vst(shapes: list[tuple[int, ...]]) -> bool:
    """Whether all kernels are 3×3 and the widths go up once and down once (REFERENCE G)."""
    widths = [shapes[0][1], *(filters for filters, _, _, _ in shapes)]
    top = widths.index(max(widths))
    up, down = widths[:top], widths[top:]
    return (
        all(shape[2:] == (3, 3) for shape in shapes)
        and (widths[0], widths[-1]) == (3, 3)
        and up == sorted(set(up))
        and down == sorted(down, reverse=True)
        and down.count(max(widths)) > 2
    )
