"""Reading a ``.pth`` file: plain tensors by name, and nothing that could be more.

PyTorch's own reader with ``weights_only=True`` runs no code, but it still builds what the pickle
in the file asks for, of any size. So the pickle is looked through first, without being run: it may
name tensors and ordered dictionaries only, and no number in it may exceed the size of the file.
"""

import io
import pickletools
import re
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from brushflow.common.errors import BrushflowError
from brushflow.common.tensor_files import load_tensors

_ALLOWED = re.compile(
    r"collections OrderedDict|torch\._utils _rebuild_(tensor|tensor_v2|parameter)|"
    r"torch (BFloat16|Half|Float|Double|Byte|Char|Short|Int|Long|Bool)Storage"
)
# Ways to name or make an object that torch.save does not use.
_FORBIDDEN = frozenset({"STACK_GLOBAL", "INST", "OBJ", "EXT1", "EXT2", "EXT4", "PERSID"})
# What checkpoints call the weights; .pth.tar files, which are no archives of tar, use the first.
_WEIGHTS = ("state_dict", "model_state_dict", "model")
_MOST_STEPS = 100_000  # of a pickle; a stylization network takes about 5,000
# Files of old versions are pickles in a row: a fixed number, the version, the system, the state,
# the names of its storages; then the numbers.
_OLD_PICKLES = 5
_STATE_OF_OLD = 3


def read_pth(path: Path) -> dict[str, Tensor]:
    """The tensors that a file of weights, or a checkpoint with them, holds, by name, on the CPU.

    They take no more memory than the file is long. BrushflowError if the file cannot be read or
    holds anything else; nothing in it is executed.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BrushflowError(f"Could not read the model {path}: {error.strerror}.") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of outdated ways to write, which nobody can change
            for stream, is_state in _pickles(data):
                _check(stream, len(data) if is_state else None)
            state = load_tensors(io.BytesIO(data))
        return _tensors(_of_checkpoint(state), len(data))
    except ValueError as error:
        raise BrushflowError(f"{path} is not a file of PyTorch weights: {error}.") from error


def _pickles(data: bytes) -> Iterator[tuple[io.BytesIO, bool]]:
    """The pickles in a file, each at its start, and whether the weights hang on it."""
    stream = io.BytesIO(data)
    if not data.startswith(b"PK\x03\x04"):
        for index in range(_OLD_PICKLES):
            yield stream, index >= _STATE_OF_OLD
        return
    try:
        with zipfile.ZipFile(stream) as archive:
            entries = archive.infolist()
            size = sum(entry.file_size for entry in entries)
            if size > len(data) or any(entry.compress_type for entry in entries):
                raise ValueError("it is compressed, which PyTorch's files are not")
            names = [entry.filename for entry in entries if entry.filename.endswith(".pkl")]
            for name in names:
                yield io.BytesIO(archive.read(name)), True
    except (zipfile.BadZipFile, RuntimeError, EOFError, OSError, KeyError, OverflowError) as error:
        raise ValueError("its archive is damaged") from error


def _check(stream: io.BytesIO, largest: int | None) -> None:
    """Look through one pickle; ValueError if it asks for more than weights."""
    steps = 0
    try:
        for opcode, argument, _ in pickletools.genops(stream):
            steps += 1
            if steps > _MOST_STEPS:
                raise ValueError("it has more parts than a network")
            if opcode.name in _FORBIDDEN:
                raise ValueError("it holds more than tensors")
            name = str(argument)
            if opcode.name == "GLOBAL" and not _ALLOWED.fullmatch(name):
                raise ValueError(
                    f"it holds more than tensors, namely {name.replace(' ', '.')!r}; save the "
                    f"network's state_dict() alone"
                )
            if largest is not None and isinstance(argument, int) and abs(argument) > largest:
                raise ValueError(f"it announces {argument} numbers and has {largest} bytes")
    except (IndexError, OverflowError, AttributeError) as error:
        raise ValueError("it is damaged") from error


def _of_checkpoint(state: object) -> object:
    """The weights in what training programs keep, with their optimiser's state beside them."""
    if isinstance(state, dict):
        for name in _WEIGHTS:
            if isinstance(state.get(name), dict):
                return state[name]
    return state


def _tensors(state: object, size: int) -> dict[str, Tensor]:
    """The state, if it is tensors by name that have room in a file of this size."""
    if not isinstance(state, dict) or not state:
        raise ValueError("it holds no tensors by name")
    total = 0
    tensors: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise ValueError("it holds more than tensors by name")
        if tensor.layout != torch.strided or tensor.device.type != "cpu":
            raise ValueError(f"the tensor {name!r} is of a kind that no network has")
        total += tensor.numel() * tensor.element_size()
        tensors[name] = tensor
    # A view may show the same numbers any number of times.
    if total > size:
        raise ValueError(f"its tensors take {total} bytes, and it has {size}")
    return tensors
