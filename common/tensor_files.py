"""Tensors in files: read without running code, written with the same bytes every time."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from brushflow.common.atomic_files import atomic_path
from brushflow.common.errors import BrushflowError
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


def read_weights(path: Path, what: str, about: str = "", prefix: str = "") -> dict[str, Tensor]:
    """The tensors, by name, of a ``.safetensors`` file or one of PyTorch's; no code from it runs.

    Args:
        path: the file.
        what: names the weights in messages, e.g. "flow weights".
        about: see BrushflowError.
        prefix: only tensors whose name begins so are wanted, and checked.

    Raises:
        BrushflowError: there is no such file, it is damaged or holds anything but tensors by name,
            or values that are no numbers.
    """
    try:
        state = load_file(path) if path.suffix == ".safetensors" else load_tensors(path)
        if not isinstance(state, Mapping) or not all(
            isinstance(name, str) and isinstance(each, Tensor) for name, each in state.items()
        ):
            raise ValueError("it holds no tensors by name")
    except FileNotFoundError as error:
        raise BrushflowError(f"There is no file {path} with {what}.", about) from error
    except (SafetensorError, OSError, ValueError) as error:
        fact = f"{path} is not a file of {what}: it is damaged, or holds more or less than tensors."
        if Path(torch.hub.get_dir()) in path.parents:
            fact += " Without it, they are downloaded again."
        raise BrushflowError(fact, about) from error
    wanted = {name: tensor for name, tensor in state.items() if name.startswith(prefix)}
    broken = not_finite(wanted)
    if broken is not None:
        raise BrushflowError(
            f"The {what} in {path} hold values that are no numbers, in {broken!r}.", about
        )
    return wanted


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
