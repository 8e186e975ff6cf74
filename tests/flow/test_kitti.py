"""KITTI's flow files: exact to 1/64 pixel, channels in the order of the format."""

import struct
import zlib

import cv2
import numpy as np
import pytest
from skimage import data, io

from brushflow.common.errors import BrushflowError
from brushflow.flow import read_kitti, write_kitti


@pytest.fixture
def field():
    # Whole multiples of 1/64, which the format holds exactly.
    steps = np.random.default_rng(0).integers(-32768, 32768, (7, 5, 2))
    return (steps / 64).astype(np.float32)


def png(rows):
    """A 16-bit RGB PNG put together by hand from (H, W, 3)."""
    height, width = rows.shape[:2]
    lines = b"".join(b"\0" + row.astype(">u2").tobytes() for row in rows)

    def chunk(kind, body):
        check = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + check

    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    chunks = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(lines)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def test_a_field_survives(tmp_path, field):
    valid = np.random.default_rng(1).random((7, 5)) < 0.5
    write_kitti(tmp_path / "fluß.png", field, valid)
    read, known = read_kitti(tmp_path / "fluß.png")
    assert read.dtype == np.float32 and known.dtype == bool
    assert np.array_equal(known, valid)
    assert np.array_equal(read[valid], field[valid]) and (read[~valid] == 0).all()


def test_red_is_u_green_is_v_and_blue_tells_what_is_known(tmp_path):
    stored = np.array([[[32768 + 64, 32768 - 128, 1], [0, 0, 0]]])
    (tmp_path / "a.png").write_bytes(png(stored))
    flow, valid = read_kitti(tmp_path / "a.png")
    assert flow.tolist() == [[[1, -2], [0, 0]]]
    assert valid.tolist() == [[True, False]]


def test_a_file_read_and_written_stays_the_same(tmp_path):
    # The format's zero everywhere, and channels that differ from each other.
    stored = np.random.default_rng(2).integers(0, 65536, (6, 9, 3))
    stored[..., 2] = 1
    (tmp_path / "a.png").write_bytes(png(stored))
    write_kitti(tmp_path / "b.png", *read_kitti(tmp_path / "a.png"))
    again = cv2.imread(str(tmp_path / "b.png"), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(again[..., ::-1], stored)


def test_what_does_not_fit_is_stored_as_unknown(tmp_path):
    flow = np.float32([[[-512, 511.984375], [512, 0], [np.nan, 0], [0, np.inf], [0.01, 2e9]]])
    write_kitti(tmp_path / "a.png", flow)
    read, valid = read_kitti(tmp_path / "a.png")
    assert valid.tolist() == [[True, False, False, False, False]]
    assert np.array_equal(read[0, 0], flow[0, 0])


def test_other_pictures_are_refused(tmp_path):
    io.imsave(tmp_path / "photo.png", data.astronaut()[:8, :8], check_contrast=False)
    (tmp_path / "none.png").write_bytes(b"")
    for name in ("photo.png", "none.png", "absent.png"):
        with pytest.raises(BrushflowError, match=name):
            read_kitti(tmp_path / name)


def test_wrong_shapes_and_places_are_refused(tmp_path, field):
    with pytest.raises(ValueError, match="shape"):
        write_kitti(tmp_path / "a.png", field[..., 0])
    with pytest.raises(ValueError, match="shape"):
        write_kitti(tmp_path / "a.png", field, np.ones((2, 2), bool))
    with pytest.raises(BrushflowError, match="nowhere"):
        write_kitti(tmp_path / "nowhere" / "a.png", field)
