"""Sets of the original training programs: photographs or sequences in one HDF5 file.

    /train2014/images  uint8    (N, 3, H, W)             photographs, RGB
    /train/frames1     uint8    (N, L, 3, H, W)          sequences of L frames, RGB,
    /train/flow        float32  (N, L−1, 2, H, W)        flow (u, v) of each to the one before,
    /train/cert        uint8    (N, L−1, H, W)           and how far it can be believed, at most 255

``val2014`` and ``val`` hold the same for validation (REFERENCE E4).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from brushflow.common.errors import BrushflowError, UsageError
from brushflow.training.data.photographs import Photographs
from brushflow.training.data.prepared import PreparedClips
from brushflow.training.data.windows import Strip

if TYPE_CHECKING:
    import h5py

SUFFIXES = (".h5", ".hdf5")
# Of each dataset the kind of numbers, the dimensions, and the size of the third last of these.
Form = tuple[str, int, int | None]
_PHOTOGRAPHS: dict[str, Form] = {"images": ("u1", 4, 3)}
_SEQUENCES: dict[str, Form] = {
    "frames1": ("u1", 5, 3),
    "flow": ("f", 5, 2),
    "cert": ("u1", 4, None),
}


def is_stored(place: Path) -> bool:
    """Whether this is the name of an HDF5 file rather than of a folder."""
    return place.suffix.lower() in SUFFIXES and not place.is_dir()


class _Part:
    """The datasets of one group of a file, by name; read by number, from any thread.

    There need not be a group for validation.
    """

    def __init__(self, path: Path, group: str, wanted: dict[str, Form]) -> None:
        self.path = path
        self.group = group
        file = _open(path)
        if group.startswith("val") and group not in file:
            wanted = {}
        self.datasets = {
            name: _dataset(file, path, f"{group}/{name}", form) for name, form in wanted.items()
        }

    def __len__(self) -> int:
        return min((len(data) for data in self.datasets.values()), default=0)

    def read(self, name: str, *place: int | slice) -> np.ndarray:
        try:
            return self.datasets[name][place]
        except (OSError, ValueError) as error:
            raise BrushflowError(
                f"{self.path} is damaged: number {place[0]} of {self.group}/{name} cannot be read."
            ) from error


class StoredPhotographs(Photographs):
    """The photographs of one part of a file, ``train2014`` or ``val2014``."""

    def __init__(self, path: Path, part: str, holes: bool = True) -> None:
        self._part = _Part(path, f"{part}2014", _PHOTOGRAPHS)
        super().__init__(range(len(self._part)), holes)

    def _read(self, picture: int) -> np.ndarray:
        return self._part.read("images", picture).transpose(1, 2, 0)


class StoredClips(PreparedClips):
    """The sequences of one part of a file, ``train`` or ``val``."""

    def __init__(self, path: Path, part: str) -> None:
        self._part = _Part(path, part, _SEQUENCES)
        shapes = {name: data.shape for name, data in self._part.datasets.items()}
        if shapes:
            length, size = shapes["frames1"][1], shapes["frames1"][-2:]
            for name in ("flow", "cert"):
                if (shapes[name][1], shapes[name][-2:]) != (length - 1, size):
                    raise BrushflowError(
                        f"The frames in {path} and their {name} do not fit together."
                    )
        super().__init__(range(len(self._part)), path)

    def _steps(self, sequence: int) -> int:
        return self._part.datasets["flow"].shape[1]

    def _read(self, sequence: int, first: int, steps: int) -> Strip:
        between = slice(first, first + steps)
        frames = self._part.read("frames1", sequence, slice(first, first + steps + 1))
        flows = self._part.read("flow", sequence, between).astype(np.float32)
        maps = self._part.read("cert", sequence, between).astype(np.float32) / 255
        return Strip(
            list(frames.transpose(0, 2, 3, 1)), list(flows.transpose(0, 2, 3, 1)), list(maps)
        )


def _open(path: Path) -> h5py.File:
    try:
        import h5py
    except ImportError as error:
        raise BrushflowError(f"Reading {path} needs the package h5py: pip install h5py.") from error
    try:
        return h5py.File(path, "r")
    except FileNotFoundError as error:
        raise UsageError(f"There is no file {path}.") from error
    except OSError as error:
        raise BrushflowError(f"{path} is not a readable HDF5 file.") from error


def _dataset(file: h5py.File, path: Path, name: str, form: Form) -> h5py.Dataset:
    """A dataset of the file itself; BrushflowError if there is none of this form."""
    import h5py

    try:
        data = file.get(name)
    except (OSError, KeyError):  # a link that leads nowhere
        data = None
    if not isinstance(data, h5py.Dataset):
        raise BrushflowError(
            f"{path} has no {name}; photographs are in train2014/images, videos in train/frames1, "
            f"train/flow and train/cert."
        )
    # An HDF5 file can name others, in which parts of it lie.
    if data.is_virtual or data.external or data.file.filename != file.filename:
        raise BrushflowError(f"{path} does not hold {name} itself, but names another file.")
    kind, dimensions, channels = form
    fits = data.dtype.str[1:].startswith(kind) and data.ndim == dimensions and data.size
    if not fits or channels not in (None, data.shape[-3]):
        raise BrushflowError(f"{path}: {name} is {data.dtype} {data.shape}, no set for training.")
    return data
