import struct
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from brushflow.video import EncodeSettings, SegmentWriter, open_source, probe

# Clockwise degrees a player turns the stored picture by → the matrix (a, b, c, d) of the track.
MATRICES = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}


def corners(width, height):
    """A picture whose four corners differ."""
    frame = np.zeros((height, width, 3), np.uint8)
    frame[: height // 2, : width // 2] = (220, 40, 40)
    frame[: height // 2, width // 2 :] = (40, 220, 40)
    frame[height // 2 :, : width // 2] = (40, 40, 220)
    return frame


def tag_rotation(path, degrees):
    """Write a display matrix into the first track header of an mp4 file."""
    data = bytearray(path.read_bytes())
    a, b, c, d = (value << 16 for value in MATRICES[degrees])
    # Six numbers from the version to the duration, 8 reserved bytes, 8 from layer to volume.
    place = data.index(b"tkhd") + 4 + 40
    struct.pack_into(">9i", data, place, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)


@pytest.fixture
def rotated(make_clip, tmp_path):
    def make(degrees):
        upright = corners(64, 96)
        stored = np.ascontiguousarray(np.rot90(upright, degrees // 90))
        height, width = stored.shape[:2]
        path = make_clip(
            tmp_path / f"{degrees}.mp4", range(4), Fraction(1, 25), width, height, [stored] * 4
        )
        tag_rotation(path, degrees)
        return path, upright

    return make


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotation_is_applied_once(rotated, rebuild, tmp_path, degrees):
    path, upright = rotated(degrees)
    source = open_source(path)
    assert (source.info.width, source.info.height) == (64, 96)
    assert source.info.rotation == degrees
    frame = next(source.read()).pixels
    assert np.abs(frame.astype(int) - upright).mean() < 4
    rebuild(path, tmp_path / "out.mp4")
    result = open_source(tmp_path / "out.mp4")
    assert result.info.rotation == 0
    assert np.abs(next(result.read()).pixels.astype(int) - upright).mean() < 4


@pytest.mark.parametrize("size", [(97, 64), (96, 65), (97, 65), (3, 5), (1, 1)])
def test_odd_sizes_keep_every_row_and_column(tmp_path, size):
    width, height = size
    path = tmp_path / "odd.mkv"
    frame = corners(width, height)
    with SegmentWriter(path, width, height, EncodeSettings(crf=4), Fraction(25)) as writer:
        writer.write(frame)
    result = open_source(path)
    assert (result.info.width, result.info.height) == size
    assert np.abs(next(result.read()).pixels.astype(int) - frame).mean() < 12


def test_even_sizes_are_stored_in_the_format_players_expect(tmp_path):
    path = tmp_path / "even.mkv"
    with SegmentWriter(path, 96, 64, EncodeSettings(), Fraction(25)) as writer:
        writer.write(corners(96, 64))
    assert probe(path).pix_fmt == "yuv420p"


@pytest.mark.parametrize("ratio", ["16/11", "1/2", "1280/1281"])
def test_sample_aspect_ratio_is_kept(run_ffmpeg, rebuild, tmp_path, ratio):
    path = tmp_path / "in.mp4"
    run_ffmpeg(
        "-f", "lavfi", "-i", "testsrc2=s=96x64:d=0.2", "-vf", f"setsar=sar={ratio}:max=9999", path
    )
    assert probe(path).sample_aspect_ratio == Fraction(ratio)
    for name in ("out.mp4", "out.mkv"):
        rebuild(path, tmp_path / name)
        assert probe(tmp_path / name).sample_aspect_ratio == Fraction(ratio)


def test_sample_aspect_ratio_turns_with_the_picture(run_ffmpeg, tmp_path):
    path = tmp_path / "in.mp4"
    run_ffmpeg("-f", "lavfi", "-i", "testsrc2=s=96x64:d=0.2", "-vf", "setsar=2/1", path)
    tag_rotation(path, 90)
    assert probe(path).sample_aspect_ratio == Fraction(1, 2)


def test_reading_at_another_size(make_clip, tmp_path):
    source = open_source(make_clip(tmp_path / "in.mp4", range(3)))
    frames = list(source.read(size=(33, 21)))
    assert [frame.pixels.shape for frame in frames] == [(21, 33, 3)] * 3
    assert frames[0].pixels.flags["C_CONTIGUOUS"]


def test_interlaced_video_keeps_its_frame_count(run_ffmpeg, times_of, tmp_path):
    path = tmp_path / "fields.mpg"
    run_ffmpeg(
        *("-f", "lavfi", "-i", "testsrc2=s=96x64:r=50:d=1", "-vf", "tinterlace=4"),
        *("-c:v", "mpeg2video", "-flags", "+ilme+ildct", "-r", 25, path),
    )
    assert probe(path).interlaced
    times = times_of(path)
    assert len(times) == 25
    assert {b - a for a, b in pairwise(times)} == {Fraction(1, 25)}
