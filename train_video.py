"""Command: a painting and a folder of photographs in, a video style model out."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from brushflow.cli import run, set_up_logging, stop_on_interrupt
from brushflow.training import Progress, TrainOptions, train

DEFAULTS = {field.name: field.default for field in fields(TrainOptions)}
PATH = click.Path(path_type=Path)


def option(name: str, field: str, help: str, **attributes: Any) -> Any:
    """An option that fills the field of TrainOptions with the same default."""
    return click.option(
        name, field, default=DEFAULTS[field], show_default=True, help=help, **attributes
    )


@click.command(context_settings={"max_content_width": 100})
@click.option("--style", required=True, type=PATH, help="Picture of the painting to learn.")
@click.option("--images", required=True, type=PATH, help="Folder of photographs to learn from.")
@click.option("-o", "--output", required=True, type=PATH, help="Model file to write.")
@click.option(
    "--loss-weights", required=True, type=PATH, help="Weights of the VGG that judges pictures."
)
@option("--arch", "arch", "Architecture of the network.")
@option("--padding-type", "padding_type", "How convolutions see beyond the border.")
@option("--data-mix", "data_mix", "Sources and their weights.")
@option("--num-frame-steps", "frame_steps_schedule", "Frames in a row, by iteration.")
@option("--iterations", "iterations", "How long to train.")
@option("--sizes", "size_schedule", "Side of the training windows in pixels, by iteration.")
@option("--batch-sizes", "batch_schedule", "Windows in a batch, by iteration.")
@option("--learning-rate", "learning_rate", "Highest learning rate of the one cycle.")
@option("--style-image-size", "style_size", "Longest side of the painting: size of the strokes.")
@option("--style-scales", "style_scales", "Scales the style is compared at, each half the last.")
@option("--content-weight", "content_weight", "How much the picture stays recognisable.")
@option(
    "--style-weight",
    "style_weight_schedule",
    "How much it becomes the painting, by iteration.",
)
@option("--temporal-weight", "temporal_weight_schedule", "How much it follows the frame before.")
@option("--tv-weight", "tv_weight_schedule", "How smooth the picture is.")
@option("--range-weight", "range_weight", "How strictly samples stay within 0–255.")
@option("--seed", "seed", "Another number gives another run.")
@option("--threads", "threads", "Threads to compute with; 0 leaves it to PyTorch.")
@option("--checkpoint-every", "checkpoint_every", "Iterations between checkpoints.")
@option("--images-every", "images_every", "Iterations between debug sheets; 0 for none.")
def command(**values: Any) -> None:
    """Train a model that turns video into the style of a painting.

    Type the same command again to go on after an interruption.
    """
    set_up_logging()
    options = TrainOptions(**values)
    with (
        tqdm(total=options.iterations, unit="it", dynamic_ncols=True, smoothing=0.02) as bar,
        stop_on_interrupt() as stop,
    ):

        def show(progress: Progress) -> None:
            bar.update(progress.iteration - bar.n)
            bar.set_postfix({name: f"{value:.3g}" for name, value in progress.losses.items()})

        path = train(options, show, stop)
    click.echo(f"Wrote {path}.")


def main() -> None:
    """Entry point of ``train-video``."""
    run(command)


if __name__ == "__main__":
    main()
