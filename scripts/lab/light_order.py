"""Command: whether light stays light in the bundled styles, as a number for each."""

from brushflow.cli.start import run

from pathlib import Path

import click
import numpy as np

from brushflow.cli.commands import set_up_logging
from brushflow.common.errors import UsageError
from brushflow.common.sizes import fit_size, resized
from brushflow.common.wording import counted
from brushflow.evaluation.faithfulness import light_order
from brushflow.models import available, load
from brushflow.pipeline import Stylizer
from brushflow.pipeline.finish import finish
from brushflow.training.data.photographs import find_photographs
from brushflow.video import read_image


@click.command(context_settings={"max_content_width": 100, "show_default": True})
@click.argument("photographs", type=click.Path(path_type=Path))
@click.option("--styles", multiple=True, help="Names or files; all bundled ones without it.")
@click.option("--count", default=12, type=click.IntRange(1), help="How many, evenly chosen.")
@click.option("--side", default=360, type=click.IntRange(64), help="Pixels of the shorter side.")
def command(photographs: Path, styles: tuple[str, ...], count: int, side: int) -> None:
    """Paint some of the pictures in PHOTOGRAPHS; print a mean correlation of luminance by rank."""
    set_up_logging()
    paths = find_photographs(photographs)
    if len(paths) < count:
        raise UsageError(f"{photographs} holds {counted(len(paths), 'picture')} only, not {count}.")
    frames = [_sized(read_image(paths[i * len(paths) // count]), side) for i in range(count)]
    for style in styles or available():
        stylizer = Stylizer(load(style))
        orders = []
        for frame in frames:
            (stylized,) = stylizer.stylize([frame])
            orders.append(light_order(finish(stylized), frame))
        click.echo(f"{style}: {np.mean(orders):.3f}, least {min(orders):.3f}")


def _sized(picture: np.ndarray, side: int) -> np.ndarray:
    size = picture.shape[1], picture.shape[0]
    return resized(picture, fit_size(size, side, enlarge=True, cover=True))


def main() -> None:
    """Entry point."""
    run(command)


if __name__ == "__main__":
    main()
