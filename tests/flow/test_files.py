"""Flow files: what is written is read back, and nothing else is read."""

import struct

import numpy as np
import pytest

from brushflow.common.errors import BrushflowError
from brushflow.flow import read_flo, write_flo


@pytest.fixture
def field():
    field = np.random.default_rng(0).normal(scale=20, size=(7, 5, 2)).astype(np.float32)
    field[2, 3] = 2e9
    return field


def test_a_field_survives(tmp_path, field):
    write_flo(tmp_path / "fluß.flo", field)
    assert np.array_equal(read_flo(tmp_path / "fluß.flo"), field)


def test_the_bytes_are_those_of_the_format(tmp_path):
    write_flo(tmp_path / "a.flo", np.float32([[[1, 2], [3, 4]]]))
    expected = struct.pack("<fii4f", 202021.25, 2, 1, 1, 2, 3, 4)
    assert (tmp_path / "a.flo").read_bytes() == expected


def test_views_and_other_float_types_are_written_right(tmp_path, field):
    write_flo(tmp_path / "a.flo", field[::2, ::-1].astype(np.float64))
    assert np.array_equal(read_flo(tmp_path / "a.flo"), field[::2, ::-1])


def test_what_is_read_can_be_written_to(tmp_path, field):
    write_flo(tmp_path / "a.flo", field)
    read_flo(tmp_path / "a.flo")[0, 0] = 0


@pytest.mark.parametrize("length", [0, 3, 11, 12, 20, 12 + 7 * 5 * 8 - 1])
def test_truncated_files_are_refused(tmp_path, field, length):
    path = tmp_path / "a.flo"
    write_flo(path, field)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(BrushflowError, match=r"a\.flo"):
        read_flo(path)


def test_files_with_something_after_the_field_are_refused(tmp_path, field):
    path = tmp_path / "a.flo"
    write_flo(path, field)
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(BrushflowError, match="damaged"):
        read_flo(path)


@pytest.mark.parametrize("size", [(0, 5), (-1, -1), (2**31 - 1, 2**31 - 1), (1 << 20, 1 << 20)])
def test_a_claimed_size_is_not_trusted(tmp_path, size):
    path = tmp_path / "a.flo"
    path.write_bytes(struct.pack("<4sii", b"PIEH", *size) + bytes(64))
    with pytest.raises(BrushflowError, match="damaged"):
        read_flo(path)


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "a.flo"
    path.write_bytes(struct.pack("<fii2f", 202021.0, 1, 1, 0, 0))
    with pytest.raises(BrushflowError, match="begin with the Middlebury tag"):
        read_flo(path)
    with pytest.raises(BrushflowError, match="absent"):
        read_flo(tmp_path / "absent.flo")


def test_a_failed_write_leaves_the_old_file(tmp_path, field):
    path = tmp_path / "a.flo"
    write_flo(path, field)
    with pytest.raises(ValueError, match="shape"):
        write_flo(path, field[..., 0])
    assert np.array_equal(read_flo(path), field)
    assert [each.name for each in tmp_path.iterdir()] == ["a.flo"]
    with pytest.raises(BrushflowError, match="nowhere"):
        write_flo(tmp_path / "nowhere" / "a.flo", field)
