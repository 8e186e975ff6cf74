"""Tensors in a file that knows its own checksum: what was damaged counts as not there."""

import hashlib
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from brushflow.files import atomic_path


def save_checked(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write tensors of the CPU by name; the file is there complete or not at all."""
    with atomic_path(path) as partial:
        partial.write_bytes(save(tensors, {"sha256": _tensor_digest(tensors)}))


def load_checked(path: Path) -> dict[str, Tensor] | None:
    """What ``save_checked`` has written, None if it is not there or damaged."""
    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            known = (file.metadata() or {}).get("sha256")
    except (OSError, RuntimeError, SafetensorError):  # RuntimeError: removed at this moment
        return None
    return tensors if known == _tensor_digest(tensors) else None


def _tensor_digest(tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()
