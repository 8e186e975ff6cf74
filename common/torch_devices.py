"""Where to compute, and how precisely."""

import logging
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache

import torch
import torch.nn.functional as F

from brushflow.common.errors import BrushflowError, UsageError

PRECISIONS = ("auto", "fp32", "fp16", "bf16")
DEVICES = "auto, cpu, cuda (NVIDIA, or AMD by ROCm), cuda:1, xpu (Intel) or mps (Apple)."
_TYPES = {"fp16": torch.float16, "bf16": torch.bfloat16}
_KINDS = ("cuda", "xpu", "mps")  # the order in which auto takes them
_HALF_IS_FAST = ("cuda", "xpu")

logger = logging.getLogger(__name__)


def devices_here() -> list[torch.device]:
    """All that this PyTorch may compute with, the ones that ``auto`` prefers first."""
    found = [torch.device(kind, n) for kind in _KINDS for n in range(_count(kind))]
    return [*found, torch.device("cpu")]


def choose_device(name: str) -> torch.device:
    """``auto`` is the first of CUDA (ROCm calls itself so), XPU, MPS and CPU that is there.

    UsageError for one that is not.
    """
    if name == "auto":
        return torch.device(next((kind for kind in _KINDS if _count(kind)), "cpu"))
    if name.startswith("rocm") and torch.version.hip:
        name = name.replace("rocm", "cuda", 1)
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"There is no device {name!r}; choose {DEVICES}") from error
    if device.type != "cpu" and (device.index or 0) >= _count(device.type):
        raise UsageError(f"The device {name!r} is not available here.", about="device")
    return device


def choose_precision(name: str, device: torch.device) -> str:
    """``auto`` is half precision where it is fast: on CUDA and XPU."""
    if name == "auto":
        return "fp16" if device.type in _HALF_IS_FAST else "fp32"
    if name == "fp16" and device.type == "cpu":
        raise UsageError("The CPU does not compute in fp16.", about="precision")
    return name


def usable_device(name: str, precision: str = "auto") -> torch.device:
    """``choose_device``, and it is tried whether painting works there.

    A driver or PyTorch may be too old for a device that is there, or lack an operation. ``auto``
    then says so and takes the next one; for a device that was named it is a BrushflowError.
    """
    if name != "auto":
        device = choose_device(name)
        problem = _problem(device, choose_precision(precision, device))
        if problem is not None:
            raise BrushflowError(f"The device {name!r} cannot be used: {problem}.", about="device")
        return device
    *others, cpu = devices_here()
    for device in {device.type: torch.device(device.type) for device in others}.values():
        if _problem(device, choose_precision(precision, device)) is None:
            return device
    return cpu


@lru_cache
def _problem(device: torch.device, precision: str) -> str | None:
    """Why painting does not work on a device, None if it does; said once, as a warning."""
    if device.type == "cpu":
        return None
    try:
        _try_painting(device, precision)
    except (RuntimeError, AssertionError) as error:  # of which NotImplementedError is one
        problem = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        logger.warning(
            "The device %s does not paint in %s here: %s. Look at its driver, and for a PyTorch "
            "that was built for it.",
            *(device, precision, problem),
        )
        return problem
    return None


def _try_painting(device: torch.device, precision: str) -> None:
    """What painting a frame needs, on a picture of a few pixels; raises what PyTorch raises."""
    with torch.inference_mode():
        picture = torch.linspace(0, 1, 3 * 64).reshape(1, 3, 8, 8).to(device)
        with autocast(device, precision):
            layers = F.conv2d(F.pad(picture, (1, 1, 1, 1), "reflect"), picture[..., :3, :3])
        layers = F.instance_norm(F.interpolate(layers.float(), scale_factor=2.0, mode="nearest"))
        moved = F.grid_sample(layers, picture.permute(0, 2, 3, 1)[..., :2], align_corners=True)
        torch.lerp(moved, moved.clamp(0, 1), 0.5).cpu()


def autocast(device: torch.device, precision: str) -> AbstractContextManager:
    """Run convolutions in this precision; statistics and the warp stay in float32."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, _TYPES[precision])


def device_memory(device: torch.device) -> tuple[int, int] | None:
    """Bytes that are free and bytes in all of a GPU's own memory, None where PyTorch cannot tell.

    What Apple's GPUs use is the computer's; what the system recommends counts there.
    """
    if device.type == "mps":
        whole = torch.mps.recommended_max_memory()
        return whole - torch.mps.driver_allocated_memory(), whole
    ask = getattr(getattr(torch, device.type), "mem_get_info", None)
    try:
        return None if ask is None else ask(device)
    except RuntimeError:  # some of Intel's drivers do not say
        return None


def synchronize(device: torch.device) -> None:
    """Wait until all that was asked of a device is done, before a clock is read."""
    if device.type != "cpu":
        getattr(torch, device.type).synchronize()


def release_device_memory() -> None:
    """Hand back what PyTorch keeps of GPUs' memory for later."""
    for kind in _KINDS:
        if _count(kind):
            getattr(torch, kind).empty_cache()


def _count(kind: str) -> int:
    """How many devices of a kind are there."""
    if kind == "mps":
        return int(torch.backends.mps.is_available())
    part = getattr(torch, kind, None) if kind in _KINDS else None
    return part.device_count() if part is not None and part.is_available() else 0
