"""The original tool's way of working: frames, flows and maps in files, and its options."""

import numpy as np
import pytest
from click.testing import CliRunner
from skimage import data

from brushflow.errors import BrushflowError
from brushflow.flow import load_estimator, write_flo
from brushflow.occlusion import reliability, write_pgm
from brushflow.pipeline.finish import finish
from brushflow.pipeline.motion import Motion
from brushflow.pipeline.stylizer import Stylizer
from brushflow.scripts import stylize_frames
from brushflow.video import read_image, write_image


@pytest.fixture(scope="module")
def place(tiny_model, tmp_path_factory):
    """A folder with five frames, and flow and maps in both directions, in the usual names."""
    folder = tmp_path_factory.mktemp("frames")
    tiny_model.save(folder / "tiny.safetensors")
    picture = data.astronaut()
    frames = [picture[60:124, 40 + 3 * i : 136 + 3 * i] for i in range(5)]
    for i, frame in enumerate(frames, 1):
        write_image(folder / f"frame_{i:05d}.png", frame)
    estimator = load_estimator("dis")
    for i in range(2, 6):
        now, before = frames[i - 1], frames[i - 2]
        flow, reverse = estimator(now, before), estimator(before, now)
        write_flo(folder / f"backward_{i}_{i - 1}.flo", flow)
        write_flo(folder / f"forward_{i - 1}_{i}.flo", reverse)
        write_pgm(folder / f"reliable_{i}_{i - 1}.pgm", reliability(flow, reverse, now))
        write_pgm(folder / f"reliable_{i - 1}_{i}.pgm", reliability(reverse, flow, before))
    return folder


@pytest.fixture
def run(place, tmp_path):
    def run(*options, flow="backward_[%d]_{%d}.flo", prefix="out"):
        result = CliRunner().invoke(
            stylize_frames.command,
            [
                *("--model-vid", str(place / "tiny.safetensors")),
                *("--input-pattern", str(place / "frame_%05d.png")),
                *("--flow-pattern", str(place / flow)),
                *("--occlusions-pattern", str(place / "reliable_[%d]_{%d}.pgm")),
                *("--output-prefix", str(tmp_path / prefix)),
                *map(str, options),
            ],
        )
        error = result.exception
        if isinstance(error, BrushflowError):
            return error.exit_code, str(error)
        return result.exit_code, result.stderr

    return run


def pictures(folder, prefix="out"):
    return [read_image(path) for path in sorted(folder.glob(f"{prefix}-0*.png"))]


def same(a, b):
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_files_give_what_the_recurrence_gives(place, run, tiny_model, tmp_path):
    from brushflow.flow import read_flo
    from brushflow.occlusion import read_pgm

    def motion(frame, previous, i, pool):
        return Motion(
            read_flo(place / f"backward_{i}_{i - 1}.flo"),
            read_pgm(place / f"reliable_{i}_{i - 1}.pgm"),
        )

    frames = [read_image(place / f"frame_{i:05d}.png") for i in range(1, 6)]
    expected = [
        finish(s, median_filter=3)
        for s in Stylizer(tiny_model, motion=motion, settle=0).stylize(frames, first=1)
    ]
    code, err = run()
    assert code == 0, err
    assert same(pictures(tmp_path), expected)


def test_a_continued_run_equals_an_uninterrupted_one(run, tmp_path):
    assert run()[0] == 0
    assert run("--num-frames", 3, prefix="part")[0] == 0
    assert len(pictures(tmp_path, "part")) == 3
    code, err = run("--continue-with", 4, prefix="part")
    assert code == 0, err
    assert same(pictures(tmp_path), pictures(tmp_path, "part"))
    # Without the float state it goes on from the picture, which is close.
    (tmp_path / "part-state.safetensors").unlink()
    (tmp_path / "part-00005.png").unlink()
    code, err = run("--continue-with", 5, prefix="part")
    assert code == 0 and "rounded to 8 bits" in err
    assert len(pictures(tmp_path, "part")) == 5
    code, err = run("--continue-with", 3, prefix="nothing")
    assert code == 2 and "nothing-00002.png must exist" in err


def test_a_run_cannot_go_on_with_frames_of_another_size(place, run, tmp_path):
    assert run("--num-frames", 2)[0] == 0
    for i in range(1, 6):
        half = read_image(place / f"frame_{i:05d}.png")[::2, ::2]
        write_image(tmp_path / f"half_{i:05d}.png", half)
    pattern = tmp_path / "half_%05d.png"
    code, error = run("--continue-with", 3, "--input-pattern", pattern)
    assert code == 2 and "another size" in error


def test_backward_goes_from_the_last_frame_to_the_first(run, tmp_path):
    code, err = run("--backward", flow="forward_[%d]_{%d}.flo")
    assert code == 0, err
    backward = pictures(tmp_path)
    assert len(backward) == 5
    run("--create-inconsistent", prefix="alone")
    alone = pictures(tmp_path, "alone")
    assert np.array_equal(backward[4], alone[4])
    assert not np.array_equal(backward[0], alone[0])


def test_an_interrupted_backward_run_goes_on_from_its_float_state(run, tmp_path, monkeypatch):
    flow = "forward_[%d]_{%d}.flo"
    run("--backward", flow=flow, prefix="whole")

    def fails_at_two(path, picture):
        if path.name.endswith("-00002.png"):
            raise KeyboardInterrupt
        write_image(path, picture)

    monkeypatch.setattr(stylize_frames, "write_image", fails_at_two)
    assert run("--backward", flow=flow)[0] != 0
    monkeypatch.undo()
    assert len(pictures(tmp_path)) == 3
    code, err = run("--backward", "--continue-with", 2, flow=flow)
    assert code == 0 and "rounded" not in err, err
    assert same(pictures(tmp_path), pictures(tmp_path, "whole"))


def test_options_change_what_they_name(run, tmp_path):
    run(prefix="plain")
    plain = pictures(tmp_path, "plain")
    for options in (
        ("--invert-occlusion",),
        ("--fix-occlusions",),
        ("--occlusions-min-filter", 1),
        ("--fill-occlusions", "uniform-random"),
        ("--create-inconsistent",),
        ("--median-filter", 1),
    ):
        code, err = run(*options)
        assert code == 0, err
        changed = not same(pictures(tmp_path), plain)
        # Our maps hide what comes from outside already, so fixing them changes nothing.
        assert changed == (options[0] != "--fix-occlusions"), options


def test_missing_files_and_patterns_are_named(place, run):
    code, err = run(flow="absent_[%d]_{%d}.flo")
    assert code == 1 and "absent_2_1.flo" in err and "Traceback" not in err
    code, err = run(flow="backward_{}_[%d].flo")
    assert code == 2 and "needs one number" in err
    code, err = run("--input-pattern", str(place / "none_%05d.png"))
    assert code == 2 and "none_00001.png" in err
    code, err = run("--continue-with", 9)
    assert code == 2 and "no frame 9" in err


@pytest.mark.parametrize("alone", [(), ("--create-inconsistent",)])
def test_frames_are_scored_on_request(alone, place, run, loss_weights, tmp_path):
    write_image(tmp_path / "style.png", data.coffee()[:96, :128])
    options = (
        *("--evaluate", "--evaluation-file", tmp_path / "scores.txt"),
        *("--flow-pattern-eval", place / "backward_[%d]_{%d}.flo"),
        *("--occlusions-pattern-eval", place / "reliable_[%d]_{%d}.pgm"),
        *("--loss-network", loss_weights, "--style-image", tmp_path / "style.png"),
        *("--content-layers", "relu2_2", "--style-layers", "4,relu2_2"),
        *alone,
    )
    assert run(*options)[0] == 0
    whole = (tmp_path / "scores.txt").read_text().splitlines()
    assert [line.split(";")[0] for line in whole] == ["frame", "1", "2", "3", "4", "5", "mean"]

    for name in ("scores.txt", "out-00004.png", "out-00005.png"):
        (tmp_path / name).unlink()
    assert run("--num-frames", 3, *options)[0] == 0
    assert run("--continue-with", 4, *options)[0] == 0
    assert (tmp_path / "scores.txt").read_text().splitlines() == whole


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--evaluate",), "--flow-pattern-eval"),
        (("--evaluate", *("--flow-pattern-eval", "a", "--occlusions-pattern-eval", "b")), "style"),
    ],
)
def test_what_evaluation_lacks_is_named(run, options, told):
    code, error = run(*options)
    assert code == 2 and told in error
