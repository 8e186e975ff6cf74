"""Filtering reliability maps, and keeping them in files."""

import cv2
import numpy as np
import pytest

from brushflow.common.errors import BrushflowError, UsageError
from brushflow.occlusion import min_filter, read_map, read_pgm, write_pgm


def test_min_filter_takes_the_lowest_value_around():
    mask = np.random.default_rng(0).random((20, 23), dtype=np.float32)
    filtered = min_filter(mask, 7)
    for y in range(20):
        for x in range(23):
            window = mask[max(0, y - 3) : y + 4, max(0, x - 3) : x + 4]
            assert filtered[y, x] == window.min()


def test_min_filter_of_width_one_changes_nothing_and_even_ones_are_refused():
    mask = np.eye(5, dtype=np.float32)
    assert np.array_equal(min_filter(mask, 1), mask)
    for width in (0, 2, 4, -1):
        with pytest.raises(UsageError, match="odd width"):
            min_filter(mask, width)


def test_maps_survive_files(tmp_path):
    path = tmp_path / "map.pgm"
    levels = np.arange(256, dtype=np.float32).reshape(8, 32) / 255
    write_pgm(path, levels)
    assert np.array_equal(read_pgm(path), levels)
    first = path.read_bytes()
    write_pgm(path, read_pgm(path))
    assert path.read_bytes() == first == b"P5\n32 8\n255\n" + bytes(range(256))


LEVELS = np.linspace(0, 255, 12).round().astype(np.uint8).reshape(3, 4)


@pytest.mark.parametrize(
    ("name", "picture", "near"),
    [
        ("grey.png", LEVELS, 0),
        ("deep.png", LEVELS.astype(np.uint16) * 257, 0),
        ("bits.png", LEVELS, 0),
        ("rgb.png", np.dstack([LEVELS] * 3), 0),
        ("alpha.png", np.dstack([LEVELS] * 3 + [LEVELS.T.reshape(3, 4)]), 0),
        ("map.bmp", LEVELS, 0),
        ("map.tif", LEVELS, 0),
        ("share.tif", LEVELS.astype(np.float32) / 255, 0),
        ("map.pgm", LEVELS, 0),
        ("deep.pgm", LEVELS.astype(np.uint16) * 257, 0),
        ("grey.jpg", np.full((16, 16), 200, np.uint8), 2),
        ("map.webp", np.dstack([np.full((16, 16), 200, np.uint8)] * 3), 3),
    ],
)
def test_any_grey_picture_is_a_map(tmp_path, name, picture, near):
    options = [cv2.IMWRITE_PNG_BILEVEL, 1] if name == "bits.png" else []
    assert cv2.imwrite(str(tmp_path / name), picture, options)
    found = read_map(tmp_path / name)
    grey = picture[..., 0] if picture.ndim == 3 else picture
    wanted = grey.astype(np.float64) / (1 if grey.dtype.kind == "f" else np.iinfo(grey.dtype).max)
    if name == "bits.png":
        wanted = (LEVELS > 0).astype(np.float64)
    assert found.dtype == np.float32 and found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= near / 255 + 1e-6


def test_ascii_and_bitmap_files_are_read_too(tmp_path):
    (tmp_path / "map.pgm").write_bytes(b"P2\n2 1\n255\n0 255\n")
    assert read_map(tmp_path / "map.pgm").tolist() == [[0, 1]]
    (tmp_path / "map.pbm").write_bytes(b"P4\n8 1\n\x0f")  # a set bit is black
    assert read_map(tmp_path / "map.pbm").tolist() == [[1, 1, 1, 1, 0, 0, 0, 0]]


def test_what_is_no_grey_picture_is_refused(tmp_path):
    cv2.imwrite(str(tmp_path / "red.png"), np.full((4, 4, 3), (0, 0, 200), np.uint8))
    with pytest.raises(BrushflowError, match=r"red\.png is a picture in colour"):
        read_map(tmp_path / "red.png")
    for content in (b"", b"text", b"\x89PNG\r\n", b"P5\n2 2\n255\n\0"):
        (tmp_path / "map.png").write_bytes(content)
        with pytest.raises(BrushflowError, match=r"map\.png"):
            read_map(tmp_path / "map.png")
    with pytest.raises(BrushflowError, match=r"absent\.png"):
        read_map(tmp_path / "absent.png")


def test_fractions_of_a_level_are_cut_off(tmp_path):
    write_pgm(tmp_path / "map.pgm", np.full((1, 2), 254.9 / 255, np.float32))
    assert (tmp_path / "map.pgm").read_bytes()[-2:] == bytes([254, 254])


def test_comments_in_the_header_are_read_over(tmp_path):
    path = tmp_path / "map.pgm"
    path.write_bytes(b"P5 # made by hand\n2 # two\n1\n255\n\x00\xff")
    assert read_pgm(path).tolist() == [[0, 1]]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"P5",
        b"P2\n1 1\n255\n0",
        b"P5\n2 2\n255\n\0\0\0",
        b"P5\n2 2\n255\n\0\0\0\0\0",
        b"P5\n2 2\n65535\n\0\0\0\0\0\0\0",
        b"P5\n2 2\n65536\n\0\0\0\0\0\0\0\0",
        b"P5\n0 2\n255\n",
        b"P5\n99999999999 99999999\n255\n\0",
        b"\x89PNG\r\n",
    ],
)
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "map.pgm"
    path.write_bytes(content)
    with pytest.raises(BrushflowError, match=r"map\.pgm"):
        read_pgm(path)


def test_a_missing_file_or_folder_is_named(tmp_path):
    with pytest.raises(BrushflowError, match=r"absent\.pgm"):
        read_pgm(tmp_path / "absent.pgm")
    with pytest.raises(BrushflowError, match="nowhere"):
        write_pgm(tmp_path / "nowhere" / "map.pgm", np.ones((2, 2), np.float32))
