"""Weights of fast_neural_style, one of PyTorch's examples.

The network (Johnson et al. 2016 with nearest-neighbour enlargement) pads every layer by
reflection, enlarges without a norm of its own, has no tanh, and takes and gives RGB from 0 to 255.
Network space here is BGR minus a mean. The change between the two is linear, so the first and the
last convolution take it over: they see reflected borders only, to which it does the same.
"""

import torch
from torch import Tensor

from brushflow.models.network import StyleNetwork
from brushflow.models.preprocessing import VGG_MEAN_BGR
from brushflow.models.weights import network_from_state

# Where its layers stand among StyleNetwork's: before the blocks, and counted from the last block.
_BEFORE = {"conv1.conv2d": 0, "in1": 1, "conv2.conv2d": 3, "in2": 4, "conv3.conv2d": 6, "in3": 7}
_FIRST_BLOCK = 9
_AFTER = {
    "deconv1.conv2d": 2,
    "in4": 3,
    "deconv2.conv2d": 6,
    "in5": 7,
    "deconv3.conv2d": 9,
}
_BLOCK_PARTS = {"conv1.conv2d": "conv1", "in1": "norm1", "conv2.conv2d": "conv2", "in2": "norm2"}
# Early versions of PyTorch kept statistics beside the norms, which were not used.
_UNUSED = (".running_mean", ".running_var", ".num_batches_tracked")


def detect(state: dict[str, Tensor]) -> bool:
    """Whether the first convolution has the name it has there."""
    return "conv1.conv2d.weight" in state


def load(state: dict[str, Tensor]) -> StyleNetwork:
    """Build the network; KeyError, IndexError, ValueError or UsageError if the layout differs."""
    state = {name: tensor for name, tensor in state.items() if not name.endswith(_UNUSED)}
    blocks = sum(f"res{i}.conv1.conv2d.weight" in state for i in range(1, len(state)))
    renamed = {}
    for name, tensor in state.items():
        module, _, parameter = name.rpartition(".")
        renamed[f"layers.{_place(module, blocks)}.{parameter}"] = tensor
    first, last = (renamed[f"layers.{i}.weight"] for i in (0, _FIRST_BLOCK + blocks + 8))
    if first.ndim != 4 or last.ndim != 4 or first.shape[1] != 3 or last.shape[0] != 3:
        raise ValueError("its first or last convolution is not one from or to a picture")
    network = network_from_state(
        renamed, _arch(state, blocks), in_channels=3, padding_type="reflect", tanh_constant=0.0
    )
    _to_network_space(network)
    return network


def _place(module: str, blocks: int) -> str:
    """The module's place in StyleNetwork.layers; KeyError if there is none."""
    if module in _BEFORE:
        return str(_BEFORE[module])
    if module in _AFTER:
        return str(_FIRST_BLOCK + blocks + _AFTER[module] - 1)
    block, _, part = module.partition(".")
    if not block.startswith("res") or not 1 <= int(block[3:]) <= blocks:
        raise KeyError(module)
    return f"{_FIRST_BLOCK + int(block[3:]) - 1}.{_BLOCK_PARTS[part]}"


def _arch(state: dict[str, Tensor], blocks: int) -> str:
    def layer(name: str, stride: int) -> str:
        filters, _, kernel, _ = state[f"{name}.conv2d.weight"].shape
        return f"c{kernel}s{stride}-{filters}"

    filters = state["conv3.conv2d.weight"].shape[0]
    return ",".join(
        [
            layer("conv1", 1),
            layer("conv2", 2),
            layer("conv3", 2),
            *[f"R{filters}"] * blocks,
            "N2",
            layer("deconv1", 1),
            "N2",
            layer("deconv2", 1),
            layer("deconv3", 1),
        ]
    )


@torch.no_grad()
def _to_network_space(network: StyleNetwork) -> None:
    """RGB from 0 to 255 becomes BGR minus the mean, at both ends."""
    state = network.state_dict()  # lies in the network's own memory
    first, last = "layers.0", f"layers.{len(network.layers) - 1}"
    mean = torch.tensor(VGG_MEAN_BGR, dtype=torch.float64)
    weight, bias = state[f"{first}.weight"], state[f"{first}.bias"]
    weight.copy_(weight.flip(1).clone())
    bias += torch.einsum("ocyx,c->o", weight.double(), mean).float()
    weight, bias = state[f"{last}.weight"], state[f"{last}.bias"]
    weight.copy_(weight.flip(0).clone())
    bias.copy_((bias.double().flip(0) - mean).float())
