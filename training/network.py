"""The network that a run trains: a fresh one, or one that can paint already."""

import torch
from torch import Tensor

from brushflow.common.errors import UsageError
from brushflow.models import StyleNetwork, build, load
from brushflow.training.options import NETWORKS, ResolvedOptions
from brushflow.training.unroll import Recurrence


def make_network(options: ResolvedOptions) -> StyleNetwork:
    """The network of these options, with the weights of ``init_from`` if there is one.

    The two may see different inputs: both begin with the frame's three channels, and what only
    one of them sees is left out, or starts with weights of zero.
    """
    if options.network not in NETWORKS:
        raise UsageError(
            f"There is no kind of network {options.network!r}; choose {', '.join(NETWORKS)}."
        )
    channels = NETWORKS[options.network]
    source = None if options.init_from is None else load(options.init_from).network
    network = build(
        options.arch,
        channels,
        padding_type=options.padding_type,
        tanh_constant=options.tanh_constant,
        norm=options.norm,
        preprocessing=options.preprocessing,
        fill=options.fill,
    )
    if source is None:
        return network
    state = source.state_dict()
    first = next(name for name in state if name.endswith("weight"))
    state[first] = _with_inputs(state[first], channels)
    wanted = network.state_dict()
    if {k: v.shape for k, v in state.items()} != {k: v.shape for k, v in wanted.items()}:
        raise UsageError(
            f"The weights of {options.init_from} do not fit the architecture {options.arch}.",
            about="arch",
        )
    network.load_state_dict(state)
    return network


def make_recurrence(options: ResolvedOptions, device: torch.device) -> Recurrence:
    """How the options ask for sequences to be painted."""
    if options.min_filter < 1 or options.min_filter % 2 == 0:
        raise UsageError(
            f"The window that shrinks the reliable area has an odd width, not "
            f"{options.min_filter}.",
            about="min_filter",
        )
    first_network = None
    if options.image_model is not None:
        first_network = load(options.image_model).network
        if first_network.in_channels != 3:
            raise UsageError(
                f"{options.image_model} is a video model, and first frames need one that sees a "
                f"single picture.",
                about="image_model",
            )
        first_network = first_network.to(device).eval().requires_grad_(False)
    return Recurrence(
        options.min_filter, options.fill, options.through_time, options.settle, first_network
    )


def _with_inputs(weight: Tensor, channels: int) -> Tensor:
    """A convolution's weight (out, in, k, k) for another number of input channels.

    Only the frame's channels mean the same in networks of different kinds.
    """
    if weight.shape[1] == channels:
        return weight
    widened = weight.new_zeros(weight.shape[0], channels, *weight.shape[2:])
    widened[:, :3] = weight[:, :3]
    return widened
