"""Command: how stable and how faithful stylized videos are, and how good flow estimators are."""

import json
import math
from fractions import Fraction
from pathlib import Path

import click
from tqdm import tqdm

from brushflow.cli import GroupedCommand, GroupedOption, aligned, run, set_up_logging
from brushflow.errors import BrushflowError, UsageError
from brushflow.evaluation import Evaluation, FlowAccuracy, SintelTruth, evaluate, flow_accuracy
from brushflow.evaluation.datasets import KINDS, find_pairs, spread
from brushflow.evaluation.metrics import format_value
from brushflow.evaluation.report import write_report
from brushflow.files import atomic_path
from brushflow.flow import load_estimator
from brushflow.pipeline.devices import choose_device
from brushflow.pipeline.scan import find_cuts
from brushflow.video import open_source

_PATH = click.Path(path_type=Path)
_NAMES = "dis, dis-fast, deepflow, farneback, tvl1, raft-small, raft-large or ptlflow:NAME"


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


def _option(group: str, *names: str, **attributes: object) -> object:
    return click.option(*names, cls=GroupedOption, group=group, **attributes)


@click.group(context_settings={"max_content_width": 100})
def command() -> None:
    """Measure stylized videos, or flow estimators."""


@command.command(cls=GroupedCommand)
@click.argument("source")
@click.argument("results", nargs=-1, required=True)
@_option(
    "What",
    "--ceiling",
    metavar="FILE",
    help="One more result: the same network without prior, every frame painted alone.",
)
@_option("What", "--style", type=_PATH, help="The painting, for the style loss.")
@_option(
    "What",
    "--style-size",
    default=448,
    show_default=True,
    type=click.IntRange(32),
    help="Longest side at which the painting is looked at, as in training.",
)
@_option("What", "--loss-weights", metavar="FILE", help="VGG weights, for content and style loss.")
@_option(
    "What",
    "--lpips",
    nargs=2,
    type=_PATH,
    metavar="NETWORK LINEAR",
    help="Weight files for LPIPS: SqueezeNet, AlexNet or VGG-16, and the published linear layers.",
)
@_option(
    "What",
    "--every",
    default=5,
    show_default=True,
    type=click.IntRange(1),
    help="Measure faithfulness at every such frame.",
)
@_option(
    "What",
    "--distances",
    default="1,2,5,10",
    show_default=True,
    type=Distances(),
    help="Numbers of frames between the two that are compared.",
)
@_option("What", "--end", type=click.FloatRange(0, min_open=True), help="Stop after these seconds.")
@_option(
    "What",
    "--max-size",
    type=click.IntRange(32),
    metavar="N",
    help="Compare at this longest side; for results smaller than their source.",
)
@_option(
    "What",
    "--fps",
    default="25",
    show_default=True,
    help="Frames per second of folders of images.",
)
@_option("Motion", "--flow", default="dis", show_default=True, help=f"{_NAMES}.")
@_option(
    "Motion",
    "--flow-weights",
    type=_PATH,
    help="Weights of a flow network, instead of downloading them.",
)
@_option(
    "Motion",
    "--flow-size",
    type=click.IntRange(16),
    metavar="N",
    help="Find motion on frames whose longest side is at most this.",
)
@_option(
    "Motion",
    "--truth",
    type=_PATH,
    metavar="DATASET",
    help="Folder in Sintel's layout with the true flow of SOURCE, whose folder names the sequence.",
)
@_option(
    "Motion",
    "--cuts",
    default="auto",
    show_default=True,
    help="Where shots begin: auto finds them, none is a single shot, or a file with frame numbers.",
)
@_option(
    "Output", "-o", "--output", default="report", show_default=True, type=_PATH, help="Folder."
)
@_option("Output", "--no-videos", is_flag=True, help="Leave the videos out of the page.")
@_option("Run", "--device", default="auto", show_default=True, help="auto, cpu, cuda or mps.")
@_option("Run", "--jobs", type=click.IntRange(1), help="Threads [default: one per core].")
def video(
    source: str,
    results: tuple[str, ...],
    ceiling: str | None,
    style: Path | None,
    style_size: int,
    loss_weights: str | None,
    lpips: tuple[Path, Path] | None,
    every: int,
    distances: tuple[int, ...],
    end: float | None,
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
    needs nothing beside it.
    """
    set_up_logging()
    named = named_results([*results, *([ceiling] if ceiling else [])])
    rate = _frame_rate(fps)
    chosen = choose_device(device)
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
            cuts=find_cuts(open_source(source, rate), cuts),
            style=style,
            style_size=style_size,
            loss_weights=loss_weights,
            lpips=lpips,
            every=every,
            max_size=max_size,
            end=end,
            fps=rate,
            device=chosen,
            workers=jobs,
            progress=show,
        )
    page = write_report(evaluation, output, videos=not no_videos)
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


@command.command(cls=GroupedCommand)
@click.argument("dataset", type=_PATH)
@_option(
    "What",
    "--flow",
    "estimators",
    multiple=True,
    default=("dis",),
    show_default=True,
    help=f"Estimator, may be given several times: {_NAMES}.",
)
@_option(
    "What",
    "--flow-weights",
    type=_PATH,
    help="Weights of the one flow network that is measured, instead of downloading them.",
)
@_option(
    "What",
    "--flow-size",
    type=click.IntRange(16),
    metavar="N",
    help="Find motion on frames whose longest side is at most this.",
)
@_option(
    "What",
    "--kind",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", *KINDS]),
    help="Layout of the dataset.",
)
@_option("What", "--limit", type=click.IntRange(1), help="Use only that many pairs, spread evenly.")
@_option("Output", "-o", "--output", type=_PATH, help="Also write the numbers to this .json file.")
@_option("Run", "--device", default="auto", show_default=True, help="auto, cpu, cuda or mps.")
def flow(
    dataset: Path,
    estimators: tuple[str, ...],
    flow_weights: Path | None,
    flow_size: int | None,
    kind: str,
    limit: int | None,
    output: Path | None,
    device: str,
) -> None:
    """Measure flow estimators on a DATASET with ground truth: Sintel, KITTI, Middlebury, chairs.

    EPE is the mean distance from the true vector in pixels; Fl the share of pixels that are wrong
    by more than 3 pixels and 5 %. "visible" leaves out what is hidden in the second frame or
    outside it.
    """
    set_up_logging()
    pairs = find_pairs(dataset, kind)
    if limit is not None:
        pairs = spread(pairs, limit)
    chosen = choose_device(device)
    found = {}
    for name in dict.fromkeys(estimators):
        estimator = load_estimator(name, chosen, flow_weights, flow_size)
        with tqdm(total=len(pairs), desc=name, unit=" pairs", disable=None) as bar:
            found[name] = flow_accuracy(estimator, pairs, lambda done, bar=bar: bar.update())
    rows = [["estimator", "EPE (px)", "visible", "Fl (%)", "visible", "s/pair"]]
    for name, result in found.items():
        numbers = (result.epe(), result.epe("visible"), result.fl(), result.fl("visible"))
        rows.append(
            [name, *(f"{number:.3f}" for number in numbers), f"{result.seconds / result.pairs:.3f}"]
        )
    click.echo(aligned(rows))
    click.echo(f"{len(pairs)} pairs of {dataset}.")
    if output is not None:
        _write_accuracy(output, dataset, found)


def _write_accuracy(output: Path, dataset: Path, found: dict[str, FlowAccuracy]) -> None:
    def value(number: float) -> float | None:
        return number if math.isfinite(number) else None

    content = {
        "dataset": str(dataset),
        "estimators": {
            name: {
                "pairs": result.pairs,
                "seconds_per_pair": result.seconds / result.pairs,
                **{
                    f"{measure}_{kind}": value(getattr(result, measure)(kind))
                    for measure in ("epe", "fl")
                    for kind in ("all", "visible")
                },
                "epe_per_pair": {pair: value(epe) for pair, epe in result.per_pair},
            }
            for name, result in found.items()
        },
    }
    try:
        with atomic_path(output) as partial:
            partial.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")
    except OSError as error:
        raise BrushflowError(f"Cannot write {output}: {error.strerror}.") from error


def main() -> None:
    """Entry point."""
    run(command)


if __name__ == "__main__":
    main()
