"""Command: a video in, a painted video out."""

from brushflow.cli.start import run

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click

from brushflow.cli.commands import (
    GroupedCommand,
    GroupedOption,
    option_for,
    set_up_logging,
)
from brushflow.cli.learning import EFFORTS, Learning
from brushflow.cli.live import paint_live
from brushflow.cli.option_types import (
    Bars,
    Codec,
    Finite,
    FrameRate,
    Jobs,
    Listed,
    Names,
    Pixels,
    Seconds,
    Share,
    Size,
    Stroke,
    odd_width,
)
from brushflow.cli.piping import paint_piped
from brushflow.cli.sources import (
    default_output,
    find_videos,
    is_video_folder,
    output_folder,
)
from brushflow.cli.stylizing import Work, make_folder, write_still
from brushflow.common.errors import UsageError
from brushflow.common.torch_devices import DEVICES, PRECISIONS
from brushflow.models import DEFAULT_STYLE, available
from brushflow.models.network_input import FILLS
from brushflow.pipeline import StylizeOptions
from brushflow.pipeline.finishing import COARSEST, FINEST
from brushflow.pipeline.options import KEEPS, SPHERICAL
from brushflow.video import open_source
from brushflow.video.capture_devices import is_device

PATH = click.Path(path_type=Path)


def list_styles(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    """Print the bundled styles, and the paintings that were learned, and leave."""
    if value:
        from brushflow.training.learning import learned_styles

        for name in [*available(), *map(str, learned_styles())]:
            click.echo(name)
        ctx.exit()


what = option_for(StylizeOptions, "What")
motion = option_for(StylizeOptions, "Motion")
out = option_for(StylizeOptions, "Output")
sphere = option_for(StylizeOptions, "Sphere")
how = option_for(StylizeOptions, "Run")
plain = partial(click.option, cls=GroupedOption)


@click.command(cls=GroupedCommand, context_settings={"max_content_width": 100})
@click.argument("sources", nargs=-1, required=True)
@plain(
    "-o",
    "--output",
    group="Output",
    help="File to write, or folder/ for files of the default names [default: "
    "SOURCE.STYLE.OPTIONS.mp4].",
)
@plain(
    "--style",
    "styles",
    group="What",
    multiple=True,
    default=[DEFAULT_STYLE],
    show_default=True,
    help="Bundled style, a model file (.safetensors, or .t7 or .pth of other programs), or a "
    "painting (.jpg, .png): it is learned first, once. Several paintings are blended.",
)
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
@what(
    "image_model",
    "Model that paints the first frame of every shot; without it, the video model does, once "
    "with no prior and twice more with its own painting.",
    type=PATH,
)
@what("start", "Begin here, in seconds or hh:mm:ss.", type=Seconds())
@what("end", "Stop before this time.", type=Seconds())
@what(
    "fps",
    "Frames per second: of a folder or pattern of images, or to hold while painting live.",
    type=FrameRate(),
)
@what(
    "max_size",
    "Shrink the video so that its longest side is at most this; never enlarges. 720p is 1280.",
    type=Pixels(16),
    metavar="N",
)
@what("strength", "From 0, the source, to 1, the painting.", type=Share())
@what(
    "stroke",
    "How many times as wide strokes are as the style has them; auto [default]: as wide on any "
    "size of frame as on 540 lines.",
    type=Stroke(FINEST, COARSEST),
    metavar="N|auto",
)
@what("keep_colors", "Keep the video's own colours; take only brush strokes from the style.")
@what(
    "crop_bars",
    "Black or other bars around the picture, which stay as they are: auto finds those of every "
    "shot, none paints them, or how many pixels at the top, bottom, left and right.",
    type=Bars(),
    metavar="auto|none|T:B:L:R",
)
@motion(
    "flow",
    "How motion is found: dis, dis-fast, deepflow, farneback, tvl1, raft-small, "
    "raft-large or ptlflow:NAME.",
)
@motion("flow_weights", "Weights of a flow network, instead of downloading them.", type=PATH)
@motion(
    "flow_size",
    "Find motion on frames whose longest side is at most this [default: half of theirs, "
    "but 320 to 1024].",
    type=Pixels(16),
    metavar="N",
)
@motion(
    "occlusion",
    "How it is decided what can be carried over: fast lets motion edges pass, "
    "slow leaves them out and is soft.",
    type=click.Choice(["fast", "slow"]),
)
@motion(
    "min_filter",
    "Shrink what is carried over by a window of this odd width.",
    type=click.IntRange(1),
    callback=odd_width,
)
@motion(
    "median_filter",
    "Smooth the written picture with this odd window; 1 for none.",
    type=click.Choice(["1", "3", "5"]),
)
@motion("fill", "What the network sees where nothing is carried over.", type=click.Choice(FILLS))
@motion(
    "cuts",
    "Where shots begin: auto finds them, none is a single shot, or a file with frame "
    "numbers (from 0) or a PySceneDetect list.",
)
@motion(
    "max_shot",
    "Divide longer shots into parts that can be painted side by side; changes the picture a "
    "little where they meet.",
    type=click.IntRange(2),
    metavar="N",
)
@motion("backward", "Paint from the last frame to the first.")
@motion(
    "long_term",
    "Share of an older painting of what is still in sight; 0: only the frame before counts.",
    type=Finite(0, 1),
)
@motion("independent", "Paint every frame alone, for comparison: this flickers.")
@sphere(
    "spherical",
    "The frames show a whole sphere; without a value (give it behind the "
    "files), equirectangular. auto is what the file says.",
    type=click.Choice(SPHERICAL),
    is_flag=False,
    flag_value="equirect",
)
@sphere(
    "face_size",
    "Side of the six faces that are painted, overlap included [default: as fine as the frames].",
    type=click.IntRange(32),
    metavar="N",
)
@sphere(
    "overlap",
    "Pixels of a face that its neighbours see too, over both sides [default: a sixth].",
    type=click.IntRange(16),
    metavar="N",
)
@plain(
    "--no-border-consistency",
    "border_consistency",
    group="Sphere",
    is_flag=True,
    flag_value=False,
    default=True,
    help="Faces know nothing of each other, for comparison: this shows their borders.",
)
@out(
    "codec",
    "h264, hevc, av1, vp9, prores, ffv1, or any video encoder by ffmpeg's name; auto-hw: a GPU's "
    "own for h264, if one works here [default: what suits the file].",
    type=Codec(),
)
@out("crf", "Quality on the encoder's scale, lower is better.", type=Finite(0))
@out("preset", "Speed of the encoder, by its own names [default: veryfast for x264 and x265].")
@out("pix_fmt", "Stored pixel format [default: 4:2:0].")
@out("bit_depth", "Bits per sample of the result.", type=click.Choice(["8", "10"]))
@out("compare", "Put source and result side by side.")
@plain(
    "--preview",
    "moments",
    group="Output",
    type=click.IntRange(1, 64),
    metavar="N",
    help="No video: one PNG with N moments, source above result.",
)
@out(
    "keep",
    f"Also write files, into the folder NAME.kept: any of {','.join(KEEPS)}.",
    type=Names(KEEPS),
)
@plain(
    "--report",
    group="Output",
    is_flag=True,
    help="Also measure stability, and write a page to look at, report.html, into a folder beside "
    "the output, NAME.report.",
)
@plain(
    "--raw",
    group="Live",
    type=Size(),
    help="With - as source and output: streams are bare rgb24 frames of this size, not y4m.",
)
@plain(
    "--show",
    group="Live",
    is_flag=True,
    help="Paint a file, every frame of it, and see it being painted in a window.",
)
@plain("--record", group="Live", type=PATH, help="Record what is painted to this file.")
@plain(
    "--live-size",
    group="Live",
    type=Pixels(16),
    metavar="N",
    help="Longest side of what is painted [default: the largest that holds --fps].",
)
@how("device", DEVICES)
@how("precision", "auto is fp16 on CUDA and XPU, else fp32.", type=click.Choice(PRECISIONS))
@plain(
    "--jobs",
    group="Run",
    type=Jobs(),
    default=1,
    show_default=True,
    help="Processes that paint a shot each; auto: as many as processors, or GPUs, and memory "
    "allow. The file is the same.",
)
@plain(
    "--cluster",
    group="Run",
    metavar="ADDRESS",
    help="Have the workers of this Dask scheduler (tcp://host:8786) paint; they must see the "
    "source and the output's folder by the same paths.",
)
@plain(
    "--dry-run",
    group="Run",
    is_flag=True,
    help="Paint a few frames only, and say how many shots and frames there are and what time and "
    "disk they would take here.",
)
@how("restart", "Start over: forget an unfinished run, replace an existing output.")
@how("work_dir", "Where an unfinished run is kept [default: beside the output].", type=PATH)
@plain("--quiet", group="Run", is_flag=True, help="Say nothing but errors.")
@plain("--verbose", group="Run", is_flag=True, help="Say what happens inside.")
def command(
    sources: tuple[str, ...],
    styles: tuple[str, ...],
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
    for name in ("median_filter", "bit_depth"):
        values[name] = int(values[name])
    learning = Learning(styles, style_blend, style_effort, loss_weights, values["device"], quiet)
    options = StylizeOptions(style=learning.style, **values)
    if "-" in (*sources, output):
        others = {
            "--preview": moments,
            "--report": report,
            "--show": show,
            "--record": record,
            "--live-size": live_size,
            "--jobs": jobs != 1,
            "--cluster": cluster,
            "--dry-run": dry_run,
        }
        if (*sources, output) != ("-", "-"):
            raise UsageError("- stands for a stream as source and as output: - -o -")
        learning.learn(None, Path("learning.jpg"))
        paint_piped(options, raw, quiet, others)
        return
    if raw is not None:
        raise UsageError("--raw is for streams, as in - -o -; leave it out.")
    if is_device(sources[0]) and len(sources) == 1:
        others = {
            "--output": output,
            "--preview": moments,
            "--report": report or None,
            "--show": show or None,
            "--jobs": None if jobs == 1 else jobs,
            "--cluster": cluster,
            "--dry-run": dry_run or None,
        }
        learning.learn(None, Path("learning.jpg"))
        paint_live(sources[0], options, record, live_size, quiet, others)
        return
    if record or live_size:
        raise UsageError("--record and --live-size are for cameras and screens, as in camera:0.")
    if report and dry_run:
        raise UsageError("--report measures what was painted; leave it out of a --dry-run.")
    if show and dry_run:
        raise UsageError("--show shows what is painted; leave it out of a --dry-run.")
    if dry_run:
        options = replace(options, style=learning.stand_in())
    work = Work(options, jobs, cluster, report, quiet, show)
    several = len(sources) > 1 or is_video_folder(sources[0])
    folder = output_folder(output, several)
    if several:
        if moments or show:
            option = "--preview" if moments else "--show"
            raise UsageError(f"{option} shows one video; name one.")
        many = find_videos(sources, options, folder)
        if dry_run:
            work.estimate(many)
        else:
            if folder is not None:
                make_folder(folder)
            learning.learn(many[0][0], many[0][1])
            work.stylize_many(many, folder)
        return
    source = sources[0]
    opened = open_source(source, options.fps)
    options.check_use(opened)
    place = default_output(opened.info.path, options, moments)
    if folder is not None:
        place = folder / place.name
    elif output is not None:
        place = Path(output)
    if folder is not None and not dry_run:
        make_folder(folder)
    if moments or opened.kind == "image":
        of_videos = {
            "--report": report,
            "--show": show,
            "--dry-run": dry_run,
            "--keep": options.keep,
        }
        of_videos |= {"--jobs": jobs != 1, "--cluster": cluster}
        if unfit := [name for name, given in of_videos.items() if given]:
            raise UsageError(f"{unfit[0]} is for videos, and this makes a picture; leave it out.")
        learning.learn(source, place)
        write_still(opened, place, options, moments, quiet)
    elif dry_run:
        work.estimate([(source, place)])
    else:
        learning.learn(source, place)
        work.stylize_one(opened, place)


def main() -> None:
    """Entry point of ``stylize-video``."""
    run(command)


if __name__ == "__main__":
    main()
