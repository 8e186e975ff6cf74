"""What cannot be done is said in a sentence, as early as it can be known, and spoils nothing."""

import resource
import signal
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import pytest

from brushflow.cli.advice import advised
from brushflow.common.errors import BrushflowError, UsageError
from brushflow.pipeline import StylizeOptions, stylize_video
from brushflow.pipeline.parallel.processes import PaintingProcesses
from brushflow.video import open_source


@pytest.fixture
def options(tiny_model_file):
    return StylizeOptions(style=str(tiny_model_file), device="cpu")


def frames_of(path):
    return [frame.pixels for frame in open_source(path).read()]


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("clip.mp4", "--style", "painting.jpg"), "There is no painting painting.jpg"),
        (("",), "The name of a source is empty"),
    ],
)
def test_usual_mistakes_are_understood(two_shots, arguments, words, run_command):
    given = [two_shots if name == "clip.mp4" else name for name in arguments]
    code, _, err = run_command(*given)
    assert code == 2 and words in err


def test_a_finished_output_is_not_overwritten(two_shots, options, tmp_path):
    output = tmp_path / "out.mp4"
    output.write_bytes(b"precious")
    with pytest.raises(UsageError, match="exists already") as error:
        stylize_video(two_shots, output, options)
    assert advised(error.value).endswith("add --restart to make it again.")
    assert output.read_bytes() == b"precious"
    stylize_video(two_shots, output, replace(options, restart=True, end=Fraction(1, 5)))
    assert len(frames_of(output)) == 5


def test_a_first_frame_has_no_painter_of_its_own_where_every_frame_is_one(
    two_shots, options, tmp_path
):
    alone = replace(options, independent=True, image_model=Path("models/first.t7"))
    with pytest.raises(UsageError, match="paints every frame alone") as error:
        stylize_video(two_shots, tmp_path / "out.mp4", alone)
    assert error.value.about == "image_model"


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
    assert 5 < len(frames_of(tmp_path / "out.mp4")) < 22


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
        ({"preset": "hasty"}, None, "cannot be encoded like this"),
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
            executor = stack.enter_context(PaintingProcesses(1, threads=1))
        with pytest.raises(UsageError, match=words):
            stylize_video(
                two_shots,
                tmp_path / "out.mp4",
                replace(options, **change),
                lambda *step: seen.append(step),
                executor=executor,
            )
    assert not seen and not list(tmp_path.iterdir())


def test_an_encoder_without_ten_bits_is_found_before_anything_is_done(
    two_shots, options, tmp_path, monkeypatch
):
    def trial(settings, *_):
        return BrushflowError("No ten bits.") if settings.bit_depth == 10 else None

    monkeypatch.setattr("brushflow.video.write._trial", trial)
    with pytest.raises(UsageError, match=r"cannot be encoded like this\. No ten bits"):
        stylize_video(two_shots, tmp_path / "out.mp4", replace(options, bit_depth=10))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--start", "99"), "See --start and --end."),
        (("--codec", "nosuch"), "no encoder nosuch"),
        (("--fps", "25"), "--fps is for images that make a video"),
        (("--face-size", "512"), "--face-size is for spherical"),
    ],
)
def test_a_refused_run_leaves_no_folder(
    arguments, words, two_shots, tiny_model_file, run_command, tmp_path
):
    output = tmp_path / "out.mp4"
    code, _, error = run_command(two_shots, "--style", tiny_model_file, "-o", output, *arguments)
    assert code == 2 and words in error
    assert not list(tmp_path.iterdir())


def test_a_source_that_ends_early_the_second_time_is_an_error(
    two_shots, options, tmp_path, monkeypatch
):
    from brushflow.video.source import VideoSource

    read = VideoSource.read

    def shorter(self, **request):
        for frame in read(self, **request):
            if frame.index == 10 and not request.get("gray"):
                return
            yield frame

    monkeypatch.setattr(VideoSource, "read", shorter)
    with pytest.raises(BrushflowError, match="ended before frame 10"):
        stylize_video(two_shots, tmp_path / "out.mp4", options)
    assert not (tmp_path / "out.mp4").exists()


def small_files(limit):
    """A write beyond this fails with an error instead of a signal."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


@pytest.mark.slow
@pytest.mark.parametrize("limit", [5_000, 30_000])
def test_a_full_disk_is_a_sentence_and_the_run_goes_on_afterwards(
    limit, drifting, make_clip, start_command, run_command, tiny_model_file, tmp_path
):
    source = make_clip(tmp_path / "clip.mp4", drifting(20), sound=True)
    arguments = (source, "--style", tiny_model_file, "-o", tmp_path / "out.mp4")
    process = start_command("stylize_video.py", *arguments, prepare=partial(small_files, limit))
    _, err = process.communicate()
    assert process.returncode == 1, err
    assert "Traceback" not in err and err.splitlines()[-1].startswith("Error: ")
    assert not (tmp_path / "out.mp4").exists()
    code, _, err = run_command(*arguments)
    assert code == 0, err
    assert len(frames_of(tmp_path / "out.mp4")) == 20
