"""``brushflow NAME``: every command of the project under one name, imported when it is called."""

from brushflow.cli.start import run

import re
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import click
from click.shell_completion import CompletionItem

import brushflow
from brushflow.cli.advice import know_options
from brushflow.cli.commands import complete


class Part(NamedTuple):
    """The module whose ``command`` it is, and what it does, in a few words."""

    module: str
    does: str


EVERY_DAY, FILES, ORIGINAL, MEASURE = (
    "Every day", "Files", "As the original programs", "Measurements",
)  # fmt: skip
PARTS = {
    EVERY_DAY: {
        "paint": Part("stylize_video", "Turn a video into a moving painting."),
        "train": Part("train_video", "Train a style from a painting."),
        "styles": Part("scripts.styles", "Name, rename and delete the styles of your own."),
        "demo": Part("scripts.demo", "Paint a sample clip, to see what it is like."),
        "serve": Part("scripts.serve", "Open a page for the browser."),
        "evaluate": Part("scripts.evaluate", "Measure how stable and faithful paintings are."),
        "cuts": Part("scripts.find_cuts", "Find where shots begin."),
        "doctor": Part("scripts.doctor", "Tell what this machine has, for bug reports."),
    },
    FILES: {
        "make-clip": Part("scripts.make_demo_clip", "Render the sample clip."),
        "make-dataset": Part("scripts.make_video_dataset", "Prepare videos for training."),
        "convert": Part("scripts.convert_model", "Convert a model of another program."),
        "view-flow": Part("scripts.view_flow", "Show motion in colours."),
        "check-media": Part("scripts.check_media", "Tell what becomes of a folder's videos."),
        "study": Part("scripts.study", "Have people compare paintings blindly."),
    },
    ORIGINAL: {
        "compute-flow": Part("scripts.original.compute_flow", "Write motion into files."),
        "consistency-check": Part(
            "scripts.original.consistency_check", "Write what of a motion can be believed."
        ),
        "stylize-frames": Part("scripts.original.stylize_frames", "Paint frames with such files."),
        "stylize-frames-vr": Part(
            "scripts.original.stylize_frames_vr", "Paint a sphere's faces with such files."
        ),
    },
    MEASURE: {
        "benchmark": Part("scripts.benchmarks.benchmark", "Measure how fast it is here."),
        "scaling-model": Part(
            "scripts.benchmarks.scaling_model", "Reckon what more machines would gain."
        ),
    },
}


def _measurements() -> dict[str, Part]:
    """What lies in ``scripts/lab/``, by the first sentence of each file; helpers are none."""
    found = {}
    for path in sorted(Path(brushflow.__file__).parent.glob("scripts/lab/*.py")):
        about = path.read_text(encoding="utf-8").partition('"""')[2].partition('"""')[0]
        if about.startswith("Command: "):
            sentence = " ".join(re.split(r"[.;:]\s", about[len("Command: ") :])[0].split())
            does = f"{sentence[0].upper()}{sentence[1:].rstrip('.')}."
            found[path.stem.replace("_", "-")] = Part(f"scripts.lab.{path.stem}", does)
    return found


PARTS[MEASURE] |= _measurements()
_ALL = {name: part for parts in PARTS.values() for name, part in parts.items()}


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of the help."""
        return list(_ALL)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command, and give it what all have."""
        if cmd_name not in _ALL:
            return None
        found: click.Command = import_module(f"brushflow.{_ALL[cmd_name].module}").command
        complete(found)
        know_options(found)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """See click; a name that is none is answered with the nearest one."""
        name = args[0]
        if name not in _ALL and not name.startswith("-") and not ctx.resilient_parsing:
            import difflib

            near = difflib.get_close_matches(name, _ALL, n=1)
            hint = f"did you mean {near[0]}?" if near else "brushflow --help lists all."
            ctx.fail(f"There is no command {name!r}; {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands by section, none of them imported."""
        for section, parts in PARTS.items():
            with formatter.section(section):
                formatter.write_dl([(name, part.does) for name, part in parts.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names and options that begin so, none of the commands imported."""
        names = [
            CompletionItem(name, help=part.does)
            for name, part in _ALL.items()
            if name.startswith(incomplete)
        ]
        return names + click.Command.shell_complete(self, ctx, incomplete)


@click.command(cls=LazyGroup, context_settings={"max_content_width": 100})
def command() -> None:
    """Turn any video into a moving painting that does not flicker.

    brushflow COMMAND --help tells more of each.
    """


def main() -> None:
    """Entry point of ``brushflow``."""
    run(command)


if __name__ == "__main__":
    main()
