"""Command: a video in, a painted video out."""

from brushflow.cli.start import run

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click

from brushflow.cli.commands import (
    GroupedCommand,
    GroupedOption,
    option_for,
    options_of,
    set_up_logging,
)
from brushflow.cli.given import STREAM_USE, Given, live_use, use_of
from brushflow.cli.learning import EFFORTS, Learning
from brushflow.cli.live import paint_live
from brushflow.cli.option_types import Jobs, Listed, Pixels, Size
from brushflow.cli.piping import paint_piped
from brushflow.cli.sources import (
    default_output,
    find_videos,
    is_video_folder,
    output_folder,
)
from brushflow.cli.stylizing import Work, make_folder, open_those_there, write_still
from brushflow.common.errors import UsageError
from brushflow.models import available, learned_styles
from brushflow.pipeline import StylizeOptions
from brushflow.pipeline.options import ALL, FILES, LIVE, STREAM, VIDEOS
from brushflow.video import Source, open_source
from brushflow.video.capture_devices import is_device
from brushflow.video.picture_files import is_sequence

PATH = click.Path(path_type=Path)


def list_styles(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    """Print the bundled styles, and the paintings that were learned, and leave."""
    if value:
        for name in [*available(), *learned_styles()]:
            click.echo(name)
        ctx.exit()


plain = partial(click.option, cls=GroupedOption)
options_in = partial(options_of, StylizeOptions)


@click.command(cls=GroupedCommand, context_settings={"max_content_width": 100})
@click.argument("sources", nargs=-1, required=True)
@plain(
    "-o",
    "--output",
    group="Output",
    kinds=FILES | {STREAM},
    help="File to write: a video, .gif, .apng or .webp, or images as frames/%05d.png; or folder/ "
    "for files of the default names [default: SOURCE.STYLE.OPTIONS.mp4].",
)
@option_for(StylizeOptions, "style")
@plain(
    "--style-blend",
    group="What",
    type=Listed(float),
    default=(),
    metavar="W,W",
    help="How much of each painting, in the order of --style [default: alike].",
)
@plain(
    "--style-effort",
    group="What",
    type=click.Choice(EFFORTS),
    default="normal",
    show_default=True,
    help="How long a painting is learned: about 2, 6 or 30 minutes on two cores.",
)
@plain(
    "--loss-weights",
    group="What",
    default="vgg16",
    show_default=True,
    metavar="NAME|FILE",
    help="VGG that a painting is learned by: vgg16 or vgg19, downloaded once, or a file of it.",
)
@plain(
    "--list-styles",
    group="What",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=list_styles,
    help="Name the bundled styles, and paintings that were learned, and leave.",
)
@options_in("What", but=("style",))
@options_in("Motion")
@options_in("Sphere")
@options_in("Output")
@plain(
    "--preview",
    "moments",
    group="Output",
    kinds=FILES,
    type=click.IntRange(1, 64),
    metavar="N",
    help="No video: one PNG with N moments, source above result.",
)
@plain(
    "--report",
    group="Output",
    kinds=VIDEOS,
    is_flag=True,
    help="Also measure stability, and write a page to look at, report.html, into a folder beside "
    "the output, NAME.report.",
)
@plain(
    "--raw",
    group="Live",
    kinds={STREAM},
    type=Size(),
    help="With - as source and output: streams are bare rgb24 frames of this size, not y4m.",
)
@plain(
    "--show",
    group="Live",
    kinds=VIDEOS,
    is_flag=True,
    help="Paint a file, every frame of it, and see it being painted in a window.",
)
@plain(
    "--record",
    group="Live",
    kinds={LIVE},
    type=PATH,
    help="Record what is painted to this file.",
)
@plain(
    "--live-size",
    group="Live",
    kinds={LIVE},
    type=Pixels(16),
    metavar="N",
    help="Longest side of what is painted [default: the largest that holds --fps].",
)
@options_in("Run")
@plain(
    "--jobs",
    group="Run",
    kinds=VIDEOS,
    type=Jobs(),
    default=1,
    show_default=True,
    help="Processes that paint a shot each; auto: as many as processors, or GPUs, and memory "
    "allow. The file is the same.",
)
@plain(
    "--cluster",
    group="Run",
    kinds=VIDEOS,
    metavar="ADDRESS",
    help="Have the workers of this Dask scheduler (tcp://host:8786) paint; they must see the "
    "source and the output's folder by the same paths.",
)
@plain(
    "--dry-run",
    group="Run",
    kinds=VIDEOS,
    is_flag=True,
    help="Paint a few frames only, and say how many shots and frames there are and what time and "
    "disk they would take here.",
)
@plain("--quiet", group="Run", is_flag=True, help="Say nothing but errors.")
@plain("--verbose", group="Run", is_flag=True, help="Say what happens inside.")
@click.pass_context
def command(
    ctx: click.Context,
    sources: tuple[str, ...],
    style: tuple[str, ...],
    style_blend: tuple[float, ...],
    style_effort: str,
    loss_weights: str,
    output: str | None,
    moments: int | None,
    report: bool,
    raw: tuple[int, int] | None,
    show: bool,
    record: Path | None,
    live_size: int | None,
    jobs: int | str,
    cluster: str | None,
    dry_run: bool,
    quiet: bool,
    verbose: bool,
    **values: Any,
) -> None:
    """Turn each of SOURCES into a moving painting.

    A source is a video file, a folder of videos, a folder or pattern of images (frame_%05d.png),
    which make a video, or one image. Type the same command again to go on after an interruption.

    SOURCE may also be camera:0, camera:VIDEO, screen: or screen:640x480+100+50, which are painted
    as it happens, in a window. With - as SOURCE and output, y4m goes from standard input to
    standard output, painted.
    """
    set_up_logging(quiet, verbose)
    if not all(sources):
        raise UsageError("The name of a source is empty; is a variable of the shell not set?")
    given = Given(ctx)
    learning = Learning(style, style_blend, style_effort, loss_weights, values["device"], quiet)
    options = StylizeOptions(style=learning.style, **values)
    if "-" in (*sources, output):
        if (*sources, output) != ("-", "-"):
            raise UsageError("- stands for a stream as source and as output: - -o -")
        given.check([STREAM_USE])
        learning.learn(None, Path("learning.jpg"))
        paint_piped(options, raw, quiet)
        return
    if is_device(sources[0]) and len(sources) == 1:
        given.check([live_use(sources[0])])
        learning.learn(None, Path("learning.jpg"))
        paint_live(sources[0], options, record, live_size, quiet)
        return
    in_all = options.style == ALL and not moments
    several = len(sources) > 1 or is_video_folder(sources[0])
    _check_together(ctx.params, in_all, several)
    if dry_run:
        options = replace(options, style=learning.stand_in())
    work = Work(options, jobs, cluster, report, quiet, show)
    folder = output_folder(output, several)
    if several:
        many = find_videos(sources, options, folder)
        opened = open_those_there(many, options.fps)
        given.check([use_of(source, options) for source in opened.values()])
        if dry_run:
            work.estimate(many, opened)
        else:
            if folder is not None:
                make_folder(folder)
            first = next((each for each in many if each[0] in opened), None)
            if first is not None:  # else what is wrong is said of each
                learning.learn(*first)
            work.stylize_many(many, opened, folder)
        return
    source = open_source(sources[0], options.fps)
    given.check([use_of(source, options, moments)])
    if in_all and source.kind != "image":
        work.stylize_in_all(source, output, folder)
        return
    place = _place_for(source, output, folder, options, moments, make=not dry_run)
    if dry_run:
        work.estimate([(sources[0], place)], {sources[0]: source})
        return
    learning.learn(sources[0], place)
    if moments or source.kind == "image":
        write_still(source, place, options, moments, quiet)
    else:
        work.stylize_one(source, place)


def _check_together(given: Mapping[str, Any], in_all: bool, several: bool) -> None:
    """UsageError for options that do not go together; ``given``: all of them by parameter."""
    if given["dry_run"] and given["report"]:
        raise UsageError("--report measures what was painted; leave it out of a --dry-run.")
    if given["dry_run"] and given["show"]:
        raise UsageError("--show shows what is painted; leave it out of a --dry-run.")
    alone = ("cluster", "report", "show", "dry_run")
    if in_all and (given["jobs"] != 1 or any(given[name] for name in alone) or several):
        raise UsageError(
            "--style all paints one video here; leave --jobs, --cluster, --report, --show and "
            "--dry-run out, and name one source."
        )
    if several and (given["moments"] or given["show"]):
        option = "--preview" if given["moments"] else "--show"
        raise UsageError(f"{option} shows one video; name one.")


def _place_for(
    source: Source,
    output: str | None,
    folder: Path | None,
    options: StylizeOptions,
    moments: int | None,
    make: bool,
) -> Path:
    """The file to write for one source; with ``make``, the folder it lies in is there then."""
    place = default_output(source.info.path, options, moments)
    if folder is not None:
        place = folder / place.name
    elif output is not None:
        place = Path(output)
    if make and (folder is not None or is_sequence(place)):
        make_folder(place.parent)
    return place


def main() -> None:
    """Entry point of ``stylize-video``."""
    run(command)


if __name__ == "__main__":
    main()
