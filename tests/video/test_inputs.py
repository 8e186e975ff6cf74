from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from brushflow.common.errors import BrushflowError, UsageError
from brushflow.video import open_source, read_image, write_image


def test_missing_file_is_a_sentence(tmp_path):
    with pytest.raises(UsageError, match=r"There is no file .*gone\.mp4"):
        open_source(tmp_path / "gone.mp4")


@pytest.mark.parametrize("content", [b"", b"just some words\n" * 50, bytes(range(256)) * 40])
def test_file_that_is_no_video_is_a_sentence(tmp_path, content):
    path = tmp_path / "notes.mp4"
    path.write_bytes(content)
    with pytest.raises(BrushflowError, match=r"notes\.mp4"):
        open_source(path)


def test_sound_alone_is_no_video(run_ffmpeg, tmp_path):
    path = tmp_path / "song.m4a"
    run_ffmpeg("-f", "lavfi", "-i", "sine=d=0.3", path)
    with pytest.raises(BrushflowError, match="no video stream"):
        open_source(path)


@pytest.mark.parametrize("name", ["-weird %d:name.mp4", "concat:a|b.mp4", "ünï çødé 'x'.mp4"])
def test_names_that_look_like_something_else(make_clip, rebuild, tmp_path, monkeypatch, name):
    from pathlib import Path

    monkeypatch.chdir(tmp_path)
    make_clip(tmp_path / "clip.mp4", range(5)).rename(tmp_path / name)
    rebuild(Path(name), Path(f"out {name}"))
    assert len(list(open_source(f"out {name}").read())) == 5


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_truncated_video_gives_what_it_has_and_says_so(make_clip, run_ffmpeg, tmp_path, suffix):
    clip = make_clip(tmp_path / "clip.mp4", range(100), width=256, height=192)
    whole = tmp_path / f"whole{suffix}"
    run_ffmpeg("-i", clip, "-c", "copy", "-movflags", "+faststart", whole)
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    source = open_source(path)
    count = len(list(source.read()))
    assert 20 < count < 100
    assert source.problem


def test_damaged_middle_is_reported_and_does_not_stop(make_clip, tmp_path):
    path = make_clip(tmp_path / "clip.mkv", range(0, 4000, 40), Fraction(1, 1000))
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = np.random.default_rng(3).bytes(3000)
    path.write_bytes(data)
    source = open_source(path)
    frames = list(source.read())
    assert len(frames) > 40
    assert source.problem
    assert all(b.pts > a.pts for a, b in pairwise(frames))


def test_identity_tells_files_apart(make_clip, tmp_path):
    one = open_source(make_clip(tmp_path / "a.mp4", range(3)))
    two = open_source(make_clip(tmp_path / "b.mp4", range(4)))
    assert one.identity() == open_source(tmp_path / "a.mp4").identity()
    assert one.identity()["sha256"] != two.identity()["sha256"]


def numbered(folder, numbers, pattern="frame_{}.png", size=(20, 30)):
    folder.mkdir(exist_ok=True)
    for number in numbers:
        write_image(folder / pattern.format(number), np.full((*size, 3), number, np.uint8))


def levels(place):
    return [int(frame.pixels[0, 0, 0]) for frame in open_source(place).read()]


def test_folder_is_read_in_the_order_people_count(tmp_path):
    numbered(tmp_path / "in", [1, 2, 9, 10, 100])
    (tmp_path / "in" / "notes.txt").write_text("not a picture")
    source = open_source(tmp_path / "in", Fraction(12))
    assert source.kind == "images"
    assert [frame.pts for frame in source.read()] == [0, 1, 2, 3, 4]
    assert source.info.time_base == Fraction(1, 12)
    assert levels(tmp_path / "in") == [1, 2, 9, 10, 100]
    assert [frame.index for frame in source.read(first=3)] == [3, 4]


def test_pattern_runs_from_the_lowest_number_to_the_first_gap(tmp_path):
    numbered(tmp_path / "in", [7, 8, 9, 11], "f_{:05d}.png")
    assert levels(f"{tmp_path}/in/f_%05d.png") == [7, 8, 9]


def test_glob_pattern(tmp_path):
    numbered(tmp_path / "in", [3, 20], "a{}.png")
    numbered(tmp_path / "in", [4], "b{}.png")
    assert levels(f"{tmp_path}/in/a*.png") == [3, 20]


def test_places_without_pictures_are_sentences(tmp_path):
    (tmp_path / "empty").mkdir()
    for place in (tmp_path / "empty", tmp_path / "%03d.png", tmp_path / "*.jpg"):
        with pytest.raises(UsageError, match="no pictures"):
            open_source(place)


def test_picture_of_another_size_is_named(tmp_path):
    numbered(tmp_path / "in", [1, 2])
    numbered(tmp_path / "in", [3], size=(10, 10))
    with pytest.raises(BrushflowError, match=r"frame_3\.png is 10×10"):
        list(open_source(tmp_path / "in").read())


def test_single_picture(tmp_path):
    path = tmp_path / "ä %d.png"
    pixels = np.random.default_rng(0).integers(0, 256, (12, 17, 3), dtype=np.uint8)
    write_image(path, pixels)
    source = open_source(path)
    assert source.kind == "image"
    assert np.array_equal(next(source.read()).pixels, pixels)


def test_sixteen_bit_pictures_keep_their_depth(tmp_path):
    path = tmp_path / "deep.png"
    pixels = np.random.default_rng(0).integers(0, 65536, (8, 9, 3)).astype(np.uint16)
    write_image(path, pixels)
    assert open_source(path).info.bit_depth == 16
    assert np.array_equal(read_image(path, 10), pixels)
    assert np.abs(read_image(path).astype(int) - pixels / 257).max() <= 0.51


def test_transparent_and_gray_pictures_become_rgb(tmp_path):
    import cv2

    glass = np.full((4, 4, 4), 255, np.uint8)
    glass[:, :2, 3] = 0
    cv2.imwrite(str(tmp_path / "glass.png"), glass)
    read = read_image(tmp_path / "glass.png")
    assert (read[:, :2].max(), read[:, 2:].min()) == (0, 255)
    cv2.imwrite(str(tmp_path / "gray.png"), np.full((4, 4), 77, np.uint8))
    assert np.array_equal(read_image(tmp_path / "gray.png"), np.full((4, 4, 3), 77))


def test_exif_rotation_is_applied(tmp_path):
    path = tmp_path / "phone.jpg"
    stored = np.zeros((32, 64, 3), np.uint8)
    stored[:, :32] = 255
    write_image(path, stored)
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    data = path.read_bytes()
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    path.write_bytes(data[:2] + segment + data[2:])
    upright = read_image(path)
    assert upright.shape == (64, 32, 3)
    assert upright[:24].mean() > 200 > 50 > upright[40:].mean()


def test_picture_that_is_none_is_a_sentence(tmp_path):
    (tmp_path / "bad.png").write_bytes(b"nothing")
    with pytest.raises(BrushflowError, match=r"bad\.png"):
        open_source(tmp_path / "bad.png")
    with pytest.raises(UsageError, match="suffix"):
        write_image(tmp_path / "out.xyz", np.zeros((2, 2, 3), np.uint8))
