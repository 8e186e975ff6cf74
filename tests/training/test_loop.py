"""Training learns, survives interruptions, and says what is wrong."""

import json
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from brushflow.common.errors import BrushflowError, UsageError
from brushflow.models import StyleModel, build, load
from brushflow.training import train
from brushflow.training.checkpoint import read_checkpoint
from brushflow.training.loop import Run
from brushflow.training.network import make_network


def weights(path):
    return load(path).network.state_dict()


def folder_of(options):
    return options.output.with_name(options.output.name + ".training")


def rows_of(options):
    text = (folder_of(options) / "log.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def assert_same_weights(one, other):
    for name, value in weights(one).items():
        assert torch.equal(value, weights(other)[name]), name


def test_an_interrupted_run_ends_like_an_uninterrupted_one(options, videos, tmp_path):
    options = replace(options, videos=videos, fill="noise", style_together=0.4)
    whole = train(options)
    broken = replace(options, output=tmp_path / "broken.safetensors")
    for last in (4, 6):
        stop = threading.Event()
        with pytest.raises(KeyboardInterrupt, match="Stopped after iteration"):
            train(broken, lambda p, stop=stop, last=last: p.iteration == last and stop.set(), stop)
    done = []
    train(broken, lambda p: done.append(p.iteration))
    assert done == [7, 8]
    assert_same_weights(whole, broken.output)


def test_a_killed_run_does_again_what_was_after_the_checkpoint(options, tmp_path):
    class Killed(BaseException):
        pass

    def kill(progress):
        if progress.iteration == 5:
            raise Killed

    whole = train(options)
    broken = replace(options, output=tmp_path / "broken.safetensors")
    with pytest.raises(Killed):
        train(broken, kill)
    done = []
    train(broken, lambda p: done.append(p.iteration))
    assert done[0] == 4  # the checkpoint is that of iteration 3
    assert_same_weights(whole, broken.output)
    iterations = [row["iteration"] for row in rows_of(broken) if "validation" not in row]
    assert iterations == list(range(1, 9))


def test_every_loss_is_reported_and_pictures_are_kept(finished):
    rows = [row for row in rows_of(finished) if "validation" not in row]
    assert [row["iteration"] for row in rows] == list(range(1, 9))
    assert set(rows[0]) == {"iteration", "source", "seconds", "range", "identity"}
    terms = {"content", "style", "temporal", "tv", "range"}
    assert terms <= set(rows[-1])
    validations = [row for row in rows_of(finished) if "validation" in row]
    assert [row["iteration"] for row in validations] == [4, 8]
    assert all(set(row["validation"]) == terms for row in validations)
    pictures = sorted(path.name for path in folder_of(finished).glob("*.jpg"))
    assert pictures == [
        "sheet-000004.jpg",
        "sheet-000008.jpg",
        "validation-000004.jpg",
        "validation-000008.jpg",
    ]
    page = (folder_of(finished) / "report.html").read_text()
    assert page.count("<polyline") == 6 and page.count("data:image/jpeg") == 4


def test_the_best_model_by_validation_is_kept(finished):
    best = min(
        (row for row in rows_of(finished) if "validation" in row),
        key=lambda row: sum(row["validation"].values()),
    )
    kept = weights(folder_of(finished) / "best.safetensors")
    at_end = all(torch.equal(v, kept[k]) for k, v in weights(finished.output).items())
    assert at_end == (best["iteration"] == 8)


def test_the_identity_is_learned_first(options):
    losses = []
    train(
        replace(
            options,
            iterations=100,
            identity_iterations=100,
            size_schedule="32",
            data_mix="single_image:1",
            validate_every=0,
            images_every=0,
            checkpoint_every=50,
        ),
        lambda p: losses.append(p.losses["identity"]),
    )
    assert np.median(losses[-20:]) < 0.5 * np.median(losses[:10])


@pytest.mark.parametrize(
    ("network", "loss"),
    [
        *(("recurrent", loss) for loss in ("pixel", "ofb", "p-fdb", "c-fdb", "noise", "none")),
        *((network, loss) for network in ("image", "video") for loss in ("pixel", "noise")),
    ],
)
def test_every_network_learns_with_every_loss(options, network, loss):
    options = replace(
        options,
        network=network,
        temporal_loss=loss,
        through_time=network == "recurrent",
        iterations=3,
        identity_iterations=0,
        frame_steps_schedule="2",
        size_schedule="24",
        style_size=72,
        data_mix="shift:1",
        images_every=0,
    )
    torch.manual_seed(options.seed)
    before = make_network(options.resolved()).state_dict()
    path = train(options)
    after = weights(path)
    assert load(path).network.in_channels == {"image": 3, "recurrent": 6, "video": 7}[network]
    # As far as the first three steps of a warm-up go; biases before a norm change nothing.
    moved = [name for name in before if (after[name] - before[name]).abs().max() > 5e-5]
    assert [name for name in before if name.endswith("weight")] == [
        name for name in moved if name.endswith("weight")
    ]
    temporal = [row["temporal"] for row in rows_of(options) if "validation" not in row]
    assert all(value == 0 for value in temporal) == (loss == "none")


def test_parts_of_a_batch_add_up_to_it(options, distance, tmp_path):
    options = replace(options, iterations=4, batch_schedule="4", one_cycle=False, settle=0)
    options = replace(options, style_together=0.4)
    whole = train(options)
    parts = train(replace(options, output=tmp_path / "parts.safetensors", accumulate=2))
    other = train(replace(options, output=tmp_path / "other.safetensors", batch_schedule="2"))
    assert distance(options, whole, parts) < 0.05
    assert distance(options, whole, other) > 0.3


def test_a_new_style_starts_from_a_trained_model(finished, options, tmp_path):
    first = finished.output
    again = replace(
        options,
        init_from=first,
        output=tmp_path / "again.safetensors",
        arch=None,
        identity_iterations=None,
    ).resolved()
    assert (again.arch, again.identity_iterations) == (options.arch, 0)
    network = make_network(again)
    for name, value in network.state_dict().items():
        assert torch.equal(value, weights(first)[name]), name
    with pytest.raises(UsageError, match="do not fit the architecture"):
        make_network(replace(again, arch="c3s1-4,d4,R4,U2,c3s1-3"))


def test_a_video_network_starts_from_an_image_network_and_paints_alike(options, tmp_path):
    torch.manual_seed(1)
    image = build(options.arch, 3, padding_type="reflect").eval()
    StyleModel(image, "image").save(tmp_path / "image.safetensors")
    options = replace(options, init_from=tmp_path / "image.safetensors").resolved()
    frame = torch.randn(1, 3, 48, 48) * 50
    for kind, channels in (("recurrent", 6), ("video", 7)):
        network = make_network(replace(options, network=kind)).eval()
        x = torch.cat([frame, torch.randn(1, channels - 3, 48, 48)], 1)
        assert torch.allclose(network(x), image(frame), atol=1e-4)


def test_channels_last_which_is_faster_gives_the_same_gradients(options):
    plain, fast = (make_network(options.resolved()) for _ in range(2))
    fast.load_state_dict(plain.state_dict())
    fast.to(memory_format=torch.channels_last)
    x = 60 * torch.randn(2, 7, 48, 64, generator=torch.Generator().manual_seed(0))
    for network in (plain, fast):
        network(x).square().mean().backward()
    one, other = (
        torch.cat([p.grad.flatten() for p in network.parameters()]) for network in (plain, fast)
    )
    assert (one - other).norm() < 1e-4 * one.norm()


@pytest.mark.parametrize("factor", [0.0, 2.0])
def test_gradients_are_cut_to_their_usual_norm_if_that_is_wanted(options, monkeypatch, factor):
    norms = []
    step = torch.optim.Adam.step

    def measured(self, *arguments, **named):
        gradients = [p.grad for group in self.param_groups for p in group["params"]]
        norms.append(float(torch.nn.utils.get_total_norm(gradients)))
        return step(self, *arguments, **named)

    monkeypatch.setattr(torch.optim.Adam, "step", measured)
    # The weight of the second iteration's loss makes its gradient a hundred times the first's.
    options = replace(
        options, iterations=2, clip_gradients=factor, tv_strength_schedule="1,1:100",
        identity_iterations=0, style_ramp=0, learning_rate="1e-9", frame_steps_schedule="1",
    )  # fmt: skip
    train(options)
    first, second = norms
    assert second / first == pytest.approx(factor) if factor else second / first > 10


def test_other_settings_do_not_continue_a_run(finished):
    with pytest.raises(UsageError, match=r"style_strength_schedule = '0\.3', not '9'"):
        train(replace(finished, style_strength_schedule="9"))


def test_a_damaged_checkpoint_is_named(options):
    train(options)
    (folder_of(options) / "checkpoint.pt").write_bytes(b"damaged")
    with pytest.raises(BrushflowError, match=r"checkpoint\.pt is damaged"):
        train(options)


def test_a_checkpoint_that_cannot_be_read_is_not_called_damaged(tmp_path):
    assert read_checkpoint(tmp_path, {}) is None
    (tmp_path / "checkpoint.pt").mkdir()  # which no system opens as a file
    with pytest.raises(BrushflowError, match="cannot be read: ") as caught:
        read_checkpoint(tmp_path, {})
    assert "damaged" not in str(caught.value) and "delete" not in str(caught.value)


def test_a_loss_that_is_no_number_leaves_a_usable_checkpoint(options, monkeypatch):
    step = Run.step

    def poisoned(self, parts):
        if self.iteration == 5:
            with torch.no_grad():
                next(self.network.parameters()).fill_(float("nan"))
        return step(self, parts)

    with monkeypatch.context() as patch:
        patch.setattr(Run, "step", poisoned)
        with pytest.raises(BrushflowError, match="no longer a number at iteration 5"):
            train(options)
    done = []
    train(options, lambda p: done.append(p.iteration))
    assert done[0] == 4


def test_a_full_disk_ends_in_a_sentence_and_keeps_the_checkpoint(options, monkeypatch):
    saved = []
    save = torch.save

    def full(state, path):
        if saved:
            raise RuntimeError("PytorchStreamWriter failed writing file: no space left")
        saved.append(save(state, path))

    with monkeypatch.context() as patch:
        patch.setattr("torch.save", full)
        with pytest.raises(BrushflowError, match="Could not write the checkpoint"):
            train(options)
    done = []
    train(options, lambda p: done.append(p.iteration))
    assert done[0] == 4


def test_curves_for_tensorboard(options):
    pytest.importorskip("tensorboard")
    train(replace(options, iterations=4, tensorboard=True))
    events = list((folder_of(options) / "tensorboard").glob("events*"))
    assert b"loss/style" in events[0].read_bytes() and b"validation/style" in events[0].read_bytes()


def test_without_tensorboard_the_package_to_install_is_named(options, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(BrushflowError, match="pip install tensorboard"):
        train(replace(options, tensorboard=True))
