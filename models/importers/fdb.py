"""Weights of the frame-difference program (Xu et al. 2021; REFERENCE F1), its ``.model`` files.

The layers are those of ``network.FDB_ARCH``. They take and give BGR from 0 to 255, network space
without the mean subtracted; rims are made up by interpolation, to which a constant does nothing, so
the first and the last bias take the mean over. How a network padded is not in its file: it is
taken for the program's default.
"""

import torch
from torch import Tensor

from brushflow.models.network import StyleNetwork
from brushflow.models.preprocessing import VGG_MEAN_BGR
from brushflow.models.weights import network_from_state

_BEFORE = {"conv1.conv2d": 0, "conv2.conv2d": 3, "conv3.conv2d": 6}  # in StyleNetwork.layers
_FIRST_BLOCK = 9
_AFTER = {"deconv1.deconv2d": 0, "deconv2.deconv2d": 3, "deconv3.conv2d": 6}  # behind the blocks
_BLOCK_PARTS = {"conv1.conv2d": "conv1", "conv2.conv2d": "conv2"}


def detect(state: dict[str, Tensor]) -> bool:
    """Whether it has the names of the first convolution and of the first enlarging one."""
    return "conv1.conv2d.weight" in state and "deconv1.deconv2d.weight" in state


def load(state: dict[str, Tensor]) -> StyleNetwork:
    """Build the network; KeyError, IndexError, ValueError or UsageError if the layout differs."""
    if state["conv1.conv2d.weight"].shape[1] != 3:
        raise ValueError("it is the recurrent one, of which that program carries nothing on")
    blocks = sum(f"res{i}.conv1.conv2d.weight" in state for i in range(1, len(state)))
    renamed = {}
    for name, tensor in state.items():
        module, _, parameter = name.rpartition(".")
        renamed[f"layers.{_place(module, blocks)}.{parameter}"] = tensor

    def layer(name: str, letter: str, stride: int, axis: int = 0) -> str:
        shape = state[f"{name}.weight"].shape
        return f"{letter}{shape[2]}s{stride}-{shape[axis]}"

    arch = [
        layer("conv1.conv2d", "c", 1),
        layer("conv2.conv2d", "c", 2),
        layer("conv3.conv2d", "c", 2),
        *[f"R{state['conv3.conv2d.weight'].shape[0]}"] * blocks,
        layer("deconv1.deconv2d", "f", 2, 1),
        layer("deconv2.deconv2d", "f", 2, 1),
        layer("deconv3.conv2d", "c", 1),
    ]
    network = network_from_state(
        renamed,
        ",".join(arch),
        in_channels=3,
        padding_type="interpolate",
        tanh_constant=0.0,
        norm="plain",
    )
    mean = torch.tensor(VGG_MEAN_BGR)
    own = network.state_dict()  # lies in the network's own memory
    own["layers.0.bias"] += torch.einsum("ocyx,c->o", own["layers.0.weight"], mean)
    own[f"layers.{len(network.layers) - 1}.bias"] -= mean
    return network


def _place(module: str, blocks: int) -> str:
    """The module's place in StyleNetwork.layers; KeyError if there is none."""
    if module in _BEFORE:
        return str(_BEFORE[module])
    if module in _AFTER:
        return str(_FIRST_BLOCK + blocks + _AFTER[module])
    block, _, part = module.partition(".")
    if not block.startswith("res") or not 1 <= int(block[3:]) <= blocks:
        raise KeyError(module)
    return f"{_FIRST_BLOCK + int(block[3:]) - 1}.{_BLOCK_PARTS[part]}"
