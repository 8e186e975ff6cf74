"""Benchmark: optical flow and reliability, and how far off they are where the truth is known."""

from functools import partial
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
from skimage import data

from brushflow.cli.option_types import Pixels, Size
from brushflow.common.torch_devices import choose_device
from brushflow.evaluation.datasets import find_pairs, spread
from brushflow.evaluation.flow_accuracy import end_point_error, flow_accuracy
from brushflow.flow import load_estimator
from brushflow.occlusion import reliability
from brushflow.scripts.benchmarks.measuring import describe_machine, interleaved, table, write_json

_PATH = click.Path(path_type=Path)
_ZOOM = 1.03
_SHIFT = np.array([4.3, -2.6])


@click.command("flow")
@click.option(
    "--flow",
    "names",
    multiple=True,
    default=("dis", "dis-fast", "farneback"),
    show_default=True,
    help="Estimator (again): as of brushflow paint.",
)
@click.option("--flow-weights", type=_PATH, help="Weights of the one flow network.")
@click.option(
    *("--flow-size", "sizes"), multiple=True, type=Pixels(16), help="Also at this size (again)."
)
@click.option("--size", default="854x480", show_default=True, type=Size())
@click.option("--dataset", type=_PATH, help="Folder with true flow, for the errors.")
@click.option("--limit", default=20, type=click.IntRange(1), help="Pairs of it, spread evenly.")
@click.option("--device", default="cpu", show_default=True)
@click.option("--repeats", default=5, show_default=True, type=click.IntRange(1))
@click.option("--json", "json_path", type=_PATH)
def command(
    names: tuple[str, ...],
    flow_weights: Path | None,
    sizes: tuple[int, ...],
    size: tuple[int, int],
    dataset: Path | None,
    limit: int,
    device: str,
    repeats: int,
    json_path: Path | None,
) -> None:
    """Time one direction of flow, and reliability, of a pair of frames; one core for OpenCV.

    EPE: mean distance from the truth in pixels, on DATASET, or on a photograph that was zoomed
    and moved.
    """
    place = choose_device(device)
    frame, other, truth = zoomed_pair(*size)
    estimators = {
        f"{name}{f' at {cap}' if cap else ''}": load_estimator(name, place, flow_weights, cap)
        for name in names
        for cap in (None, *sizes)
    }
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # as in a run, where several pairs are computed at once
    try:
        tasks: dict[str, Any] = {
            name: partial(estimator, frame, other) for name, estimator in estimators.items()
        }
        rules = [f"reliability, {rule}" for rule in ("fast", "slow")]
        for label in rules:
            rule = label.rpartition(" ")[2]
            tasks[label] = partial(reliability, truth, -truth, frame, rule)
        times = interleaved(tasks, repeats, place)
        errors: dict[str, float | None] = dict.fromkeys(rules)
        for name, estimator in estimators.items():
            if dataset:
                pairs = spread(find_pairs(dataset, "auto"), limit)
                errors[name] = flow_accuracy(estimator, pairs).epe()
            else:
                errors[name] = float(end_point_error(estimator(frame, other), truth).mean())
    finally:
        cv2.setNumThreads(threads)
    rows = [{"flow": name, "ms": 1000 * t, "EPE px": errors[name]} for name, t in times.items()]
    click.echo(table(rows))
    if json_path:
        settings = {"size": size, "dataset": dataset.name if dataset else None}
        machine = describe_machine(place)
        write_json(json_path, {"machine": machine, "settings": settings, "flow": rows})


def zoomed_pair(width: int, height: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two frames (height, width, 3) and the flow from the first into the second."""
    center = np.array([width - 1, height - 1]) / 2
    scale = max(width / 512, height / 400)
    place = np.array([[scale, 0, center[0] - 256 * scale], [0, scale, center[1] - 200 * scale]])
    linear = np.diag([_ZOOM, _ZOOM])
    offset = center - linear @ center + _SHIFT

    def view(matrix: np.ndarray) -> np.ndarray:
        return cv2.warpAffine(
            data.astronaut(), matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=2
        )

    moved = linear @ place
    moved[:, 2] += offset
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=2)
    return view(place), view(moved), (grid @ linear.T + offset - grid).astype(np.float32)
