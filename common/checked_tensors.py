"""Tensors in a file that knows its own checksum: what was damaged counts as not there."""

from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from brushflow.common.atomic_files import atomic_path
from brushflow.common.tensor_files import safetensors_bytes, tensors_digest


def save_checked(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write tensors of the CPU by name; the file is there complete or not at all."""
    with atomic_path(path) as partial:
        partial.write_bytes(safetensors_bytes(tensors, {"sha256": tensors_digest(tensors)}))


def load_checked(path: Path) -> dict[str, Tensor] | None:
    """What ``save_checked`` has written, None if it is not there or damaged."""
    try:
        with safe_open(path, "pt") as file:
            # Copies: the library's tensors hold the file, which Windows cannot remove then.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
            known = (file.metadata() or {}).get("sha256")
    except (OSError, RuntimeError, SafetensorError):  # RuntimeError: removed at this moment
        return None
    return tensors if known == tensors_digest(tensors) else None
