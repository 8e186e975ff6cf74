"""The reader of Torch 7 files gives what was written, and believes no file."""

import struct

import numpy as np
import pytest

from brushflow.common.errors import BrushflowError
from brushflow.models.importers.torch7 import Layer, T7Tensor, read_t7


@pytest.fixture
def read(tmp_path):
    """Read bytes as a file."""

    def call(data):
        path = tmp_path / "x.t7"
        path.write_bytes(data)
        return read_t7(path)

    return call


def integers(*values):
    return struct.pack(f"<{len(values)}i", *values)


def text(value):
    return integers(len(value)) + value.encode()


def longs(*values):
    return struct.pack(f"<{len(values)}q", *values)


TENSOR = integers(4, 1) + text("V 1") + text("torch.FloatTensor")
STORAGE = integers(4, 2) + text("V 1") + text("torch.FloatStorage")


def test_a_tensor_as_the_format_describes_it(read):
    # 2×3, strides 3 and 1, from the first number on.
    data = TENSOR + integers(2) + longs(2, 3, 3, 1, 1)
    data += STORAGE + longs(6) + struct.pack("<6f", *range(6))
    tensor = read(data)
    assert isinstance(tensor, T7Tensor)
    assert tensor.take().tolist() == [[0, 1, 2], [3, 4, 5]]


def test_values_of_every_kind(read, t7):
    table = {"number": -1.5, "text": "größe".encode().decode("latin-1"), "yes": True, "nil": None}
    table["list"] = [1, {"deep": False}]
    found = read(t7.encode({**table, "text": "candy"}))
    assert found == {**table, "text": "candy", "list": {1: 1.0, 2: {"deep": False}}}


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_tensors_may_be_views_of_one_storage(read, t7, dtype):
    numbers = np.arange(24, dtype=dtype)
    views = [numbers[4:10].reshape(2, 3), numbers[10:22].reshape(3, 4).T, np.empty(0, dtype)]
    for view in views[:2]:
        assert view.base is numbers
    found = read(t7.encode(views))
    assert found[1].storage is found[2].storage
    for index, view in enumerate(views, start=1):
        taken = found[index].take()
        assert taken.dtype == np.float32
        assert np.array_equal(taken, view.astype(np.float32))


def test_things_met_again_are_the_same_and_may_hold_themselves(read, t7):
    layer = t7.Module("ReLU")
    table = {"a": layer, "b": layer}
    table["self"] = table
    found = read(t7.encode(table))
    assert found["a"] is found["b"]
    assert isinstance(found["a"], Layer)
    assert found["self"] is found


def test_objects_without_a_version_are_read(read, t7):
    found = read(t7.encode(t7.Module("Tanh", {"x": 3}), version=False))
    assert (found.kind, found.fields) == ("Tanh", {"x": 3.0})


def test_twins_of_layers_from_cudnn_are_read(read):
    found = read(integers(4, 1) + text("V 1") + text("cudnn.ReLU") + integers(3, 2, 0))
    assert (found.kind, found.fields) == ("ReLU", {})


def test_a_storage_gives_out_its_numbers_once(read):
    data = integers(3, 9, 2)
    tensor = TENSOR + integers(1) + longs(4, 1, 1) + STORAGE + longs(4) + bytes(16)
    again = integers(4, 3) + text("V 1") + text("torch.FloatTensor") + integers(1) + longs(4, 1, 1)
    found = read(
        data + integers(2) + text("a") + tensor + integers(2) + text("b") + again + integers(4, 2)
    )
    found["a"].take()
    with pytest.raises(ValueError, match="more than once"):
        found["b"].take()
    wide = read(
        TENSOR + integers(2) + longs(10**6, 10**6, 0, 0, 1) + STORAGE + longs(4) + bytes(16)
    )
    with pytest.raises(ValueError, match="more than once"):
        wide.take()


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (b"", "ends in the middle"),
        (b"4\n1\n3\nV 1\n", "no type of value"),
        (integers(2, 100) + b"short", "100 characters are announced, and 5 bytes follow"),
        (integers(2, -1), "-1 characters"),
        (integers(3, 1, 2**31 - 1), "pairs are announced"),
        (integers(3, 1, 1, 3, 2, 0) + bytes(8), "neither a number nor a string"),
        (integers(6, 1), "holds a function"),
        (integers(4, 1) + text("V 1") + text("nn.Evil"), "'nn.Evil'"),
        (integers(4, 1) + text("V 1") + text("os.execute"), "'os.execute'"),
        (integers(4, 1) + text("V 1") + text("nn.ReLU") + integers(0), "no table of fields"),
        (TENSOR + integers(100) + bytes(2000), "100 dimensions"),
        (TENSOR + integers(1) + longs(5, 1, 1) + STORAGE + longs(4) + bytes(16), "beyond"),
        (TENSOR + integers(1) + longs(2, 1, 0) + STORAGE + longs(4) + bytes(16), "beyond"),
        (TENSOR + integers(1) + longs(2**62, 2**62, 1) + STORAGE + longs(0), "beyond"),
        (TENSOR + integers(1) + longs(2, -1, 2) + STORAGE + longs(4) + bytes(16), "beyond"),
        (TENSOR + integers(1) + longs(1, 1, 1) + integers(2, 0), "something else than numbers"),
        (STORAGE + longs(2**60), "numbers are announced"),
        (b"".join(integers(3, i, 1) + integers(2, 0) for i in range(200)), "100 deep"),
    ],
)
def test_what_is_wrong_is_said_with_the_name_of_the_file(read, data, part):
    with pytest.raises(BrushflowError, match=f"x\\.t7 is not a usable Torch 7 file: .*{part}"):
        read(data)


def test_every_cut_off_file_is_refused(read, t7):
    whole = t7.encode({"model": t7.Module("ReLU", {"w": np.ones(3, np.float32)}), "n": 1})
    read(whole)
    for length in range(len(whole)):
        with pytest.raises(BrushflowError):
            read(whole[:length])
