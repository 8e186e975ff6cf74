"""Training learns, survives interruptions, and says what is wrong."""

import json
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from brushflow.errors import UsageError
from brushflow.models import load
from brushflow.training import train
from brushflow.training.loop import stylize_sequence, without_prior
from brushflow.training.photographs import Photographs, parse_mix
from brushflow.training.schedule import Schedule


def weights(path):
    return load(path).network.state_dict()


def test_an_interrupted_run_ends_like_an_uninterrupted_one(options, tmp_path):
    whole = train(options)
    broken = replace(options, output=tmp_path / "broken.safetensors")
    for last in (4, 6):
        stop = threading.Event()
        with pytest.raises(KeyboardInterrupt, match="goes on from there"):
            train(broken, lambda p, stop=stop, last=last: p.iteration == last and stop.set(), stop)
    done = []
    train(broken, lambda p: done.append(p.iteration))
    assert done == [7, 8]
    for name, value in weights(whole).items():
        assert torch.equal(value, weights(broken.output)[name]), name


def test_every_loss_is_reported_and_pictures_are_kept(options):
    train(options)
    folder = options.output.with_name("mine.safetensors.training")
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert [row["iteration"] for row in rows] == list(range(1, 9))
    assert set(rows[0]) == {"iteration", "source", "range", "identity"}
    assert {"content", "style", "temporal", "tv", "range"} <= set(rows[-1])
    assert sorted(path.name for path in folder.glob("*.jpg")) == [
        "sheet-000004.jpg",
        "sheet-000008.jpg",
    ]


def test_the_identity_is_learned_first(options):
    losses = []
    train(
        replace(options, iterations=200, identity_iterations=200, size_schedule="48"),
        lambda p: losses.append(p.losses["identity"]),
    )
    assert np.median(losses[-30:]) < 0.3 * np.median(losses[:5])


def test_other_settings_do_not_continue_a_run(options):
    train(options)
    with pytest.raises(UsageError, match=r"style_weight_schedule = '0\.4', not '9'"):
        train(replace(options, style_weight_schedule="9"))


def test_the_model_holds_its_settings(options):
    settings = load(train(options)).training
    assert settings["style"] == "painting.png"
    assert settings["iterations"] == 8


def test_recurrence_sees_the_warped_output_of_the_step_before(options):
    class Recorder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inputs = []

        def forward(self, x):
            self.inputs.append(x)
            return x[:, :3] + 1

    batch = Photographs(options.images, parse_mix("shift:1"), 0).batch(0, 48, 2, 2)
    network = Recorder()
    result = stylize_sequence(network, batch, min_filter=1)
    assert torch.equal(network.inputs[0], without_prior(batch.frames[0]))
    certain = batch.certainties[0].expand(-1, 3, -1, -1) > 0
    prior = network.inputs[1][:, 3:6]
    # Integer shifts: the prior is the moved first output, which is the first frame plus one.
    assert torch.allclose(prior[certain], (batch.frames[1] + 1)[certain], atol=1e-2)
    assert torch.equal(prior[~certain], torch.zeros_like(prior[~certain]))
    assert torch.equal(network.inputs[2][:, 6:], batch.certainties[1])
    assert torch.equal(result.output, batch.frames[2] + 1)


def test_batches_depend_on_seed_and_iteration_only(options):
    mix = parse_mix("shift:1,zoom_out:2,single_image:1")
    one = Photographs(options.images, mix, 5)
    other = Photographs(options.images, mix, 5)
    one.batch(0, 48, 1, 1)
    a, b = one.batch(7, 48, 2, 1), other.batch(7, 48, 2, 1)
    assert a.source == b.source
    assert all(torch.equal(x, y) for x, y in zip(a.frames, b.frames, strict=True))
    sources = {one.batch(i, 48, 1, 1).source for i in range(30)}
    assert sources == {"shift", "zoom_out", "single_image"}


def test_unreadable_pictures_are_skipped(options, caplog):
    (options.images / "broken.jpg").write_bytes(b"no picture")
    photographs = Photographs(options.images, parse_mix("shift:1"), 0)
    for i in range(20):
        photographs.batch(i, 48, 2, 1)
    assert "broken.jpg" in caplog.text


@pytest.mark.parametrize("mix", ["shift", "shift:0", "sideways:1", "shift:x", ""])
def test_a_wrong_mix_is_refused(mix):
    with pytest.raises(UsageError, match="--data-mix"):
        parse_mix(mix)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(UsageError, match="holds no pictures"):
        Photographs(tmp_path, {"shift": 1}, 0)
    with pytest.raises(UsageError, match="There is no folder"):
        Photographs(tmp_path / "absent", {"shift": 1}, 0)


def test_schedules_change_at_their_iterations():
    schedule = Schedule.parse("1,50:2,60:4", "--num-frame-steps")
    assert [schedule(i) for i in (0, 49, 50, 59, 60, 999)] == [1, 1, 2, 2, 4, 4]
    assert Schedule.parse("0:1e-3", "--x")(5) == 1e-3
    for text in ("", "5:1", "1,9:2,3:4", "a", "1,:"):
        with pytest.raises(UsageError, match="--sizes"):
            Schedule.parse(text, "--sizes")
