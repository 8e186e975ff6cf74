"""How many processes this machine can use, and which part of it each one gets."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from brushflow.common.memory import CGROUP, available_memory
from brushflow.common.torch_devices import choose_device
from brushflow.pipeline.parallel.processes import PaintingProcesses
from brushflow.pipeline.shortage import memory_to_paint


@contextmanager
def painting_processes(
    jobs: int | str, device: str, size: tuple[int, int]
) -> Iterator[PaintingProcesses | None]:
    """Processes to paint frames of ``size`` (width, height) with; None if this one will do.

    ``jobs`` is their number, or "auto": as many as there are processors or, on CUDA, GPUs, as far
    as memory goes. PyTorch's threads are divided among those at work.
    """
    chosen = choose_device(device)
    gpus = _visible_gpus() if chosen.type == "cuda" and chosen.index is None else []
    if jobs == "auto":
        jobs = len(gpus) if chosen.type != "cpu" else usable_cores()
        jobs = max(1, min(jobs, _that_fit(size)))
    if jobs == 1:
        yield None
        return
    with PaintingProcesses(int(jobs), torch.get_num_threads(), gpus) as processes:
        yield processes


def usable_cores() -> int:
    """Processors that this process may use, all day long; a container may have a share of some."""
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    try:
        quota, period = (CGROUP / "cpu.max").read_text().split()
    except (OSError, ValueError):
        return cores
    return cores if quota == "max" else max(1, min(cores, int(quota) // int(period)))


def _that_fit(size: tuple[int, int]) -> int:
    return available_memory() // memory_to_paint(size[0] * size[1])


def _visible_gpus() -> list[str]:
    """One value for CUDA_VISIBLE_DEVICES for each GPU that this process sees."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name.strip() for name in named.split(",")][: torch.cuda.device_count()]
    return [str(index) for index in range(torch.cuda.device_count())]
