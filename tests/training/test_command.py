"""The command: recipes, configuration files, several processes, and the model it writes."""

import os
import signal
import socket
from pathlib import Path

import click
import pytest
import torch
from click.testing import CliRunner

from brushflow import train_video
from brushflow.common.errors import UsageError
from brushflow.models import load
from brushflow.models.network import FDB_ARCH, PAPER_ARCH
from brushflow.pipeline import StylizeOptions, stylize_video
from brushflow.training.loop import Run
from brushflow.training.network import make_network
from brushflow.training.recipes import RECIPES
from brushflow.training.schedule import SizeSchedule
from brushflow.training.temporal import TEMPORAL_LOSSES


@pytest.fixture
def merged(monkeypatch):
    """The options that a command line stands for; nothing is trained."""

    def read(*arguments):
        caught = []
        monkeypatch.setattr(
            train_video, "train", lambda options, *_: caught.append(options) or options.output
        )
        result = CliRunner().invoke(train_video.command, [str(a) for a in arguments])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        if not caught:
            raise click.UsageError(result.output)
        return caught[0]

    return read


BASE = ("--style", "a.jpg", "--images", "photos", "-o", "out.safetensors")


def test_recipes_are_the_papers_settings_and_options_override_them(merged):
    options = merged(*BASE, "--recipe", "mixed", "--videos", "clips", "--iterations", "7")
    assert options.arch == PAPER_ARCH
    assert options.data_mix == "video:3,shift:1,zoom_out:1,single_image:5"
    assert options.temporal_weight_schedule == "100"
    assert options.iterations == 7


def test_options_mean_what_the_original_program_means_by_them(merged):
    options = merged(
        *(*BASE, "--recipe", "simple", "--use-instance-norm", "0", "--preprocessing", "resnet"),
        *("--train-img-size", "256:384"),
    ).resolved()
    assert (options.norm, options.preprocessing) == ("batch", "resnet")
    assert SizeSchedule.parse(options.size_schedule, "sizes", 16)(0) == (256, 384)
    network = make_network(options)
    assert (network.norm, network.preprocessing) == ("batch", "resnet")
    assert merged(*BASE, "--use-instance-norm", "1").norm == "instance"
    assert merged(*BASE).resolved().norm == "instance"


def test_the_frame_difference_recipe_has_its_papers_network(merged):
    network = make_network(merged(*BASE, "--videos", "clips", "--recipe", "fdb").resolved())
    described = (network.arch, network.padding_type, network.norm, network.tanh_constant)
    assert described == (FDB_ARCH, "interpolate", "plain", 0)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("loss", TEMPORAL_LOSSES)
def test_a_temporal_loss_has_its_own_weight_whatever_the_recipe(merged, recipe, loss):
    started = (*BASE, "--videos", "clips", "--recipe", recipe)
    weight = merged(*started, "--temporal-loss", loss).resolved().temporal_weight_schedule
    usual = merged(*started).resolved()
    if loss == usual.temporal_loss:
        assert weight == usual.temporal_weight_schedule
    else:
        assert float(weight) == (200 if loss == "pixel" else TEMPORAL_LOSSES[loss].weight)
    given = merged(*started, "--temporal-loss", loss, "--temporal-weight", "7")
    assert given.resolved().temporal_weight_schedule == "7"


def test_a_file_may_name_the_temporal_loss(merged, tmp_path):
    (tmp_path / "run.toml").write_text('recipe = "fdb"\ntemporal-loss = "p-fdb"\n')
    options = merged(*BASE, "--videos", "clips", "--config", tmp_path / "run.toml")
    assert float(options.resolved().temporal_weight_schedule) == 400


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_resolves(merged, name):
    options = merged(*BASE, "--videos", "clips", "--recipe", name).resolved()
    assert options.data_mix and options.arch


def test_a_network_to_go_on_from_keeps_its_architecture_whatever_the_recipe(
    merged, tiny_model_file
):
    options = merged(
        *BASE, "--videos", "clips", "--recipe", "spherical", "--init-from", str(tiny_model_file)
    ).resolved()
    network, source = make_network(options), load(str(tiny_model_file)).network
    assert network.arch == source.arch != PAPER_ARCH
    assert network.padding_type == source.padding_type
    assert options.data_mix.endswith("vr:10")


def test_the_papers_recipes_use_plain_adam(merged):
    for name in RECIPES.keys() - {"quick", "strokes"}:
        options = merged(*BASE, "--videos", "clips", "--recipe", name)
        assert (options.beta2, options.clip_gradients) == (0.999, 0)


def test_a_file_sets_options_and_the_command_line_overrides_it(merged, tmp_path):
    (tmp_path / "run.toml").write_text(
        'recipe = "simple"\nstyle = "b.jpg"\nstyle-layers = "4,9"\nlearning_rate = 0.01\n'
        "content-weights = [2, 3]\nholes = true\niterations = 5\n"
        'images = "p"\noutput = "o.safetensors"\n'
    )
    options = merged("--config", tmp_path / "run.toml", "--iterations", "9")
    assert options.style == (Path("b.jpg"),)
    assert options.style_layers == ("4", "9")
    assert options.content_weights == (2.0, 3.0)
    assert (options.learning_rate, options.holes, options.iterations) == ("0.01", True, 9)
    assert options.arch == PAPER_ARCH


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("iteratons = 5", "'iteratons', which is no option; did you mean iterations"),
        ("iterations = 'many'", "iterations: 'many' is not a valid integer"),
        ("= 5", "not a readable TOML file"),
    ],
)
def test_wrong_files_are_explained(merged, tmp_path, text, message):
    (tmp_path / "run.toml").write_text(text)
    with pytest.raises(UsageError, match=message):
        merged(*BASE, "--config", tmp_path / "run.toml")
    with pytest.raises(UsageError, match="There is no file"):
        merged(*BASE, "--config", tmp_path / "absent.toml")


def test_what_is_missing_is_named(merged):
    with pytest.raises(UsageError, match="Missing --style"):
        merged("--images", "photos", "-o", "out.safetensors")
    with pytest.raises(UsageError, match="what to learn from"):
        merged("--style", "a.jpg", "-o", "out.safetensors")


def arguments(options, output, **changes):
    settings = {
        "style": options.style[0],
        "images": options.images,
        "output": output,
        "loss-weights": options.loss_weights,
        "arch": options.arch,
        "iterations": 4,
        "sizes": 32,
        "batch-sizes": 4,
        "num-frame-steps": 2,
        "identity-iterations": 1,
        "style-ramp": 1,
        "style-image-size": 96,
        "num-val-batches": 1,
        "device": "cpu",
        "threads": 1,
        **changes,
    }
    flags = [f"--no-{name}" for name, value in settings.items() if value is False]
    given = [(f"--{name}", str(value)) for name, value in settings.items() if value is not False]
    return [*flags, *(part for pair in given for part in pair)]


def trained(options, output, **changes):
    """What the command makes of these arguments, in this process."""
    result = CliRunner().invoke(train_video.command, arguments(options, output, **changes))
    assert result.exit_code == 0, result.output
    return output


@pytest.mark.slow
def test_two_processes_train_what_one_would_on_the_whole_batch(
    options, distance, start_command, tmp_path
):
    parts = {"one-cycle": False, "settle": 0, "style-together": 0.4}
    one = trained(options, tmp_path / "one.safetensors", **parts)
    two = tmp_path / "two.safetensors"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    started = [
        start_command(
            *("train_video.py", *arguments(options, two, **parts)),
            # What torchrun tells its processes.
            environment={
                **{"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"},
                **{"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port},
            },
        )
        for rank in (0, 1)
    ]
    assert [(each.communicate(), each.returncode)[1] for each in started] == [0, 0]
    assert distance(options, one, two) < 0.05


def test_a_trained_model_paints_a_video_at_once(options, videos, tmp_path):
    model = trained(options, tmp_path / "mine.safetensors", videos=videos, iterations=2)
    choices = StylizeOptions(style=str(model), device="cpu", preset="ultrafast")
    assert stylize_video(videos / "a.mp4", tmp_path / "out.mp4", choices).frames == 12


def dies_in_the_eighth():
    """Let this process be killed in its eighth iteration."""
    step = Run.step

    def dies(run, parts):
        if run.iteration == 7:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(run, parts)

    Run.step = dies


@pytest.mark.slow
def test_a_killed_process_goes_on_to_the_same_weights(options, start_command, tmp_path):
    settings = {"iterations": 10, "checkpoint-every": 3, "images-every": 4, "validate-every": 5}
    settings |= {"batch-sizes": 2}
    whole = trained(options, tmp_path / "whole.safetensors", **settings)
    broken = tmp_path / "broken.safetensors"
    parts = arguments(options, broken, **settings)
    killed = start_command("train_video.py", *parts, prepare=dies_in_the_eighth)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / "broken.safetensors.training" / "checkpoint.pt").exists()
    assert not broken.exists()
    trained(options, broken, **settings)
    for name, value in load(whole).network.state_dict().items():
        assert torch.equal(value, load(broken).network.state_dict()[name]), name
    assert not list(tmp_path.rglob(".partial-*"))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("images = 5", "images"),
        ("images = true", "images"),
        ("iterations = 2.7", "whole number"),
        ("iterations = inf", "iterations"),
        ("style = [1]", "style"),
        ("accumulate = 0", "accumulate"),
    ],
)
def test_values_of_a_config_that_mean_nothing_are_told(line, told, tmp_path):
    (tmp_path / "run.toml").write_text(line + "\n")
    arguments = ["--config", tmp_path / "run.toml", "-o", tmp_path / "m.safetensors"]
    arguments += ["--style", "x.jpg"] if "style" not in line else []
    result = CliRunner().invoke(train_video.command, [str(a) for a in arguments])
    message = str(result.exception) if result.exit_code == 1 else result.output
    assert result.exit_code in (1, 2) and told in message
    assert isinstance(result.exception, UsageError | SystemExit)
