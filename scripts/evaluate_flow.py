"""Command: how far flow estimators are from ground truth."""

import json
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click
from tqdm import tqdm

from brushflow.cli.commands import GroupedCommand, GroupedOption, aligned, set_up_logging
from brushflow.cli.option_types import Pixels
from brushflow.common.atomic_files import atomic_path
from brushflow.common.errors import BrushflowError
from brushflow.common.torch_devices import DEVICES, usable_device
from brushflow.common.wording import counted
from brushflow.evaluation import FlowAccuracy, flow_accuracy
from brushflow.evaluation.datasets import KINDS, find_pairs, spread
from brushflow.flow import load_estimator
from brushflow.flow.estimators import NAMES_TOLD

_PATH = click.Path(path_type=Path)
F = TypeVar("F", bound=Callable[..., Any])


def grouped(group: str, *names: str, **attributes: Any) -> Callable[[F], F]:
    return click.option(*names, cls=GroupedOption, group=group, **attributes)


@click.command("flow", cls=GroupedCommand)
@click.argument("dataset", type=_PATH)
@grouped(
    "What",
    "--flow",
    "estimators",
    multiple=True,
    default=("dis",),
    show_default=True,
    help=f"Estimator, may be given several times: {NAMES_TOLD}.",
)
@grouped(
    "What",
    "--flow-weights",
    type=_PATH,
    help="Weights of the one flow network that is measured, instead of downloading them.",
)
@grouped(
    "What",
    "--flow-size",
    type=Pixels(16),
    metavar="N",
    help="Find motion on frames whose longest side is at most this.",
)
@grouped(
    "What",
    "--kind",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", *KINDS]),
    help="Layout of the dataset.",
)
@grouped("What", "--limit", type=click.IntRange(1), help="Use only that many pairs, spread evenly.")
@grouped("Output", "-o", "--output", type=_PATH, help="Also write the numbers to this .json file.")
@grouped("Run", "--device", default="auto", show_default=True, help=DEVICES)
def command(
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
    chosen = usable_device(device, "fp32")
    found = {}
    for name in dict.fromkeys(estimators):
        estimator = load_estimator(name, chosen, flow_weights, flow_size)
        with tqdm(total=len(pairs), desc=name, unit=" pairs", disable=None) as bar:
            found[name] = flow_accuracy(estimator, pairs, partial(_count, bar))
    rows = [["estimator", "EPE (px)", "visible", "Fl (%)", "visible", "s/pair"]]
    for name, result in found.items():
        numbers = (result.epe(), result.epe("visible"), result.fl(), result.fl("visible"))
        rows.append(
            [name, *(f"{number:.3f}" for number in numbers), f"{result.seconds / result.pairs:.3f}"]
        )
    click.echo(aligned(rows))
    click.echo(f"{counted(len(pairs), 'pair')} of {dataset}.")
    if output is not None:
        _write_accuracy(output, dataset, found)


def _count(bar: tqdm, done: int) -> None:
    bar.update()


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
