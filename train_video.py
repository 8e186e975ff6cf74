"""Command: a painting, photographs and videos in, a video style model out."""

from brushflow.cli.start import run

import difflib
import sys
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from tqdm import tqdm

from brushflow.cli.commands import (
    GroupedCommand,
    GroupedOption,
    option_for,
    set_up_logging,
    stop_on_interrupt,
)
from brushflow.cli.option_types import Listed, Pixels
from brushflow.common.errors import UsageError
from brushflow.common.torch_devices import DEVICES, PRECISIONS
from brushflow.flow import ESTIMATOR_NAMES
from brushflow.models.arch import PADDING_TYPES
from brushflow.models.loss_network import POOLINGS
from brushflow.models.network import NORMS
from brushflow.models.preprocessing import PREPROCESSINGS
from brushflow.training import Progress, TrainOptions, train
from brushflow.training.losses import STATISTICS
from brushflow.training.options import NETWORKS
from brushflow.training.recipes import OF_THE_NETWORK, RECIPES
from brushflow.training.temporal import CRITERIA, TEMPORAL_LOSSES

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PATH = click.Path(path_type=Path)


class NormName(click.Choice):
    """A kind of normalization by name, or as the original program has it."""

    def __init__(self) -> None:
        super().__init__(NORMS)

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        """1 is instance, 0 batch."""
        return super().convert({"1": "instance", "0": "batch"}.get(str(value), value), param, ctx)


what = option_for(TrainOptions, "What to learn from")
net = option_for(TrainOptions, "Network")
mix = option_for(TrainOptions, "Sequences")
loss = option_for(TrainOptions, "Losses")
loop = option_for(TrainOptions, "The loop")
machine = option_for(TrainOptions, "Machine")


@click.command(cls=GroupedCommand, context_settings={"max_content_width": 100})
@what("style", "Painting to learn; several are blended.", type=PATH, multiple=True)
@what("output", "Model file to write (.safetensors).", "-o", "--output", type=PATH)
@what("images", "Folder of photographs to learn from, or an HDF5 file.", type=PATH)
@what(
    "videos",
    "Folder of videos (files, or folders of frames) to learn from, or of sequences prepared from "
    "them; or an HDF5 file.",
    type=PATH,
)
@what("val_images", "Photographs to judge by; without it, some of --images.", type=PATH)
@what("val_videos", "Videos to judge by; without it, some of --videos.", type=PATH)
@click.option(
    "--recipe",
    cls=GroupedOption,
    group="What to learn from",
    type=click.Choice(list(RECIPES)),
    default="quick",
    show_default=True,
    help="Settings by name: quick for a small machine, the others as published.",
)
@click.option(
    "--config",
    cls=GroupedOption,
    group="What to learn from",
    type=PATH,
    help="TOML file of options; the command line overrides it.",
)
@net(
    "network",
    "What it sees: frame; frame and last output; and where that moved.",
    type=click.Choice(list(NETWORKS)),
)
@net("arch", "Architecture; without it small, or that of --init-from.")
@net("padding_type", "How convolutions see beyond the border.", type=click.Choice(PADDING_TYPES))
@net(
    "norm",
    "Normalization; plain is instance without weights; also 1 (instance) and 0 (batch) "
    "[default: instance].",
    *("--norm", "--use-instance-norm"),
    type=NormName(),
)
@net(
    "preprocessing",
    "How it sees pictures and gives them [default: vgg].",
    type=click.Choice(PREPROCESSINGS),
)
@net("tanh_constant", "Largest value of the output [default: 150].", type=float)
@net("init_from", "Model to start from, by name or file.", type=PATH)
@net("image_model", "Image model that paints first frames.", type=PATH)
@mix(
    "data_mix",
    "Sources with weights; also vr [default: single_image:2,shift:2,zoom_out:1,video:3, what "
    "there is of it].",
)
@mix("frame_steps_schedule", "Steps in a row, by iteration.", "--num-frame-steps")
@mix("single_image_until", "Single pictures only, until this iteration.")
@mix(
    "size_schedule",
    "Side, or HEIGHTxWIDTH, of the training windows in pixels, by iteration.",
    *("--sizes", "--train-img-size"),
)
@mix("batch_schedule", "Windows in a batch, by iteration.", "--batch-sizes")
@mix("holes", "Hide parts inside simulated sequences too.", "--holes/--no-holes")
@mix("min_filter", "Odd width of the window that shrinks certainty.", "--reliable-map-min-filter")
@mix(
    "fill",
    "What is seen where nothing is known.",
    "--fill-occlusions",
    type=click.Choice(["mean", "noise"]),
)
@mix(
    "settle",
    "At most so often a first frame is painted again before the steps begin.",
    type=click.IntRange(0),
)
@mix("flow", f"Optical flow of videos: {', '.join(ESTIMATOR_NAMES)}, ptlflow:NAME.")
@mix("flow_weights", "Weights of the optical flow network.", type=PATH)
@loss(
    "loss_weights",
    "Weights of the VGG that judges: vgg16, vgg19 (downloaded), or a file, also vgg16.t7.",
)
@loss("pooling", "Pooling of that network.", type=click.Choice(POOLINGS))
@loss(
    "style_size",
    "Longest side of the painting: size of the strokes.",
    "--style-image-size",
    type=Pixels(1),
)
@loss(
    "style_scales",
    "Scales the style is compared at, each half the last.",
    type=click.IntRange(1),
)
@loss("style_blend", "Share of each painting; equal without it.", type=Listed(float))
@loss(
    "apart",
    "Learn each painting with norms of its own, instead of one blend of all.",
    "--apart/--blended",
)
@loss(
    "relative",
    "Weigh errors by what they are errors of, so that weights mean the same for all.",
    "--relative/--absolute",
)
@loss("luminance_weight", "How strictly light stays light.", type=click.FloatRange(0))
@loss(
    "style_layers",
    "Layers that judge style, by name or number; relu3_3/4: on a quarter of the picture.",
    type=Listed(str),
)
@loss("style_weights", "Weight of each style layer, or one for all.", type=Listed(float))
@loss("style_strength_schedule", "Weight of style in all, by iteration.", "--style-strength")
@loss("style_with_prior", "Share of that weight for frames that are painted with a prior.")
@loss("style_statistic", "What of a layer is style.", type=click.Choice(list(STATISTICS)))
@loss(
    "style_ramp",
    "Iterations in which the style comes in [default: 300; 0 with --init-from].",
    type=click.IntRange(0),
)
@loss("content_layers", "Layers that judge content.", type=Listed(str))
@loss("content_weights", "Weight of each content layer, or one for all.", type=Listed(float))
@loss("content_strength_schedule", "Weight of content in all, by iteration.", "--content-strength")
@loss("temporal_loss", "What makes frames agree.", type=click.Choice(TEMPORAL_LOSSES))
@loss("temporal_criterion", "Distance of the pixel loss.", type=click.Choice(list(CRITERIA)))
@loss(
    "temporal_weight_schedule",
    "Weight of that loss, by iteration; by default as published, but 200 for pixel.",
    "--temporal-weight",
)
@loss(
    "noise_weight_schedule",
    "Weight of the noise loss beside another temporal loss, by iteration.",
    "--noise-weight",
)
@loss(
    "noise_per_img",
    "So often noise changes a pixel of a picture [default: as densely as 20000 at 256×256].",
    type=click.IntRange(1),
)
@loss(
    "noise_range",
    "By how much at the most, in half grey levels, as published.",
    type=click.FloatRange(0),
)
@loss(
    "noise_every",
    "So many iterations have the same noise; as published, those of an epoch.",
    type=click.IntRange(1),
)
@loss("through_time", "Let gradients reach all steps, not only the last.")
@loss("tv_strength_schedule", "How smooth the picture is, by iteration.", "--tv-strength")
@loss(
    "tv_per_batch",
    "Sum that over the pictures of a batch, as published, or take their mean.",
    "--tv-per-batch/--tv-per-picture",
)
@loss("range_weight", "How strictly samples stay within 0–255.")
@loop(
    "iterations",
    "How long to train.",
    *("--iterations", "--num-iterations"),
    type=click.IntRange(1),
)
@loop(
    "identity_iterations",
    "Iterations that only learn to show the picture [default: 150; 0 with --init-from].",
    type=click.IntRange(0),
)
@loop("learning_rate", "Learning rate, by iteration.")
@loop("one_cycle", "Let it rise and fall over the run.", "--one-cycle/--no-one-cycle")
@loop("beta2", "Adam's second moment's decay.", "--adam-beta2", type=click.FloatRange(0, 1))
@loop(
    "clip_gradients",
    "Cut gradients to this many times the running mean of their norm; 0 for never.",
    type=click.FloatRange(0),
)
@loop("accumulate", "Parts that a batch is computed in, for little memory.", type=click.IntRange(1))
@loop("seed", "Another number gives another run.", type=click.IntRange(0))
@loop("val_batches", "Batches to judge by.", "--num-val-batches", type=click.IntRange(1))
@loop(
    "validate_every", "Iterations between judgements; 0 for one at the end.", type=click.IntRange(0)
)
@loop(
    "checkpoint_every",
    "Iterations between checkpoints; 0 for one at the end.",
    type=click.IntRange(0),
)
@loop("images_every", "Iterations between debug sheets; 0 for none.", type=click.IntRange(0))
@loop("tensorboard", "Write curves for TensorBoard too.")
@machine("device", DEVICES)
@machine("precision", "Precision of convolutions.", type=click.Choice(PRECISIONS))
@machine("compile", "Compile the network first.")
@machine("threads", "Threads to compute with; 0 leaves it to PyTorch.", type=click.IntRange(0))
@machine("workers", "Threads that prepare data; 0 is half of the others.", type=click.IntRange(0))
@click.pass_context
def command(ctx: click.Context, recipe: str, config: Path | None, **values: Any) -> None:
    """Train a model that turns video into the style of a painting.

    Type the same command again to go on after an interruption. Several GPUs: start it with
    torchrun --nproc-per-node N.
    """
    set_up_logging()
    options = TrainOptions(**_merged(ctx, recipe, config, values))
    with (
        tqdm(total=options.iterations, unit="it", dynamic_ncols=True, smoothing=0.02) as bar,
        stop_on_interrupt() as stop,
    ):

        def show(progress: Progress) -> None:
            bar.update(progress.iteration - bar.n)
            bar.set_postfix({name: f"{value:.3g}" for name, value in progress.losses.items()})

        path = train(options, show, stop)
    click.echo(f"Wrote {path}; {path}.training/report.html shows how it went.")


def _merged(
    ctx: click.Context, recipe: str, config: Path | None, given: dict[str, Any]
) -> dict[str, Any]:
    """Fields of TrainOptions: the command line before the file before the recipe.

    A network to go on from has its own architecture, whatever the recipe's is.
    """
    from_file = _read_config(ctx, config) if config else {}
    if ctx.get_parameter_source("recipe") is ParameterSource.DEFAULT:
        recipe = from_file.get("recipe", recipe)
    typed = {
        name: value
        for name, value in given.items()
        if ctx.get_parameter_source(name) is not ParameterSource.DEFAULT
    }
    from_file.pop("recipe", None)
    recipes = RECIPES[recipe]
    if (from_file | typed).get("init_from"):
        recipes = {name: value for name, value in recipes.items() if name not in OF_THE_NETWORK}
    values = given | recipes | from_file | typed
    for name in ("style", "output"):
        if not values[name]:
            raise UsageError(f"Missing --{name}; see --help.")
    if not (values["images"] or values["videos"]):
        raise UsageError("Say what to learn from: --images, --videos, or both.")
    return values


def _read_config(ctx: click.Context, path: Path) -> dict[str, Any]:
    """The options that a TOML file sets, by field; keys are the options' names."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"There is no file {path}, which --config names.") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path} is not a readable TOML file: {error}.") from error
    known = {
        name.lstrip("-"): parameter
        for parameter in ctx.command.params
        for name in parameter.opts
        if parameter.name != "config"
    }
    values = {}
    for key, value in table.items():
        parameter = known.get(key.replace("_", "-"))
        if parameter is None:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else "."
            raise UsageError(f"{path} sets {key!r}, which is no option{hint}")
        if parameter.multiple and not isinstance(value, list):
            value = [value]
        try:
            values[parameter.name] = parameter.type_cast_value(ctx, value)
        except click.BadParameter as error:
            raise UsageError(f"{path}, {key}: {error.message}") from error
        except (TypeError, ValueError, OverflowError) as error:
            raise UsageError(f"{path}, {key}: {value!r} is no value for it.") from error
        read = values[parameter.name]
        if isinstance(read, int) and isinstance(value, float) and read != value:
            raise UsageError(f"{path}, {key}: {value!r} is not a whole number.")
    return values


def main() -> None:
    """Entry point of ``train-video``."""
    run(command)


if __name__ == "__main__":
    main()
