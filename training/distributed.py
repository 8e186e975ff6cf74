"""Several processes that train one network, each on its share of every batch (torchrun)."""

import os
from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import nn

from brushflow.common.errors import UsageError


class Workers:
    """This process among all; a single one unless ``torchrun`` started several.

    ``rank`` counts from 0; the process of rank 0 writes files. Gradients are averaged by hand:
    the networks are small, and a step runs the network several times with and without gradients.
    """

    def __init__(self, device: torch.device) -> None:
        self.count = int(os.environ.get("WORLD_SIZE", "1"))
        self.rank = int(os.environ.get("RANK", "0"))
        self.device = device
        if self.count > 1 and not dist.is_initialized():
            dist.init_process_group("nccl" if device.type == "cuda" else "gloo")

    @property
    def writes(self) -> bool:
        return self.rank == 0

    def share(self, part: int, parts: int) -> tuple[int, int]:
        """Which sequences of a batch this process takes in part ``part`` of ``parts``."""
        return self.rank * parts + part, self.count * parts

    def average_gradients(self, network: nn.Module) -> None:
        """Give every process the mean of all processes' gradients."""
        self.average([p.grad for p in network.parameters() if p.grad is not None])

    def average(self, tensors: list[torch.Tensor]) -> None:
        """Make every tensor the mean of all processes', in place."""
        if self.count == 1:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        dist.all_reduce(flat)
        flat /= self.count
        for tensor, part in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))

    def mean(self, values: dict[str, float]) -> dict[str, float]:
        """The mean of every value over all processes."""
        if self.count == 1:
            return values
        return dict(zip(values, self._reduced(values.values(), dist.ReduceOp.SUM), strict=True))

    def anyone(self, flag: bool) -> bool:
        """Whether the flag is set in any process."""
        if self.count == 1:
            return flag
        return self._reduced([float(flag)], dist.ReduceOp.MAX)[0] > 0

    def _reduced(self, values: Iterable[float], operation: dist.ReduceOp.RedOpType) -> list[float]:
        tensor = torch.tensor(list(values), device=self.device)
        dist.all_reduce(tensor, operation)
        if operation == dist.ReduceOp.SUM:
            tensor /= self.count
        return tensor.tolist()

    def close(self) -> None:
        """Leave the group."""
        if self.count > 1 and dist.is_initialized():
            dist.destroy_process_group()


def worker_device(name: str) -> str:
    """The device of this process: with several GPUs each process takes its own."""
    local = os.environ.get("LOCAL_RANK")
    if local is None or name not in ("auto", "cuda"):
        return name
    if torch.cuda.device_count() == 0:
        return name
    if int(local) >= torch.cuda.device_count():
        raise UsageError(
            f"torchrun started more processes than the {torch.cuda.device_count()} GPUs here.",
            about="torchrun",
        )
    return f"cuda:{local}"
