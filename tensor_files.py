"""Files that ``torch.save`` has written, wherever they come from."""

from pathlib import Path
from typing import IO, Any

import torch


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
        raise ValueError("it is damaged, or holds more than tensors") from error
