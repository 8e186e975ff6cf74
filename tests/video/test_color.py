import subprocess
from fractions import Fraction

import av
import numpy as np
import pytest

from brushflow.video import EncodeSettings, SegmentWriter, open_source, probe
from brushflow.video.ffmpeg import ffmpeg_binary

PATCHES = [(255, 255, 255), (0, 0, 0), (128, 128, 128), (200, 30, 30), (30, 200, 30), (30, 30, 200)]
TAGS = {"bt709": "bt709", "bt601": "smpte170m"}


def patches(width, height):
    """Six flat columns."""
    frame = np.zeros((height, width, 3), np.uint8)
    for number, color in enumerate(PATCHES):
        frame[:, number * width // 6 : (number + 1) * width // 6] = color
    return frame


@pytest.fixture
def stored_as(tmp_path):
    """Losslessly store one RGB picture three times in the given matrix and range."""

    def make(frame, matrix, span, tagged, pix_fmt="yuv444p"):
        height, width = frame.shape[:2]
        path = tmp_path / f"{matrix}-{span}-{tagged}.mkv"
        name = TAGS[matrix]
        change = f"scale=out_color_matrix={matrix}:out_range={span},format={pix_fmt}"
        mark = ["-colorspace", name, "-color_primaries", name, "-color_trc", name]
        mark += ["-color_range", span]
        clear = (
            "setparams=range=unknown:color_primaries=unknown:color_trc=unknown:colorspace=unknown"
        )
        subprocess.run(
            [
                *(ffmpeg_binary(), "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24"),
                *("-s", f"{width}x{height}", "-i", "-"),
                *("-vf", change if tagged else f"{change},{clear}"),
                *("-c:v", "libx264", "-qp", "0", *(mark if tagged else []), str(path)),
            ],
            input=np.stack([frame] * 3).tobytes(),
            check=True,
        )
        return path

    return make


@pytest.mark.parametrize("matrix", ["bt709", "bt601"])
@pytest.mark.parametrize("span", ["tv", "pc"])
def test_tagged_colours_are_read_as_they_were(stored_as, matrix, span):
    frame = patches(96, 64)
    read = next(open_source(stored_as(frame, matrix, span, True)).read()).pixels
    assert np.abs(read.astype(int) - frame).max() <= 3


@pytest.mark.parametrize(("size", "matrix"), [((96, 64), "bt601"), ((1280, 720), "bt709")])
def test_untagged_colours_follow_the_size(stored_as, size, matrix):
    frame = patches(*size)
    path = stored_as(frame, matrix, "tv", False)
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.colorspace == 2
    read = next(open_source(path).read()).pixels
    assert np.abs(read.astype(int) - frame).max() <= 3


@pytest.mark.parametrize("tagged", [True, False])
@pytest.mark.parametrize("matrix", ["bt709", "bt601"])
@pytest.mark.parametrize("span", ["tv", "pc"])
def test_colours_survive_the_round_trip(stored_as, rebuild, tmp_path, matrix, span, tagged):
    path = stored_as(patches(384, 256), matrix, span, tagged, "yuv420p")
    before = np.stack([frame.pixels for frame in open_source(path).read()]).astype(int)
    rebuild(path, tmp_path / "out.mp4")
    after = np.stack([frame.pixels for frame in open_source(tmp_path / "out.mp4").read()])
    assert np.abs(before - after).mean() < 1.5


@pytest.mark.parametrize("matrix", ["bt709", "bt601"])
def test_result_is_tagged_with_what_it_holds(stored_as, rebuild, tmp_path, matrix):
    path = stored_as(patches(96, 64), matrix, "pc", True)
    for name in ("out.mp4", "out.mkv"):
        rebuild(path, tmp_path / name)
        color = probe(tmp_path / name).color
        assert (color.matrix, color.primaries, color.transfer, color.range) == (
            *(TAGS[matrix],) * 3,
            "tv",
        )


def test_ten_bit_gradient_keeps_its_steps(tmp_path):
    ramp = np.linspace(0, 65535, 1024).astype("<u2")
    frame = np.ascontiguousarray(np.broadcast_to(ramp[None, :, None], (64, 1024, 3)))
    path = tmp_path / "deep.mkv"
    settings = EncodeSettings(crf=1, bit_depth=10)
    with SegmentWriter(path, 1024, 64, settings, Fraction(25)) as writer:
        writer.write(frame)
    source = open_source(path)
    assert (source.info.pix_fmt, source.info.bit_depth) == ("yuv420p10le", 10)
    read = next(source.read(bit_depth=10)).pixels
    assert read.dtype == np.uint16
    assert np.abs(read.astype(int) - frame).mean() < 80
    assert len(np.unique(read[:, :, 1])) > 500


def test_hdr_becomes_sdr_of_ordinary_brightness(run_ffmpeg, tmp_path):
    path = tmp_path / "hdr.mkv"
    # A PQ code of half the range is about 100 nits: paper white.
    run_ffmpeg(
        *("-f", "lavfi", "-i", "color=gray:s=96x64:d=0.2", "-pix_fmt", "yuv420p10le"),
        *("-vf", "setparams=color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc"),
        *("-c:v", "libx264", "-color_primaries", "bt2020", "-color_trc", "smpte2084"),
        *("-colorspace", "bt2020nc", path),
    )
    source = open_source(path)
    assert source.info.hdr
    assert source.info.output_color.matrix == "bt709"
    level = next(source.read()).pixels.mean()
    assert 100 < level < 245


def test_transparent_parts_become_black(tmp_path, run_ffmpeg):
    path = tmp_path / "alpha.mov"
    half = "color=red:s=96x64:d=0.2,format=rgba,geq=r=255:g=0:b=0:a='if(lt(X,48),0,255)'"
    run_ffmpeg("-f", "lavfi", "-i", half, "-c:v", "png", path)
    source = open_source(path)
    assert source.info.has_alpha
    pixels = next(source.read()).pixels
    assert pixels[:, :46].max() <= 2
    assert np.abs(pixels[:, 50:].astype(int) - (255, 0, 0)).max() <= 2
