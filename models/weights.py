"""Weights from outside: they get a network only if they are its weights."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from brushflow.common.tensor_files import not_finite
from brushflow.models.network import StyleNetwork, build

# A picture; with the output before it; with that output warped, and where it can be trusted.
_IN_CHANNELS = (3, 6, 7)


def network_from_state(state: Mapping[str, Tensor], arch: str, **description: Any) -> StyleNetwork:
    """Build the network that ``arch`` and ``description`` (see ``build``) tell of, with weights.

    It is in evaluation mode, in float32; errors are those of ``checked_weights``.
    """
    return network_with(checked_weights(state, arch, **description), arch, **description)


def network_with(weights: Mapping[str, Tensor], arch: str, **description: Any) -> StyleNetwork:
    """The same of weights that are checked already."""
    with torch.device("meta"):
        network = build(arch, **description)
    # Copies, as one file's weights may become several networks. ``to_empty`` would import a system
    # for symbolic mathematics first, which takes a second.
    own = {name: tensor.clone() for name, tensor in weights.items()}
    network.load_state_dict(own, assign=True)
    return network.eval()


def checked_weights(
    state: Mapping[str, Tensor], arch: str, **description: Any
) -> dict[str, Tensor]:
    """The weights as the network that ``arch`` and ``description`` tell of has them, by name.

    A description in a file may claim any size, so the network is only laid out without memory and
    compared with the tensors that are there.

    Raises:
        UsageError: the description is wrong.
        ValueError: the weights are not those of this network.
    """
    channels = description.get("in_channels", 7)
    if channels not in _IN_CHANNELS:
        raise ValueError(f"a network takes 3, 6 or 7 channels, and not {channels}")
    with torch.device("meta"):
        wanted = build(arch, **description).state_dict()
    unlike = wanted.keys() ^ state.keys()
    if unlike:
        name = min(unlike)
        raise ValueError(f"the tensor {name!r} is {'missing' if name in wanted else 'unknown'}")
    for name, tensor in state.items():
        if tensor.shape != wanted[name].shape:
            raise ValueError(
                f"the tensor {name!r} has the shape {tuple(tensor.shape)} instead of "
                f"{tuple(wanted[name].shape)}"
            )
        if wanted[name].is_floating_point() and not tensor.is_floating_point():
            raise ValueError(f"the tensor {name!r} holds no fractions")
    broken = not_finite(state)
    if broken is not None:
        raise ValueError(f"the tensor {broken!r} holds values that are no numbers")
    return {name: tensor.to(wanted[name].dtype) for name, tensor in state.items()}
