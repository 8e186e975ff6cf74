"""The original tool's way of working: frames, flows and maps in files, and its options."""

from unittest.mock import Mock

import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from scipy.ndimage import map_coordinates, median_filter, minimum_filter
from skimage import data

from brushflow.common import torch_devices
from brushflow.common.errors import BrushflowError
from brushflow.flow import load_estimator, write_flo
from brushflow.models import deprocess, preprocess
from brushflow.models.preprocessing import resize_bicubic
from brushflow.occlusion import reliability, write_pgm
from brushflow.occlusion.motion import FileMotion, Motion
from brushflow.pipeline.finishing import as_painted
from brushflow.pipeline.stylizer import Stylizer
from brushflow.scripts.original import stylize_frames
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
        as_painted(s, median_filter=3)
        for s in Stylizer(
            tiny_model, motion=motion, settle=0, long_term=0, outside="black"
        ).stylize(frames, first=1)
    ]
    code, err = run()
    assert code == 0, err
    assert same(pictures(tmp_path), expected)


def test_a_gpu_that_does_not_paint_is_passed_over(run, monkeypatch, tmp_path):
    """Here none does, so a network that goes to one fails."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch_devices, "_try_painting", Mock(side_effect=RuntimeError("no kernel")))
    torch_devices._problem.cache_clear()
    try:
        code, err = run("--num-frames", 1)
    finally:
        torch_devices._problem.cache_clear()
    assert code == 0, err
    assert "The device cuda does not paint in fp16 here: no kernel." in err
    assert len(pictures(tmp_path)) == 1


def original(model, frames, flows, maps):
    """What the original program computes, in its own words: frames and warps in RGB from 0 to 1.

    A sample outside is 0 for the whole pixel, before the mean is subtracted (REFERENCE A4 to A7).
    """
    mean = np.array([103.939, 116.779, 123.68]).reshape(3, 1, 1)

    def preprocess(rgb):
        return 255 * rgb.transpose(2, 0, 1)[::-1] - mean

    def run(x):
        with torch.no_grad():
            y = model.network(torch.from_numpy(np.ascontiguousarray(x, np.float32))[None])[0]
        return ((y.numpy().astype(np.float64) + mean) / 255)[::-1].transpose(1, 2, 0)

    outputs = []
    for k, frame in enumerate(frames):
        content = preprocess(frame / 255)
        if k == 0:
            outputs.append(run(np.concatenate([content, np.zeros((4, *frame.shape[:2]))])))
            continue
        rows, columns = np.mgrid[: frame.shape[0], : frame.shape[1]]
        x, y = columns + flows[k - 1][..., 0], rows + flows[k - 1][..., 1]
        place = [y.ravel(), x.ravel()]
        warped = np.stack(
            [
                map_coordinates(plane, place, order=1, mode="nearest").reshape(x.shape)
                for plane in outputs[-1].transpose(2, 0, 1)
            ],
            2,
        )
        outside = (x < 0) | (y < 0) | (x > frame.shape[1] - 1) | (y > frame.shape[0] - 1)
        warped[outside] = 0
        certainty = minimum_filter(maps[k - 1], 7, mode="nearest")
        outputs.append(run(np.concatenate([content, preprocess(warped) * certainty, [certainty]])))
    return [np.clip(np.rint(255 * output), 0, 255) for output in outputs]


def test_beyond_the_border_is_black_as_the_original_has_it(tiny_model, tmp_path, run):
    """Soft maps that believe what lies outside: the case in which it counts."""
    random = np.random.default_rng(3)
    frames = [data.astronaut()[60:124, 40 + 3 * i : 136 + 3 * i] for i in range(4)]
    flows, maps = [], []
    for i, frame in enumerate(frames, 1):
        write_image(tmp_path / f"frame_{i:05d}.png", frame)
        if i > 1:
            flow = np.full((64, 96, 2), (9.3, -4.6), np.float32)
            flow += random.normal(0, 0.3, flow.shape).astype(np.float32)
            level = np.full((64, 96), 204 / 255, np.float32)
            write_flo(tmp_path / f"flow_{i}_{i - 1}.flo", flow)
            write_pgm(tmp_path / f"map_{i}_{i - 1}.pgm", level)
            flows.append(flow)
            maps.append(level)
    code, err = run(
        *("--input-pattern", tmp_path / "frame_%05d.png", "--median-filter", 1),
        *("--flow-pattern", tmp_path / "flow_[%d]_{%d}.flo"),
        *("--occlusions-pattern", tmp_path / "map_[%d]_{%d}.pgm"),
    )
    assert code == 0, err
    wanted = original(tiny_model, frames, flows, maps)
    for painted, expected in zip(pictures(tmp_path), wanted, strict=True):
        assert np.abs(painted - expected).max() <= 1


def test_sintels_own_masks_serve(run, tmp_path, loss_weights, monkeypatch):
    """White PNGs where a pixel is hidden in the next frame, and forward flow."""
    monkeypatch.chdir(tmp_path)
    for name in ("final", "flow", "occlusions"):
        (tmp_path / name).mkdir()
    picture = data.astronaut()
    hidden = np.zeros((64, 96), np.uint8)
    hidden[20:40, 30:50] = 255
    for i in range(1, 4):
        write_image(tmp_path / "final" / f"frame_{i:04d}.png", picture[60:124, 4 * i : 4 * i + 96])
        flow = np.zeros((64, 96, 2), np.float32)
        flow[..., 0] = -4
        write_flo(tmp_path / "flow" / f"frame_{i:04d}.flo", flow)
        write_image(tmp_path / "occlusions" / f"frame_{i:04d}.png", hidden)
    write_image(tmp_path / "painting.png", picture[:96, :96])
    code, err = run(
        *("--input-pattern", "final/frame_%04d.png", "--create-inconsistent", "--evaluate"),
        *("--flow-pattern-eval", "flow/frame_{%04d}.flo", "--backward-eval"),
        *("--occlusions-pattern-eval", "occlusions/frame_{%04d}.png"),
        *("--invert-occlusion-eval", "--fix-occlusions-eval", "--style-image", "painting.png"),
        *("--loss-network", loss_weights, "--content-layers", "4", "--style-layers", "4"),
    )
    assert code == 0, err
    motion = FileMotion(
        "flow/frame_{%04d}.flo", "occlusions/frame_{%04d}.png", 1, invert=True, fix=True
    )(picture[60:124, :96], None, 2, None)
    wanted = np.ones((64, 96), np.float32)
    wanted[hidden > 0] = 0
    wanted[:, :4] = 0  # what moves out of the picture, which the masks know nothing of
    assert np.array_equal(motion.reliability, wanted)
    rows = (tmp_path / "evaluation.txt").read_text().splitlines()
    assert float(rows[2].split(";")[-1]) > 0


def test_frames_without_a_prior_are_painted_at_another_size(place, run, tiny_model, tmp_path):
    code, err = run("--scale-factor", 0.5, "--median-filter", 1, "--num-frames", 2)
    assert code == 0, err
    frame = preprocess(read_image(place / "frame_00001.png"))
    x = torch.cat([resize_bicubic(frame, (32, 48)), torch.zeros(1, 4, 32, 48)], 1)
    with torch.no_grad():
        painted = resize_bicubic(tiny_model.network(x), (64, 96))
    first, second = pictures(tmp_path)
    assert np.abs(first - deprocess(painted).astype(int)).max() <= 1
    assert second.shape == (64, 96, 3)
    assert run("--scale-factor", 0.5, "--create-inconsistent", prefix="alone")[0] == 0
    assert np.array_equal(pictures(tmp_path, "alone")[0].shape, (64, 96, 3))


def test_the_first_frame_may_be_painted_over_a_picture(place, run, tiny_model, tmp_path):
    seed = data.coffee()[:128, :192]
    write_image(tmp_path / "seed.png", seed)
    options = ("--seed-image", tmp_path / "seed.png", "--median-filter", 1)
    code, err = run(*options)
    assert code == 0, err
    frame = preprocess(read_image(place / "frame_00001.png"))
    prior = preprocess(cv2.resize(seed, (96, 64), interpolation=cv2.INTER_AREA))
    certainty = torch.ones(1, 1, 64, 96)  # nothing has moved
    with torch.no_grad():
        wanted = tiny_model.network(torch.cat([frame, prior * certainty, certainty], 1))
    seeded = pictures(tmp_path)
    assert np.abs(seeded[0] - deprocess(wanted).astype(int)).max() <= 1
    run("--median-filter", 1, prefix="plain")
    assert not np.array_equal(seeded[0], pictures(tmp_path, "plain")[0])
    # A continued run is the same: only the first frame of all has a seed.
    assert run(*options, "--num-frames", 2, prefix="part")[0] == 0
    assert run(*options, "--continue-with", 3, prefix="part")[0] == 0
    assert same(pictures(tmp_path, "part"), seeded)
    code, err = run(*options, "--create-inconsistent", prefix="alone")
    assert code == 2 and "--seed-image" in err


@pytest.mark.parametrize("width", [5, 7, 9])
def test_pictures_are_smoothed_by_any_odd_window(run, tmp_path, width):
    assert run("--median-filter", 1, "--num-frames", 1, prefix="plain")[0] == 0
    code, err = run("--median-filter", width, "--num-frames", 1)
    assert code == 0, err
    (plain,), (found,) = pictures(tmp_path, "plain"), pictures(tmp_path)
    assert np.array_equal(found, median_filter(plain, (width, width, 1), mode="nearest"))


def test_windows_without_a_middle_are_refused(run):
    code, err = run("--median-filter", 4)
    assert code == 2 and "odd width" in err


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
