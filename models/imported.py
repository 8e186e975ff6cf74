"""Networks of other programs, told apart by what their files hold.

``.t7``: the original fast-artistic-videos and fast-neural-style, see ``imported_t7``. ``.pth``:
the PyTorch port of the former, see ``imported_port``, and the example fast_neural_style of PyTorch,
see ``imported_example``.
"""

from pathlib import Path

from brushflow.errors import BrushflowError
from brushflow.models import imported_example, imported_port
from brushflow.models.imported_t7 import network_from_t7
from brushflow.models.network import StyleNetwork
from brushflow.models.pth import read_pth


def network_from_other(path: Path) -> StyleNetwork:
    """Build the network whose weights a file of another program holds.

    BrushflowError if the file holds anything else; nothing in it is executed.
    """
    if path.suffix.lower() == ".t7":
        return network_from_t7(path)
    state = read_pth(path)
    for layout in (imported_port, imported_example):
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
        f"{path} does not hold the weights of a stylization network in a layout known here."
    )
