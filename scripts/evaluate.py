"""Command: how stable and how faithful stylized videos are, and how good flow estimators are."""

from brushflow.cli.start import run

from fractions import Fraction
from pathlib import Path

import click
from tqdm import tqdm

from brushflow.cli.commands import GroupedCommand, aligned, printable, set_up_logging
from brushflow.cli.option_types import Pixels, Seconds
from brushflow.common.errors import UsageError
from brushflow.common.torch_devices import DEVICES, usable_device
from brushflow.evaluation import Evaluation, SintelTruth, evaluate
from brushflow.evaluation.metrics import format_value
from brushflow.evaluation.summary import summary
from brushflow.flow.estimators import NAMES_TOLD
from brushflow.report.evaluation_page import write_report
from brushflow.scripts import evaluate_flow
from brushflow.scripts.evaluate_flow import grouped
from brushflow.shots.scan import find_cuts
from brushflow.video import open_source

_PATH = click.Path(path_type=Path)


class Distances(click.ParamType):
    """Whole numbers from 1 on, separated by commas."""

    name = "numbers"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        try:
            numbers = tuple(int(part) for part in str(value).split(","))
        except ValueError:
            numbers = ()
        if not numbers or min(numbers) < 1:
            self.fail(f"{value!r} is no list of frame distances such as 1,2,5,10", param, ctx)
        return numbers


@click.group(context_settings={"max_content_width": 100})
def command() -> None:
    """Measure stylized videos, or flow estimators."""


@command.command(cls=GroupedCommand)
@click.argument("source")
@click.argument("results", nargs=-1, required=True)
@grouped(
    "What",
    "--ceiling",
    metavar="FILE",
    help="One more result: the same network without prior, every frame painted alone.",
)
@grouped("What", "--style", type=_PATH, help="The painting, for the style loss.")
@grouped(
    "What",
    "--style-size",
    default=448,
    show_default=True,
    type=Pixels(32),
    metavar="N",
    help="Longest side at which the painting is looked at, as in training.",
)
@grouped("What", "--loss-weights", metavar="FILE", help="VGG weights, for content and style loss.")
@grouped(
    "What",
    "--lpips",
    metavar="NETWORK",
    help="Measure LPIPS with squeeze, alex or vgg, downloaded once, or with two weight files: the "
    "network's and the published linear layers', as in squeezenet.pth,linear.pth.",
)
@grouped(
    "What",
    "--every",
    default=5,
    show_default=True,
    type=click.IntRange(1),
    help="Measure faithfulness at every such frame.",
)
@grouped(
    "What",
    "--distances",
    default="1,2,5,10",
    show_default=True,
    type=Distances(),
    help="Numbers of frames between the two that are compared.",
)
@grouped("What", "--start", type=Seconds(), help="Begin at this time of SOURCE.")
@grouped("What", "--end", type=Seconds(), help="Stop before this time of SOURCE.")
@grouped(
    "What",
    "--max-size",
    type=Pixels(32),
    metavar="N",
    help="Compare at this longest side; for results smaller than their source.",
)
@grouped(
    "What",
    "--fps",
    default="25",
    show_default=True,
    help="Frames per second of folders of images.",
)
@grouped("Motion", "--flow", default="dis", show_default=True, help=f"{NAMES_TOLD}.")
@grouped(
    "Motion",
    "--flow-weights",
    type=_PATH,
    help="Weights of a flow network, instead of downloading them.",
)
@grouped(
    "Motion",
    "--flow-size",
    type=Pixels(16),
    metavar="N",
    help="Find motion on frames whose longest side is at most this.",
)
@grouped(
    "Motion",
    "--truth",
    type=_PATH,
    metavar="DATASET",
    help="Folder in Sintel's layout with the true flow of SOURCE, whose folder names the sequence.",
)
@grouped(
    "Motion",
    "--cuts",
    default="auto",
    show_default=True,
    help="Where shots begin: auto finds them, none is a single shot, or a file with frame numbers.",
)
@grouped(
    "Output", "-o", "--output", default="report", show_default=True, type=_PATH, help="Folder."
)
@grouped("Output", "--no-videos", is_flag=True, help="Leave the videos out of the page.")
@grouped("Run", "--device", default="auto", show_default=True, help=DEVICES)
@grouped("Run", "--jobs", type=click.IntRange(1), help="Threads [default: one per core].")
def video(
    source: str,
    results: tuple[str, ...],
    ceiling: str | None,
    style: Path | None,
    style_size: int,
    loss_weights: str | None,
    lpips: str | None,
    every: int,
    distances: tuple[int, ...],
    start: Fraction | None,
    end: Fraction | None,
    max_size: int | None,
    fps: str,
    flow: str,
    flow_weights: Path | None,
    flow_size: int | None,
    truth: Path | None,
    cuts: str,
    output: Path,
    no_videos: bool,
    device: str,
    jobs: int | None,
) -> None:
    """Compare RESULTS of any program with the SOURCE they were made from.

    All are video files, folders of images or patterns such as frame_%05d.png; frame k of a result
    shows frame k of the source. Writes metrics.json, metrics.csv and report.html, one page that
    needs nothing beside it. With --start, results may be of that part only, or of the whole.
    """
    if end is not None and end <= (start or 0):
        raise UsageError("--end must come after --start.")
    set_up_logging()
    named = named_results([*results, *([ceiling] if ceiling else [])])
    rate = _frame_rate(fps)
    chosen = usable_device(device, "fp32")
    with tqdm(unit=" frames", disable=None) as bar:

        def show(done: int, total: int | None) -> None:
            bar.total = total
            bar.update(done - bar.n)

        evaluation = evaluate(
            source,
            named,
            ceiling=list(named)[-1] if ceiling else None,
            flow=flow,
            flow_weights=flow_weights,
            flow_size=flow_size,
            distances=distances,
            truth=SintelTruth(truth, Path(source).absolute().name) if truth else None,
            cuts=find_cuts(open_source(source, rate), cuts, end),
            style=style,
            style_size=style_size,
            loss_weights=loss_weights,
            lpips=_two_files(lpips),
            every=every,
            max_size=max_size,
            start=None if start is None else float(start),
            end=None if end is None else float(end),
            fps=rate,
            device=chosen,
            workers=jobs,
            progress=show,
        )
    page = write_report(evaluation, output, videos=not no_videos)
    click.echo(printable(summary(evaluation)))
    click.echo(table(evaluation))
    click.echo(f"Look at {page}.")


def named_results(paths: list[str]) -> dict[str, str]:
    """A short name for every result: of its file, with more of the path where names are equal."""
    if len(set(paths)) != len(paths):
        twice = next(path for path in paths if paths.count(path) > 1)
        raise UsageError(f"The result {twice} is named twice; name it once.")
    for length in range(1, max(len(Path(path).parts) for path in paths) + 1):
        names = ["/".join(Path(path).parts[-length:]) for path in paths]
        if len(set(names)) == len(names):
            break
    stems = [name.removesuffix(Path(name).suffix) or name for name in names]
    return dict(zip(stems if len(set(stems)) == len(stems) else names, paths, strict=True))


def _two_files(lpips: str | None) -> str | tuple[str, str] | None:
    """A network's name as it is; ``NETWORK,LINEAR`` as the two."""
    network, comma, linear = (lpips or "").partition(",")
    return (network, linear) if comma else lpips


def _frame_rate(text: str) -> Fraction:
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if rate <= 0:
        raise UsageError(
            f"{text!r} is no frame rate; write frames per second, as in 24 or 24000/1001."
        )
    return rate


def table(evaluation: Evaluation) -> str:
    """The numbers as text: a row per metric, a column per video."""
    metrics = evaluation.metrics()
    rows = [["", *(video.name for video in evaluation.videos)]]
    for metric in metrics:
        values = (format_value(video.means.get(metric.key)) for video in evaluation.videos)
        rows.append([f"{metric.label}{f' ({metric.unit})' if metric.unit else ''}", *values])
    return aligned(rows)


command.add_command(evaluate_flow.command)


def main() -> None:
    """Entry point."""
    run(command)


if __name__ == "__main__":
    main()
