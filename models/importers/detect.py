"""Networks of other programs, told apart by what their files hold.

``.t7``: the original fast-artistic-videos and fast-neural-style. ``.pth``: the PyTorch port of the
former, and the example fast_neural_style of PyTorch. ``.model``: the frame-difference program.
Checkpoints of training, often ``.pth.tar``, hold the same with other things beside it.
"""

from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from brushflow.common.errors import BrushflowError
from brushflow.common.wording import counted
from brushflow.models.importers import fdb, pytorch_example, pytorch_port, torch7_models
from brushflow.models.importers.pth import read_pth
from brushflow.models.importers.torch7 import read_t7
from brushflow.models.network import StyleNetwork


class Importer(Protocol):
    """A module of this folder, for one layout of networks.

    It is shown what a file holds: tensors by name, or of ``.t7`` what ``read_t7`` gives.
    """

    def detect(self, content: Any, /) -> bool:
        """Whether a network in this layout begins like that."""
        ...

    def load(self, content: Any, /) -> StyleNetwork:
        """Build it; KeyError, IndexError, ValueError or BrushflowError where it goes on unlike."""
        ...


# By what reads a file, the layouts that it may be in.
_OF_TORCH7: tuple[Importer, ...] = (torch7_models,)
_OF_PYTORCH: tuple[Importer, ...] = (pytorch_port, fdb, pytorch_example)


def network_from_other(path: Path) -> StyleNetwork:
    """Build the network whose weights a file of another program holds.

    BrushflowError if the file holds anything else; nothing in it is executed.
    """
    of_torch7 = path.suffix.lower() == ".t7"
    content = read_t7(path) if of_torch7 else read_pth(path)
    for importer in _OF_TORCH7 if of_torch7 else _OF_PYTORCH:
        if importer.detect(content):
            try:
                return importer.load(content)
            except (BrushflowError, KeyError, IndexError, ValueError) as error:
                reason = f"no tensor {error}" if isinstance(error, KeyError) else str(error)
                raise BrushflowError(
                    f"The network in {path} cannot be had here: {reason.rstrip('.')}."
                ) from error
    what = "there is no entry 'model' with layers" if of_torch7 else _described(content)
    raise BrushflowError(
        f"{path} does not hold the weights of a stylization network in a layout known here: {what}."
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
