"""The whole run: frames, timestamps, and what options do to them."""

import time
from dataclasses import replace
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from brushflow.common.errors import UsageError
from brushflow.flow import read_flo
from brushflow.occlusion.motion import EstimatedMotion
from brushflow.pipeline import StylizeOptions, stylize_video
from brushflow.tests.pictures import difference, frames_of, times_of
from brushflow.video import read_image


@pytest.fixture
def options(tiny_model_file):
    return StylizeOptions(style=str(tiny_model_file), device="cpu")


def test_every_frame_comes_out_with_its_time_and_the_sound(
    two_shots, options, tmp_path, monkeypatch, heard
):
    find = EstimatedMotion.__call__

    def slow(*arguments):  # so that it is waited for
        time.sleep(0.1)
        return find(*arguments)

    monkeypatch.setattr(EstimatedMotion, "__call__", slow)
    stages = []
    report = stylize_video(
        two_shots, tmp_path / "out.mp4", options, lambda *step: stages.append(step)
    )
    assert report.frames == report.painted == 22
    assert times_of(report.output) == times_of(two_shots)
    with av.open(str(report.output)) as video:
        assert len(video.streams.audio) == 1
        assert abs(video.streams.audio[0].duration * video.streams.audio[0].time_base - 0.88) < 0.1
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
    assert {stage for stage, _, _ in stages} == {"scan", "stylize", "assemble"}
    assert ("stylize", 22, 22) in stages
    assert difference(frames_of(two_shots)[5], frames_of(report.output)[5]) > 5


def test_variable_frame_rate_is_kept(make_clip, drifting, options, tmp_path):
    pts = [0, 1, 2, 7, 8, 20, 21, 22, 40, 41]
    source = make_clip(tmp_path / "vfr.mp4", drifting(10), pts, Fraction(1, 30))
    report = stylize_video(source, tmp_path / "out.mp4", options)
    assert times_of(report.output) == [Fraction(p, 30) for p in pts]


def test_strength_zero_runs_no_network_and_changes_nothing(two_shots, options, tmp_path):
    options = replace(options, strength=0, style="no such style", crf=1)
    report = stylize_video(two_shots, tmp_path / "out.mp4", options)
    for before, after in zip(frames_of(two_shots), frames_of(report.output), strict=True):
        assert difference(before, after) < 1.5


def test_start_and_end_choose_frames_and_begin_at_zero(two_shots, options, tmp_path):
    options = replace(options, start=Fraction(1, 5), end=Fraction(3, 5), strength=0)
    report = stylize_video(two_shots, tmp_path / "out.mp4", options)
    assert report.frames == 10
    assert times_of(report.output)[0] == 0
    assert difference(frames_of(report.output)[0], frames_of(two_shots)[5]) < 3
    with pytest.raises(UsageError, match="No frame lies between start and end"):
        stylize_video(
            two_shots, tmp_path / "none.mp4", replace(options, start=Fraction(9), end=None)
        )


def test_max_size_shrinks_and_never_enlarges(two_shots, options, tmp_path):
    small = stylize_video(two_shots, tmp_path / "s.mp4", replace(options, max_size=48))
    assert frames_of(small.output)[0].shape == (32, 48, 3)
    same = stylize_video(two_shots, tmp_path / "l.mp4", replace(options, max_size=4000))
    assert frames_of(same.output)[0].shape == (64, 96, 3)


def test_no_side_exceeds_max_size():
    for longest in range(16, 1100):
        for layout, stereo, size in (
            ("off", "none", (1920, 1080)),
            ("off", "none", (1080, 1920)),
            ("cubemap", "none", (1536, 1024)),
            ("cubemap", "top-bottom", (1536, 2048)),
            ("cubemap", "left-right", (3072, 1024)),
        ):
            options = StylizeOptions(max_size=longest, spherical=layout, stereo=stereo)
            sides = options.output_size(*size)
            tiles = {"none": 3, "top-bottom": 4, "left-right": 6}[stereo]
            assert longest - (2 * tiles if layout == "cubemap" else 2) < max(sides) <= longest
            assert not any(side % 2 for side in sides)
            if layout == "cubemap":
                assert sides[0] * size[1] == sides[1] * size[0]  # tiles stay square


def test_compare_puts_source_and_result_side_by_side(two_shots, options, tmp_path):
    options = replace(options, compare=True, crf=1)
    report = stylize_video(two_shots, tmp_path / "out.mp4", options)
    frame = frames_of(report.output)[3]
    assert frame.shape == (64, 192, 3)
    assert difference(frame[:, :96], frames_of(two_shots)[3]) < 2
    assert difference(frame[:, :96], frame[:, 96:]) > 5


def test_kept_files_have_the_names_of_the_field(two_shots, options, tmp_path):
    options = replace(options, keep=("frames", "flow", "reliability"), end=Fraction(17, 25))
    report = stylize_video(two_shots, tmp_path / "out.mp4", options)
    names = {path.name for path in report.kept.iterdir()}
    assert {f"out-{i:05d}.png" for i in range(1, 18)} <= names
    for name in ("backward_2_1.flo", "forward_1_2.flo", "reliable_2_1.pgm"):
        assert name in names
    # Nothing is carried over the cut before frame 15.
    assert "backward_15_14.flo" not in names and "backward_16_15.flo" in names
    flow = read_flo(report.kept / "backward_9_8.flo")
    # The camera drifts two pixels to the right: a pixel was two further right before.
    assert np.abs(np.median(flow.reshape(-1, 2), axis=0) - [2, 0]).max() < 0.5
    picture = read_image(report.kept / "out-00005.png")
    assert difference(picture, frames_of(report.output)[4]) < 12


def test_kept_files_that_are_there_are_not_overwritten(make_clip, drifting, options, tmp_path):
    source = make_clip(tmp_path / "in.mp4", drifting(3))
    there = tmp_path / "out.kept" / "out-00001.png"
    there.parent.mkdir()
    there.write_bytes(b"somebody's")
    options = replace(options, keep=("frames",), strength=0)
    with pytest.raises(UsageError, match=r"out\.kept exists already"):
        stylize_video(source, tmp_path / "out.mp4", options)
    assert there.read_bytes() == b"somebody's"
    assert not (tmp_path / "out.mp4").exists()
    stylize_video(source, tmp_path / "out.mp4", replace(options, restart=True))
    assert there.read_bytes() != b"somebody's"


def test_backward_keeps_the_order_of_frames(two_shots, options, tmp_path):
    passed = stylize_video(
        two_shots, tmp_path / "a.mp4", replace(options, backward=True, strength=0, crf=1)
    )
    for before, after in zip(frames_of(two_shots), frames_of(passed.output), strict=True):
        assert difference(before, after) < 1.5
    forward = stylize_video(two_shots, tmp_path / "f.mp4", replace(options, crf=1))
    backward = stylize_video(
        two_shots,
        tmp_path / "b.mp4",
        replace(options, crf=1, backward=True, keep=("flow",)),
    )
    # The last frame of a shot has no prior going backward, and one going forward.
    assert difference(frames_of(forward.output)[13], frames_of(backward.output)[13]) > 0.1
    assert (backward.kept / "forward_1_2.flo").exists()
    assert not (backward.kept / "forward_14_15.flo").exists()


def test_ten_bits_go_through(two_shots, options, tmp_path):
    report = stylize_video(
        two_shots, tmp_path / "out.mp4", replace(options, bit_depth=10, end=Fraction(1, 5))
    )
    with av.open(str(report.output)) as video:
        assert video.streams.video[0].pix_fmt == "yuv420p10le"


def test_equal_frames_leave_the_default_number_of_threads(two_shots, options, tmp_path):
    before = cv2.getNumThreads()
    stylize_video(two_shots, tmp_path / "out.mp4", replace(options, strength=0, end=Fraction(1)))
    assert cv2.getNumThreads() == before
