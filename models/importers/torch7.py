"""A reader for the binary files of Torch 7 (``.t7``), which the original programs keep models in.

A file is one value, little-endian. A value begins with an int32, its type: 0 nil, 1 number
(float64), 2 string (int32 length, bytes), 3 table, 4 object, 5 boolean (int32), 6 to 8 function.
Tables and objects go on with an int32 index; one that was seen before stands for the same thing
again, and nothing follows. A table is an int32 count of key and value pairs. An object is a
version string ``V 1``, a class name (both int32 length, bytes) and what its class writes: a layer
one table of its fields; a tensor its dimensions (int32), sizes, strides and offset from 1 (int64)
and its storage, a value; a storage its length (int64) and the numbers.

Nothing is built but plain values, numbers that stay in the bytes of the file, and records of the
layers listed here. Every count is held against what is left of the file before it is believed.
"""

import math
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from brushflow.common.errors import BrushflowError

LAYERS = frozenset(
    {
        "CAddTable",
        "ConcatTable",
        "Dropout",
        "Identity",
        "InstanceNormalization",
        "Linear",
        "LogSoftMax",
        "MulConstant",
        "ReLU",
        "Sequential",
        "ShaveImage",
        "SoftMax",
        "SpatialAveragePooling",
        "SpatialBatchNormalization",
        "SpatialConvolution",
        "SpatialConvolutionMM",
        "SpatialFullConvolution",
        "SpatialMaxPooling",
        "SpatialReflectionPadding",
        "SpatialReplicationPadding",
        "SpatialUpSamplingNearest",
        "Tanh",
        "TotalVariation",
        "View",
    }
)
_NIL, _NUMBER, _STRING, _TABLE, _OBJECT, _BOOLEAN, *_FUNCTIONS = range(9)
_NUMBERS = {
    "Byte": "u1",
    "Char": "i1",
    "Short": "<i2",
    "Int": "<i4",
    "Long": "<i8",
    "Half": "<f2",
    "Float": "<f4",
    "Double": "<f8",
    "": "<f4",  # torch.CudaTensor
}
_ARRAY_CLASS = re.compile(r"torch\.(?:Cuda)?(Byte|Char|Short|Int|Long|Half|Float|Double|)(\w+)")
_MOST_VALUES = 1_000_000  # a checkpoint with a history of every iteration has half of that
_DEEPEST = 100  # a residual network takes about 20
_MOST_DIMENSIONS = 8
_LONGEST_NAME = 256


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer: its class without ``nn.``, and its fields by name."""

    kind: str
    fields: dict[Any, Any]


@dataclass(eq=False)
class T7Storage:
    """Numbers in a row, in the bytes of the file; ``left`` of them may still be taken."""

    numbers: np.ndarray
    left: int


@dataclass(frozen=True, eq=False)
class T7Tensor:
    """A view of a storage: ``offset`` counts from 0, ``strides`` are in elements."""

    storage: T7Storage
    offset: int
    sizes: tuple[int, ...]
    strides: tuple[int, ...]

    def take(self) -> np.ndarray:
        """The numbers, once, as a float32 array of its own.

        Tensors may show the numbers of one storage over and over, and a few bytes would fill any
        memory. So it gives out no more numbers than it has, and then raises ValueError.
        """
        self.storage.left -= math.prod(self.sizes)
        if self.storage.left < 0:
            raise ValueError("its tensors show the same numbers more than once")
        numbers = self.storage.numbers
        view = np.lib.stride_tricks.as_strided(
            numbers[self.offset :],
            self.sizes,
            [numbers.itemsize * stride for stride in self.strides],
            writeable=False,
        )
        return np.array(view, np.float32, order="C")


def read_t7(path: Path) -> Any:
    """The value a file holds.

    nil is None; numbers are floats; strings str; tables dicts, whose keys are floats (1.0 equals
    1) and strings; layers ``Layer``, tensors ``T7Tensor``, storages ``T7Storage``. What the file
    refers to twice is one object, which may contain itself.

    Raises:
        BrushflowError: the file cannot be read, is damaged, or holds something else.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BrushflowError(f"Could not read the model {path}: {error.strerror}.") from error
    try:
        return _Reader(data).value()
    except ValueError as error:
        raise BrushflowError(f"{path} is not a usable Torch 7 file: {error}.") from error


class _Reader:
    """Reads one value after another; ValueError for whatever is wrong."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0
        self._known: dict[int, Any] = {}
        self._values = 0

    def value(self, depth: int = 0) -> Any:
        """Read a value; ``depth`` others are being read around it."""
        self._values += 1
        if self._values > _MOST_VALUES:
            raise ValueError(f"it holds more than {_MOST_VALUES} values")
        if depth > _DEEPEST:
            raise ValueError(f"its values are nested more than {_DEEPEST} deep")
        kind = self._number("<i")
        if kind == _NIL:
            return None
        if kind == _NUMBER:
            return self._number("<d")
        if kind == _STRING:
            return self._string()
        if kind == _BOOLEAN:
            return self._number("<i") != 0
        if kind not in (_TABLE, _OBJECT):
            if kind in _FUNCTIONS:
                raise ValueError("it holds a function, and only weights are read")
            raise ValueError(f"there is no type of value {kind} (byte {self._place - 4})")
        index = self._number("<i")
        if index in self._known:
            return self._known[index]
        return self._table(index, depth) if kind == _TABLE else self._object(index, depth)

    def _table(self, index: int, depth: int) -> dict[Any, Any]:
        table: dict[Any, Any] = {}
        self._known[index] = table
        # The smallest pair is an empty string and nil.
        count = self._count("<i", 12, "pairs")
        for _ in range(count):
            key = self.value(depth + 1)
            if not isinstance(key, str | float):
                raise ValueError("a table has a key that is neither a number nor a string")
            table[key] = self.value(depth + 1)
        return table

    def _object(self, index: int, depth: int) -> Any:
        name = self._string(_LONGEST_NAME)
        if re.fullmatch(r"V -?\d{1,9}", name):
            name = self._string(_LONGEST_NAME)
        # Files from before versions begin with the name at once.
        package, _, kind = name.rpartition(".")
        if package in ("nn", "cudnn") and kind in LAYERS:  # twins with the same fields
            layer = Layer(kind, {})
            self._known[index] = layer
            fields = self.value(depth + 1)
            if not isinstance(fields, dict):
                raise ValueError(f"the layer {name} has no table of fields")
            layer.fields.update(fields)
            return layer
        array = _ARRAY_CLASS.fullmatch(name)
        if array is None or array[2] not in ("Tensor", "Storage"):
            raise ValueError(f"it holds an object of the class {name!r}, which is not known here")
        if array[2] == "Storage":
            self._known[index] = self._storage(np.dtype(_NUMBERS[array[1]]))
        else:
            self._known[index] = self._tensor(np.dtype(_NUMBERS[array[1]]), depth)
        return self._known[index]

    def _tensor(self, dtype: np.dtype, depth: int) -> T7Tensor:
        dimensions = self._count("<i", 16, "dimensions")
        if dimensions > _MOST_DIMENSIONS:
            raise ValueError(f"a tensor has {dimensions} dimensions")
        sizes = tuple(self._number("<q") for _ in range(dimensions))
        strides = tuple(self._number("<q") for _ in range(dimensions))
        offset = self._number("<q") - 1
        storage = self.value(depth + 1)
        if storage is None:
            storage = T7Storage(np.empty(0, dtype), 0)
        if not isinstance(storage, T7Storage):
            raise ValueError("a tensor has something else than numbers for a storage")
        if not sizes or 0 in sizes:
            return T7Tensor(storage, 0, (0,), (1,))
        last = offset + sum((n - 1) * by for n, by in zip(sizes, strides, strict=True))
        if min(*sizes, *strides, offset) < 0 or last >= storage.numbers.size:
            raise ValueError("a tensor reaches beyond its storage")
        return T7Tensor(storage, offset, sizes, strides)

    def _storage(self, dtype: np.dtype) -> T7Storage:
        count = self._count("<q", dtype.itemsize, "numbers")
        place = self._place
        self._place += count * dtype.itemsize
        return T7Storage(np.frombuffer(self._data, dtype, count, place), count)

    def _string(self, longest: int | None = None) -> str:
        length = self._count("<i", 1, "characters")
        if longest is not None and length > longest:
            raise ValueError(f"a class name has {length} characters")
        self._place += length
        # Strings of Lua are bytes; what is looked for here is ASCII.
        return self._data[self._place - length : self._place].decode("latin-1")

    def _count(self, form: str, smallest: int, what: str) -> int:
        """A count of things that take at least ``smallest`` bytes each."""
        count = self._number(form)
        left = len(self._data) - self._place
        if not 0 <= count <= left // smallest:
            raise ValueError(f"{count} {what} are announced, and {left} bytes follow")
        return count

    def _number(self, form: str) -> Any:
        try:
            (number,) = struct.unpack_from(form, self._data, self._place)
        except struct.error as error:
            raise ValueError("it ends in the middle") from error
        self._place += struct.calcsize(form)
        return number
