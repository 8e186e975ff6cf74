"""Tensors in files: read without running code, written with the same bytes every time."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import torch
from safetensors.torch import save
from torch import Tensor

from brushflow.common.memory import out_of_memory


def load_tensors(file: Path | IO[bytes]) -> Any:
    """What the file holds, in the CPU's memory; no code from it runs.

    Raises:
        OSError: the file cannot be opened.
        ValueError: it is damaged, or holds more than tensors and plain values.
    """
    if isinstance(file, Path):
        with file.open("rb") as opened:
            return load_tensors(opened)
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # an unpickler meets anything
        if out_of_memory(error):
            raise
        raise ValueError("it is damaged, or holds more than tensors") from error


def not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """The first tensor, by name, that holds a NaN or something infinite."""
    return next((n for n in sorted(tensors) if not tensors[n].isfinite().all()), None)


def safetensors_bytes(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """A ``.safetensors`` file of contiguous tensors; the same contents have the same bytes.

    The library writes the entries of the header in another order every time. They name where
    their tensor lies, so they may stand in any.
    """
    written = save(dict(tensors), dict(metadata))
    end = 8 + int.from_bytes(written[:8], "little")
    entries = json.loads(written[8:end])
    header = json.dumps(entries, sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)  # tensors begin at a multiple of 8
    return len(header).to_bytes(8, "little") + header + written[end:]


def tensors_digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of the names, types, shapes and values of tensors, in whatever order they come."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.cpu().numpy().tobytes())
    return digest.hexdigest()
