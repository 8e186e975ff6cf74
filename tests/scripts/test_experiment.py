"""The comparison of losses runs from training to its page, and goes on where it stopped."""

from dataclasses import replace
from functools import partial

import pytest
from click.testing import CliRunner
from skimage import data, io

from brushflow.scripts.lab import experiment
from brushflow.training.recipes import RECIPES
from brushflow.video import write_image


@pytest.fixture
def folders(tmp_path, make_clip, drifting):
    for name in ("images", "videos", "clips"):
        (tmp_path / name).mkdir()
    for name in ("astronaut", "coffee"):
        io.imsave(tmp_path / "images" / f"{name}.png", getattr(data, name)()[::2, ::2])
    io.imsave(tmp_path / "painting.png", data.rocket())
    make_clip(tmp_path / "videos" / "a.mp4", drifting(6))
    # Frames in a folder are a video as well, to learn from and to judge by.
    for folder, frames in (
        ("videos/b", drifting(6, picture="chelsea")),
        ("clips/held & out", drifting(7, 64, 48, "coffee")),
    ):
        for number, frame in enumerate(frames):
            (tmp_path / folder).mkdir(exist_ok=True)
            write_image(tmp_path / folder / f"{number:05d}.png", frame)
    return tmp_path


def test_at_the_scale_of_the_paper_everything_is_as_published(folders, monkeypatch):
    seen = []

    def pretend(options, *_):
        seen.append(options)
        return options.output

    monkeypatch.setattr(experiment, "train", pretend)
    monkeypatch.setattr(experiment, "_judge", lambda *_: None)
    arguments = [
        *("fdb", "--style", folders / "painting.png", "--images", folders / "images"),
        *("--videos", folders / "videos", "--clips", folders / "clips", "-o", folders / "out"),
        *("--scale", "paper", "--networks", "image"),
    ]
    result = CliRunner().invoke(experiment.command, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    baseline, *tuned = seen
    assert (baseline.learning_rate, baseline.batch_schedule) == ("1e-3", "4")
    assert [options.temporal_loss for options in tuned] == ["none", "ofb", "p-fdb", "c-fdb"]
    of_the_experiment = {"temporal_loss", "temporal_weight_schedule", "val_batches"}
    of_the_experiment |= {"validate_every", "loss_weights"}
    for name in RECIPES["fdb"].keys() - of_the_experiment:
        assert {getattr(options, name) for options in tuned} == {RECIPES["fdb"][name]}, name


@pytest.mark.slow
def test_a_grid_of_networks_and_losses(folders, loss_weights, monkeypatch):
    tiny = replace(
        experiment.SCALES["small"],
        arch="c3s1-8,d8,R8,U2,c3s1-3",
        size=32,
        batch=2,
        baseline=3,
        fine_tuning=2,
        clip_seconds=0.24,
    )
    monkeypatch.setitem(experiment.SCALES, "small", tiny)
    for name in ("TrainOptions", "evaluate"):
        small = partial(getattr(experiment, name), style_size=96)
        monkeypatch.setattr(experiment, name, small)
    arguments = [
        *("fdb", "--style", folders / "painting.png", "--images", folders / "images"),
        *("--videos", folders / "videos", "--clips", folders / "clips"),
        *("--loss-weights", loss_weights, "-o", folders / "out", "--flow", "dis-fast"),
        *("--networks", "recurrent", "--networks", "video", "--losses", "c-fdb"),
        *("--threads", 1),
    ]
    result = CliRunner().invoke(experiment.command, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    table = (folders / "out" / "results.md").read_text()
    rows = [line.split(" | ")[0].strip("| ") for line in table.splitlines() if "|" in line][2:]
    assert rows == ["source", "recurrent, c-fdb", "video, c-fdb"]
    page = (folders / "out" / "index.html").read_text()
    assert page.count("<video") == 2 and "held &amp; out" in page
    models = sorted((folders / "out" / "models").glob("*.safetensors"))
    assert len(models) == 3
    before = [path.stat().st_mtime_ns for path in models]
    again = CliRunner().invoke(experiment.command, [str(a) for a in arguments])
    assert again.exit_code == 0
    assert [path.stat().st_mtime_ns for path in models] == before
    assert (folders / "out" / "results.md").read_text() == table
