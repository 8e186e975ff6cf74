"""Command: a sample clip and its painting, to see whether it works and what it is like."""

from brushflow.cli.start import run

from pathlib import Path

import click

from brushflow import stylize_video
from brushflow.cli.commands import printable
from brushflow.scripts import make_demo_clip


@click.command(context_settings={"show_default": True})
@click.argument("folder", type=click.Path(path_type=Path), default="brushflow-demo")
@click.option("--restart", is_flag=True, help="Render and paint anew what is there already.")
def command(folder: Path, restart: bool) -> None:
    """Render a sample clip into FOLDER [default: brushflow-demo] and paint it.

    Type the same command again to go on after an interruption.
    """
    folder.mkdir(exist_ok=True)
    clip = folder / "clip.mp4"
    if restart or not clip.exists():
        _call(make_demo_clip.command, clip)
    again = ["--restart"] if restart else []
    works = {"painted.mp4": [], "side-by-side.mp4": ["--compare"]}
    works["contact-sheet.png"] = ["--preview", "6"]
    for name, options in works.items():
        _call(stylize_video.command, clip, "-o", folder / name, *options, *again)
    click.echo(printable(f"Look at {', '.join(works)} in {folder}."))


def _call(part: click.Command, *arguments: Path | str) -> None:
    part.main([str(argument) for argument in arguments], standalone_mode=False)


def main() -> None:
    """Entry point."""
    run(command)


if __name__ == "__main__":
    main()
