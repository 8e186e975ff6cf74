"""The whole run: frames, timestamps, options, and what a user sees when something is wrong."""

import resource
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from brushflow.errors import BrushflowError, UsageError
from brushflow.flow import read_flo
from brushflow.pipeline import StylizeOptions, stylize_video
from brushflow.pipeline.stills import preview
from brushflow.stylize_video import main
from brushflow.video import open_source, read_image, write_image


@pytest.fixture
def options(tiny_model_file):
    return StylizeOptions(style=str(tiny_model_file), device="cpu")


def frames_of(path):
    return [frame.pixels for frame in open_source(path).read()]


def times_of(path):
    source = open_source(path)
    return [frame.pts * source.info.time_base for frame in source.read()]


def difference(a, b):
    return float(np.abs(a.astype(int) - b).mean())


def test_every_frame_comes_out_with_its_time_and_the_sound(two_shots, options, tmp_path):
    stages = []
    report = stylize_video(
        two_shots, tmp_path / "out.mp4", options, lambda *step: stages.append(step)
    )
    assert report.frames == report.painted == 110
    assert times_of(report.output) == times_of(two_shots)
    with av.open(str(report.output)) as video:
        assert len(video.streams.audio) == 1
        assert abs(video.streams.audio[0].duration * video.streams.audio[0].time_base - 4.4) < 0.1
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
    assert {stage for stage, _, _ in stages} == {"scan", "stylize", "assemble"}
    assert ("stylize", 110, 110) in stages
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
    options = replace(options, start=Fraction(1), end=Fraction(2), strength=0)
    report = stylize_video(two_shots, tmp_path / "out.mp4", options)
    assert report.frames == 25
    assert times_of(report.output)[0] == 0
    assert difference(frames_of(report.output)[0], frames_of(two_shots)[25]) < 3
    with pytest.raises(UsageError, match="no frame between --start and --end"):
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
        for layout, size in (
            ("off", (1920, 1080)),
            ("off", (1080, 1920)),
            ("cubemap", (1536, 1024)),
        ):
            sides = StylizeOptions(max_size=longest, spherical=layout).output_size(*size)
            assert longest - (6 if layout == "cubemap" else 2) < max(sides) <= longest
            assert not any(side % 2 for side in sides)


def test_a_pattern_with_a_gap_says_what_it_leaves_out(tmp_path, drifting, caplog):
    for number, frame in zip((1, 2, 5, 6), drifting(4), strict=True):
        write_image(tmp_path / f"f_{number}.png", frame)
    assert sum(1 for _ in open_source(tmp_path / "f_%d.png").read()) == 2
    assert "ends at the gap before number 3; 2 later pictures are left out" in caplog.text


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("clip.mp4", "--style", "painting.jpg"), "train_video.py --style painting.jpg makes one"),
        (("",), "The name of a source is empty"),
    ],
)
def test_usual_mistakes_are_understood(two_shots, arguments, words, monkeypatch, capsys):
    given = [str(two_shots) if name == "clip.mp4" else name for name in arguments]
    monkeypatch.setattr(sys, "argv", ["stylize_video.py", *given])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2 and words in capsys.readouterr().err


def test_a_float_picture_with_alpha_is_read(tmp_path):
    picture = np.full((40, 50, 4), 0.5, np.float32)
    picture[:, 25:, 3] = 1
    cv2.imwrite(str(tmp_path / "x.tiff"), picture)
    read = read_image(tmp_path / "x.tiff")
    assert read.dtype == np.uint8 and read.shape == (40, 50, 3)
    assert abs(int(read[5, 5, 0]) - 64) < 2 and abs(int(read[5, 40, 0]) - 128) < 2


def test_compare_puts_source_and_result_side_by_side(two_shots, options, tmp_path):
    options = replace(options, compare=True, crf=1)
    report = stylize_video(two_shots, tmp_path / "out.mp4", options)
    frame = frames_of(report.output)[3]
    assert frame.shape == (64, 192, 3)
    assert difference(frame[:, :96], frames_of(two_shots)[3]) < 2
    assert difference(frame[:, :96], frame[:, 96:]) > 5


def test_kept_files_have_the_names_of_the_field(two_shots, options, tmp_path):
    options = replace(options, keep=("frames", "flow", "reliability"), end=Fraction(3))
    report = stylize_video(two_shots, tmp_path / "out.mp4", options)
    names = {path.name for path in report.kept.iterdir()}
    assert {f"out-{i:05d}.png" for i in range(1, 76)} <= names
    for name in ("backward_2_1.flo", "forward_1_2.flo", "reliable_2_1.pgm"):
        assert name in names
    # Nothing is carried over the cut before frame 71.
    assert "backward_71_70.flo" not in names and "backward_72_71.flo" in names
    flow = read_flo(report.kept / "backward_9_8.flo")
    # The camera drifts two pixels to the right: a pixel was two further right before.
    assert np.abs(np.median(flow.reshape(-1, 2), axis=0) - [2, 0]).max() < 0.5
    picture = read_image(report.kept / "out-00005.png")
    assert difference(picture, frames_of(report.output)[4]) < 12


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
    assert difference(frames_of(forward.output)[69], frames_of(backward.output)[69]) > 0.1
    assert (backward.kept / "forward_1_2.flo").exists()
    assert not (backward.kept / "forward_70_71.flo").exists()


def test_ten_bits_go_through(two_shots, options, tmp_path):
    report = stylize_video(
        two_shots, tmp_path / "out.mp4", replace(options, bit_depth=10, end=Fraction(1, 5))
    )
    with av.open(str(report.output)) as video:
        assert video.streams.video[0].pix_fmt == "yuv420p10le"


def test_images_become_a_video_and_one_image_a_picture(
    drifting, run_command, tiny_model_file, tmp_path
):
    folder = tmp_path / "frames"
    folder.mkdir()
    for i, frame in enumerate(drifting(6)):
        write_image(folder / f"f{i + 1:03d}.png", frame)
    code, out, err = run_command(folder, "--style", tiny_model_file, "--fps", "10")
    assert code == 0, err
    assert "6 frames" in out
    assert times_of(tmp_path / "frames.tiny.mp4") == [Fraction(i, 10) for i in range(6)]
    code, out, err = run_command(folder / "f001.png", "--style", tiny_model_file)
    assert code == 0, err
    assert read_image(folder / "f001.tiny.png").shape == (64, 96, 3)


def test_preview_is_one_sheet_of_moments(two_shots, run_command, tiny_model_file, tmp_path):
    sheet = tmp_path / "sheet.png"
    code, _, err = run_command(two_shots, "--style", tiny_model_file, "--preview", 3, "-o", sheet)
    assert code == 0, err
    picture = read_image(sheet)
    assert picture.shape == (128, 3 * 96 + 2 * 8, 3)
    assert difference(picture[:64, :96], frames_of(two_shots)[18]) < 2
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.png"]


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("first", [40, 69, 70])
def test_a_preview_shows_what_the_run_would_paint(two_shots, options, tmp_path, first, backward):
    """Between --start and --end, and with nothing carried over a cut (at frame 70)."""
    times = {"start": Fraction(first, 25), "end": Fraction(first + 3, 25)}
    options = replace(options, backward=backward, codec="ffv1", **times)
    preview(open_source(two_shots), tmp_path / "sheet.png", options, 3)
    picture = read_image(tmp_path / "sheet.png")
    painted = frames_of(stylize_video(two_shots, tmp_path / "out.mkv", options).output)
    for i in range(3):
        column = picture[:, i * (96 + 8) :][:, :96]
        assert difference(column[:64], frames_of(two_shots)[first + i]) < 2
        assert difference(column[64:], painted[i]) < 2


@pytest.mark.parametrize(
    "arguments", [("--dry-run",), ("--jobs", "2"), ("--keep", "flow"), ("--report",)]
)
def test_what_only_videos_have_is_refused_for_pictures(
    two_shots, arguments, monkeypatch, capsys, tmp_path
):
    output = tmp_path / "sheet.png"
    given = [str(two_shots), "--preview", "2", "-o", str(output), *arguments]
    monkeypatch.setattr(sys, "argv", ["stylize_video.py", *given])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2 and not output.exists()
    assert f"{arguments[0]} is for videos" in capsys.readouterr().err


def test_a_finished_output_is_not_overwritten(two_shots, options, tmp_path):
    output = tmp_path / "out.mp4"
    output.write_bytes(b"precious")
    with pytest.raises(UsageError, match=r"exists already.*--restart"):
        stylize_video(two_shots, output, options)
    assert output.read_bytes() == b"precious"
    stylize_video(two_shots, output, replace(options, restart=True, end=Fraction(1, 5)))
    assert len(frames_of(output)) == 5


def test_a_truncated_source_gives_what_there_is_and_says_so(
    two_shots, run_command, tiny_model_file, tmp_path
):
    whole = tmp_path / "whole.mkv"
    # Matroska can be read from the front, as far as it goes.
    stylize_video(two_shots, whole, StylizeOptions(strength=0))
    data = whole.read_bytes()
    cut_off = tmp_path / "cut.mkv"
    cut_off.write_bytes(data[: len(data) * 2 // 3])
    code, _, err = run_command(cut_off, "--style", tiny_model_file, "-o", tmp_path / "out.mp4")
    assert code == 1
    assert "is damaged" in err and "Traceback" not in err
    assert 10 < len(frames_of(tmp_path / "out.mp4")) < 110


@pytest.mark.slow
def test_wrong_requests_are_answered_with_a_sentence(
    two_shots, run_command, tiny_model_file, tmp_path
):
    text = tmp_path / "text.mp4"
    text.write_text("This is no video at all. " * 50)
    empty = tmp_path / "empty.mp4"
    empty.touch()
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    out = tmp_path / "out.mp4"
    style = ("--style", tiny_model_file)
    cases = [
        ((tmp_path / "absent.mp4",), (1, 2), "absent.mp4"),
        ((text, *style), (1,), "text.mp4"),
        ((empty, *style), (1,), "empty.mp4"),
        ((two_shots, "--style", "stary-night"), (2,), "starry-night"),
        ((two_shots, "--style", weights), (1,), "weights.safetensors"),
        ((two_shots, *style, "--flow", "diss"), (2,), "dis"),
        ((two_shots, *style, "--flow", "ptlflow:raft"), (1, 2), "ptlflow"),
        ((two_shots, *style, "--device", "cuda:77"), (2,), "cuda:77"),
        ((two_shots, *style, "--device", "toaster"), (2,), "toaster"),
        ((two_shots, *style, "--cuts", tmp_path / "no.csv"), (2,), "no.csv"),
        ((two_shots, *style, "--start", "later"), (2,), "later"),
        ((two_shots, *style, "--codec", "libx263"), (2,), "libx26"),
        ((two_shots, *style, "--keep", "sound"), (2,), "sound"),
        ((two_shots, *style, "--median-filter", "4"), (2,), "median"),
        ((two_shots, *style, "--min-filter", "4"), (2,), "odd"),
        ((two_shots, *style, "-o", tmp_path / "out.txt"), (2,), "out.txt"),
        ((two_shots, *style, "-o", tmp_path / "no" / "where" / "out.mp4"), (1, 2), "where"),
        ((two_shots, *style, "-o", two_shots), (2,), "clip.mp4"),
        ((two_shots, *style, "--image-model", tiny_model_file), (2,), "image-model"),
    ]
    for arguments, codes, part in cases:
        if "-o" not in arguments:
            arguments = (*arguments, "-o", out)
        code, _, err = run_command(*arguments)
        assert code in codes, (arguments, code, err)
        assert "Traceback" not in err, (arguments, err)
        assert part in err, (arguments, err)
    assert not out.exists()


@pytest.mark.parametrize(
    "change, executor, words",
    [
        ({"pix_fmt": "yuv420"}, None, "cannot be encoded like this"),
        ({"preset": "hasty"}, None, "look at --codec, --preset"),
        ({"cuts": "absent.csv"}, None, "no list of cuts absent.csv"),
        ({"precision": "fp16"}, "processes", "does not compute in fp16"),
    ],
)
def test_wrong_options_are_found_before_anything_is_done(
    change, executor, words, two_shots, options, tmp_path
):
    seen = []
    with ExitStack() as stack:
        if executor:
            executor = stack.enter_context(ThreadPoolExecutor(1))
        with pytest.raises(UsageError, match=words):
            stylize_video(
                two_shots,
                tmp_path / "out.mp4",
                replace(options, **change),
                lambda *step: seen.append(step),
                executor=executor,
            )
    assert not seen and not list(tmp_path.iterdir())


def test_a_source_that_ends_early_the_second_time_is_an_error(
    two_shots, options, tmp_path, monkeypatch
):
    from brushflow.video.source import VideoSource

    read = VideoSource.read

    def shorter(self, **request):
        for frame in read(self, **request):
            if frame.index == 60 and not request.get("gray"):
                return
            yield frame

    monkeypatch.setattr(VideoSource, "read", shorter)
    with pytest.raises(BrushflowError, match="ended before frame 69"):
        stylize_video(two_shots, tmp_path / "out.mp4", options)
    assert not (tmp_path / "out.mp4").exists()


def test_equal_frames_leave_the_default_number_of_threads(two_shots, options, tmp_path):
    before = cv2.getNumThreads()
    stylize_video(two_shots, tmp_path / "out.mp4", replace(options, strength=0, end=Fraction(1)))
    assert cv2.getNumThreads() == before


@pytest.mark.slow
@pytest.mark.parametrize("limit", [20_000, 60_000, 110_000])
def test_a_full_disk_is_a_sentence_and_the_run_goes_on_afterwards(
    limit, drifting, make_clip, command_line, run_command, tiny_model_file, tmp_path
):
    source = make_clip(tmp_path / "clip.mp4", drifting(120), sound=True)
    arguments = (source, "--style", tiny_model_file, "-o", tmp_path / "out.mp4")

    def small_files():
        # A write beyond this fails with an error instead of a signal.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    process = command_line(*arguments, preexec_fn=small_files)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1, err
    assert "Traceback" not in err and err.strip().startswith("Error: ")
    assert not (tmp_path / "out.mp4").exists()
    code, _, err = run_command(*arguments)
    assert code == 0, err
    assert len(frames_of(tmp_path / "out.mp4")) == 120
