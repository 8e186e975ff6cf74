"""Command: the reliability of one flow, called like the original consistencyChecker."""

from brushflow.cli.start import run

from pathlib import Path

import click

from brushflow.common.errors import UsageError
from brushflow.flow import read_flo
from brushflow.occlusion import RULES, reliability, write_pgm
from brushflow.video import read_image

_FILE = click.Path(path_type=Path)


@click.command(context_settings={"max_content_width": 100})
@click.argument("flow1", type=_FILE)
@click.argument("flow2", type=_FILE)
@click.argument("out", type=_FILE)
@click.argument("image", type=_FILE, required=False)
@click.option(
    "--rule",
    default="fast",
    show_default=True,
    type=click.Choice(RULES),
    help="fast is the checker of fast-artistic-videos, slow that of artistic-videos, which takes "
    "no IMAGE.",
)
def command(flow1: Path, flow2: Path, out: Path, image: Path | None, rule: str) -> None:
    """Write where FLOW1 can be believed to the PGM file OUT, 255 = reliable.

    FLOW2 is the flow in the opposite direction. With IMAGE, the frame that FLOW1 starts from,
    more is believed where there is little texture.
    """
    if image is not None and rule == "slow":
        raise UsageError("The rule slow takes no image; leave it out or choose --rule fast.")
    flow, reverse = read_flo(flow1), read_flo(flow2)
    frame = read_image(image) if image is not None else None
    height, width = flow.shape[:2]
    for path, array in ((flow2, reverse), (image, frame)):
        if array is not None and array.shape[:2] != (height, width):
            raise UsageError(
                f"'{flow1}' is {width}×{height} but '{path}' is "
                f"{array.shape[1]}×{array.shape[0]}; they must belong to the same frames."
            )
    write_pgm(out, reliability(flow, reverse, frame, rule))


def main() -> None:
    """Entry point."""
    run(command)


if __name__ == "__main__":
    main()
