"""RAFT weights from a file in torchvision's or the authors' layout."""

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from brushflow.common.errors import BrushflowError
from brushflow.common.tensor_files import read_weights

# The names of princeton-vl/RAFT and what torchvision calls the same thing, applied in this order.
_RENAMES = [
    (r"^fnet\.", "feature_encoder."),
    (r"^cnet\.", "context_encoder."),
    (r"^(\w+_encoder)\.conv1\.", r"\1.convnormrelu.0."),
    (r"^(\w+_encoder)\.norm1\.", r"\1.convnormrelu.1."),
    (r"^(\w+_encoder)\.conv2\.", r"\1.conv."),
    (r"(\.layer\d\.\d)\.conv(\d)\.", r"\1.convnormrelu\2.0."),
    (r"(\.layer\d\.\d)\.norm(\d)\.", r"\1.convnormrelu\2.1."),
    (r"\.encoder\.conv([cf])(\d)\.", r".motion_encoder.conv\1\2.0."),
    (r"\.convc(\d)\.", r".convcorr\1."),
    (r"\.convf(\d)\.", r".convflow\1."),
    (r"\.encoder\.conv\.", ".motion_encoder.conv.0."),
    # The large network's unit runs along x, then along y; the small one has a single one.
    (r"\.gru\.conv([zrq])\.", r".recurrent_block.convgru1.conv\1."),
    (r"\.gru\.conv([zrq])(\d)\.", r".recurrent_block.convgru\2.conv\1."),
    (r"^update_block\.mask\.0\.", "mask_predictor.convrelu.0."),
    (r"^update_block\.mask\.2\.", "mask_predictor.conv."),
]
# The norm after a shortcut's convolution is stored twice there: under its own name, and in
# `downsample`, which is its name in torchvision.
_SHORTCUT_NORM = re.compile(r"\.layer\d\.0\.norm[34]\.")


def load_weights(model: nn.Module, name: str, path: Path) -> None:
    """Fill torchvision's ``model``, the network called ``name``, from a file.

    The file is a state dict of torchvision or of the authors (princeton-vl).

    Raises:
        BrushflowError: the file cannot be read or holds something else.
    """
    state = torchvision_names(read_weights(path, "flow weights"))
    mismatch = _mismatch(model.state_dict(), state)
    if mismatch:
        raise BrushflowError(
            f"'{path}' does not hold weights of {name} ({mismatch}).", about="other_flow"
        )
    model.load_state_dict(state)


def torchvision_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A RAFT state dict with torchvision's names, whoever's names it has."""
    state = {key.removeprefix("module."): tensor for key, tensor in state.items()}
    if not any(key.startswith("fnet.") for key in state):
        return state
    renamed = {}
    for key, tensor in state.items():
        if _SHORTCUT_NORM.search(key):
            continue
        for pattern, replacement in _RENAMES:
            key = re.sub(pattern, replacement, key)
        renamed[key] = tensor
    return renamed


def _mismatch(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str:
    """The first difference in names or shapes in words, empty if there is none."""
    for key in sorted(wanted.keys() | found.keys()):
        if key not in found:
            return f"'{key}' is missing"
        if key not in wanted:
            return f"'{key}' is not part of it"
        if found[key].shape != wanted[key].shape:
            return (
                f"'{key}' has shape {tuple(found[key].shape)} instead of {tuple(wanted[key].shape)}"
            )
    return ""
