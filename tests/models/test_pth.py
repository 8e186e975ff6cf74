"""A ``.pth`` file gives tensors and gets no more memory than it is long."""

import collections
import pickle
import struct
import zipfile

import pytest
import torch
from torch import nn

from brushflow.common.errors import BrushflowError
from brushflow.models.importers.pth import read_pth


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.pth"


def save_old(state, path):
    torch.save(state, path, _use_new_zipfile_serialization=False)


@pytest.mark.parametrize("save", [torch.save, save_old])
def test_tensors_come_back(path, save):
    state = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).state_dict()
    state["half"] = torch.randn(5).half()
    state["parameter"] = nn.Parameter(torch.randn(2, 3).T)
    save(state, path)
    found = read_pth(path)
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], state[name]) for name in state)


class Calls:
    """Pickles as a call of a function."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("save", [torch.save, save_old])
@pytest.mark.parametrize(
    ("content", "part"),
    [
        (Calls(bytearray, 10**11), "namely '.*bytearray'"),
        (Calls(pytest.fail, "code of the file was run"), "holds more than tensors"),
        (nn.Linear(2, 3), "holds more than tensors, namely 'torch.nn.modules.linear.Linear'"),
        ({"a": 10**9}, "announces 1000000000 numbers"),
        ({"a": [torch.zeros(2)]}, "more than tensors by name"),
        ({1: torch.zeros(2)}, "more than tensors by name"),
        (torch.zeros(2), "no tensors by name"),
        ({}, "no tensors by name"),
        (collections.Counter("abc"), "Counter"),
        ({str(i): torch.zeros(1).expand(2000) for i in range(20)}, "its tensors take 160000 bytes"),
    ],
)
def test_what_is_more_than_weights_is_refused(path, save, content, part):
    save(content, path)
    with pytest.raises(BrushflowError, match=f"x\\.pth is not a file of PyTorch weights: .*{part}"):
        read_pth(path)


def test_a_storage_that_the_file_does_not_hold_is_not_made(path):
    save_old({"w": torch.zeros(77)}, path)
    data = path.read_bytes()
    assert data.count(struct.pack("<BB", 0x4B, 77)) == 2  # the storage's length and the shape
    path.write_bytes(data.replace(struct.pack("<BB", 0x4B, 77), struct.pack("<Bi", 0x4A, 2**30)))
    with pytest.raises(BrushflowError, match="announces 1073741824 numbers"):
        read_pth(path)


def test_archives_that_grow_are_refused(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/data.pkl", pickle.dumps({}, 2))
        archive.writestr("x/data/0", bytes(10**6))
    with pytest.raises(BrushflowError, match="compressed"):
        read_pth(path)


@pytest.mark.parametrize("save", [torch.save, save_old])
def test_cut_off_files_are_refused(path, save, recwarn):
    save(nn.Conv2d(1, 1, 1).state_dict(), path)
    data = path.read_bytes()
    for length in range(len(data) - 1):
        path.write_bytes(data[:length])
        with pytest.raises(BrushflowError):
            read_pth(path)
    assert not recwarn.list
