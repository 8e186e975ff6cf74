"""Where to compute, and how precisely."""

from contextlib import AbstractContextManager, nullcontext

import torch

from brushflow.common.errors import UsageError

PRECISIONS = ("auto", "fp32", "fp16", "bf16")
_TYPES = {"fp16": torch.float16, "bf16": torch.bfloat16}


def choose_device(name: str) -> torch.device:
    """``auto`` is the first of CUDA, MPS and CPU that is there; UsageError for one that is not."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(
            f"There is no device {name!r}; choose auto, cpu, cuda, cuda:1 or mps."
        ) from error
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not there.get(device.type, False):
        raise UsageError(f"The device {name!r} is not available here.", about="device")
    return device


def choose_precision(name: str, device: torch.device) -> str:
    """``auto`` is half precision where it is fast: on CUDA."""
    if name == "auto":
        return "fp16" if device.type == "cuda" else "fp32"
    if name == "fp16" and device.type == "cpu":
        raise UsageError("The CPU does not compute in fp16.", about="precision")
    return name


def autocast(device: torch.device, precision: str) -> AbstractContextManager:
    """Run convolutions in this precision; statistics and the warp stay in float32."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, _TYPES[precision])
