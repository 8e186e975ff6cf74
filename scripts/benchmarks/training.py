"""Benchmark: whether data holds training up."""

import tempfile
import time
from contextlib import closing
from pathlib import Path

import click
import torch

from brushflow.common.torch_devices import DEVICES, choose_device
from brushflow.scripts.benchmarks.measuring import describe_machine, table, write_json
from brushflow.training import TrainOptions
from brushflow.training.distributed import Workers
from brushflow.training.loop import Run
from brushflow.training.options import ResolvedOptions

_PATH = click.Path(path_type=Path)


@click.command("training")
@click.option("--style", required=True, type=_PATH, help="Painting.")
@click.option("--images", required=True, type=_PATH, help="Folder of photographs.")
@click.option("--videos", type=_PATH, help="Folder of videos.")
@click.option("--loss-weights", default="vgg16", show_default=True, help="As of brushflow train.")
@click.option("--sizes", default="192", show_default=True, help="Side of the windows.")
@click.option("--batch-sizes", default="2", show_default=True, help="Windows in a batch.")
@click.option("--num-frame-steps", default="2", show_default=True, help="Steps in a row.")
@click.option("--iterations", default=12, show_default=True, help="Of each kind, after a warm-up.")
@click.option("--device", default="auto", show_default=True, help=DEVICES)
@click.option("--threads", default=0, help="Threads; 0 leaves it to PyTorch.")
@click.option("--json", "json_path", type=_PATH, help="File to write the numbers to.")
def command(
    style: Path,
    images: Path,
    videos: Path | None,
    loss_weights: str,
    sizes: str,
    batch_sizes: str,
    num_frame_steps: str,
    iterations: int,
    device: str,
    threads: int,
    json_path: Path | None,
) -> None:
    """Seconds per training iteration, with data loaded as in training and from memory.

    Both kinds take turns, block by block, on the same batches.
    """
    if threads:
        torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        options = TrainOptions(
            style=(style,),
            images=images,
            videos=videos,
            loss_weights=loss_weights,
            size_schedule=sizes,
            batch_schedule=batch_sizes,
            frame_steps_schedule=num_frame_steps,
            identity_iterations=0,
            images_every=0,
            iterations=4 * iterations + 8,
            output=Path(folder) / "model.safetensors",
        ).resolved()
        place = choose_device(device)
        loaded, in_memory = _measure(options, iterations, place)
    rows = [
        {"batches": "loaded", "seconds": loaded, "ratio": loaded / in_memory},
        {"batches": "in memory", "seconds": in_memory, "ratio": 1.0},
    ]
    click.echo(table(rows))
    if json_path is not None:
        write_json(json_path, {"machine": describe_machine(place), "training": rows})


def _measure(options: ResolvedOptions, count: int, device: torch.device) -> tuple[float, float]:
    """Seconds per iteration with loading and without, over three blocks of each."""
    run = Run(options, Workers(device), options.output.parent)
    block = max(1, count // 3)
    loaded = in_memory = 0.0
    for _ in range(3):
        # Closed before the other kind's turn: nothing is loaded ahead during that.
        with closing(run.batches()) as batches:
            # Warm-up: decoders, kernels, and as many batches ahead as there ever are.
            run.step(next(batches))
            kept = []
            started = time.perf_counter()
            for _ in range(block):
                kept.append(next(batches))
                run.step(kept[-1])
            loaded += time.perf_counter() - started
        started = time.perf_counter()
        for parts in kept:
            run.step(parts)
        in_memory += time.perf_counter() - started
    return loaded / (3 * block), in_memory / (3 * block)
