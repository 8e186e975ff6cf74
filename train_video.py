"""Command: a painting, photographs and videos in, a video style model out."""

from brushflow.cli.start import run

import difflib
import sys
from functools import partial
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from tqdm import tqdm

from brushflow.cli.commands import (
    GroupedCommand,
    GroupedOption,
    options_of,
    set_up_logging,
    stop_on_interrupt,
)
from brushflow.common.errors import UsageError
from brushflow.training import Progress, TrainOptions, train
from brushflow.training.recipes import OF_THE_NETWORK, RECIPES

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PATH = click.Path(path_type=Path)


options_in = partial(options_of, TrainOptions)


@click.command(cls=GroupedCommand, context_settings={"max_content_width": 100})
@options_in("What to learn from")
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
@options_in("Network")
@options_in("Sequences")
@options_in("Losses")
@options_in("The loop")
@options_in("Machine")
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

    A network to go on from has its own architecture, whatever the recipe's is, and another temporal
    loss than the recipe's its own weight.
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
    named = (from_file | typed).get("temporal_loss")
    if named not in (None, recipes.get("temporal_loss", TrainOptions.temporal_loss)):
        # Its weight is of another loss; each has a usual one.
        recipes = {n: value for n, value in recipes.items() if n != "temporal_weight_schedule"}
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
