from fractions import Fraction
from pathlib import Path

import av
import pytest

from brushflow.common.errors import BrushflowError, UsageError
from brushflow.video import (
    EncodeSettings,
    SegmentWriter,
    assemble,
    check_output,
    open_source,
    verify_segment,
)


@pytest.fixture
def segment(make_clip, tmp_path):
    def make(name, settings=None, frames=8):
        source = open_source(make_clip(tmp_path / f"{name}.mp4", range(frames)))
        path = tmp_path / f"{name}.mkv"
        with SegmentWriter(path, 96, 64, settings or EncodeSettings(), Fraction(25)) as writer:
            for frame in source.read():
                writer.write(frame.pixels)
        return path

    return make


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_same_input_makes_the_same_bytes(run_ffmpeg, rebuild, tmp_path, suffix):
    source = tmp_path / "in.mp4"
    run_ffmpeg(
        *("-f", "lavfi", "-i", "testsrc2=s=96x64:d=1", "-f", "lavfi", "-i", "sine=d=1"),
        *("-metadata", "title=x", source),
    )
    results = []
    for number in range(2):
        output = tmp_path / f"out-{number}{suffix}"
        rebuild(source, output)
        results.append(output.read_bytes())
    assert results[0] == results[1]


def test_segments_are_bit_identical_and_start_with_a_key_frame(segment):
    first, second = segment("one"), segment("two")
    assert first.read_bytes() == second.read_bytes()
    assert verify_segment(first) == 8


def test_missing_frames_are_an_error_and_no_output(segment, tmp_path):
    part = segment("one")
    with pytest.raises(BrushflowError, match="8 frames instead of 9"):
        assemble([part], list(range(9)), Fraction(1, 25), tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()
    assert not list(tmp_path.glob(".partial-*"))


def test_segments_of_different_settings_are_not_joined(segment, tmp_path):
    parts = [segment("one"), segment("two", EncodeSettings(preset="ultrafast"))]
    with pytest.raises(BrushflowError, match="other settings"):
        assemble(parts, list(range(16)), Fraction(1, 25), tmp_path / "out.mp4")


def test_damaged_segment_is_named(segment, tmp_path):
    part = segment("one")
    part.write_bytes(b"no video")
    with pytest.raises(BrushflowError, match=r"one\.mkv"):
        verify_segment(part)
    with pytest.raises(BrushflowError):
        assemble([part], list(range(8)), Fraction(1, 25), tmp_path / "out.mp4")


@pytest.mark.parametrize("name", ["out.xyz", "out", "out.png", "out.avi"])
def test_unknown_kind_of_output_is_refused_in_a_sentence(name):
    with pytest.raises(UsageError, match="must end in"):
        check_output(Path(name), "libx264")


def test_codec_that_does_not_fit_is_refused_before_the_work():
    with pytest.raises(UsageError, match="libvpx-vp9"):
        check_output(Path("out.webm"), "libx264")
    for codec in ("libx264", "libx265", "h264_nvenc", "libsvtav1", "libaom-av1", "mpeg4"):
        check_output(Path("out.mp4"), codec)
    for codec in ("libvpx-vp9", "libsvtav1"):
        check_output(Path("out.webm"), codec)
    check_output(Path("out.mov"), "prores_ks")


def test_missing_folder_is_a_sentence(segment, tmp_path):
    part = segment("one")
    with pytest.raises(BrushflowError, match="cannot be written"):
        assemble([part], list(range(8)), Fraction(1, 25), tmp_path / "nowhere" / "out.mp4")
    with (
        pytest.raises(BrushflowError, match="cannot be written"),
        SegmentWriter(tmp_path / "no" / "a.mkv", 96, 64, EncodeSettings(), Fraction(25)),
    ):
        pass


def test_output_of_images_needs_no_source(segment, times_of, tmp_path):
    report = assemble([segment("one")], list(range(8)), Fraction(1, 12), tmp_path / "out.mp4")
    assert report.frames == 8
    assert times_of(tmp_path / "out.mp4") == [Fraction(k, 12) for k in range(8)]


def test_hevc_is_named_as_apple_wants_it(segment, tmp_path):
    part = segment("one", EncodeSettings(codec="libx265", preset="ultrafast"))
    assemble([part], list(range(8)), Fraction(1, 25), tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.video[0].codec_context.codec_tag == "hvc1"
