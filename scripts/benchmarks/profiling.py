"""Benchmark: which operations of the folded network take its time."""

from pathlib import Path

import click
import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from brushflow.cli.option_types import Size
from brushflow.common.torch_devices import autocast, choose_device, choose_precision
from brushflow.models import PAPER_ARCH, build, load
from brushflow.models.inference.folding import for_inference
from brushflow.scripts.benchmarks.measuring import describe_machine, table, write_json
from brushflow.scripts.benchmarks.network import sample

_WARM_UPS = 3  # after two all memory there is has been touched
_PASSES = 5


@click.command(name="profile")
@click.option("--model", help="A bundled style or a model file  [default: the paper's network].")
@click.option("--size", default="854x480", show_default=True, type=Size())
@click.option("--threads", type=click.IntRange(1), help="Threads of PyTorch.")
@click.option("--device", default="cpu", show_default=True)
@click.option("--most", default=16, show_default=True, type=click.IntRange(1), help="Lines.")
@click.option("--json", "json_path", type=click.Path(path_type=Path, dir_okay=False))
def command(
    model: str | None,
    size: tuple[int, int],
    threads: int | None,
    device: str,
    most: int,
    json_path: Path | None,
) -> None:
    """Time by operation and by the shapes it works on, of the network as a run uses it.

    ms and calls are per frame, "share" is of all operations' time.
    """
    if threads:
        torch.set_num_threads(threads)
    place = choose_device(device)
    torch.manual_seed(0)
    network = load(model).network if model else build(PAPER_ARCH, 7, "reflect-start").eval()
    x = sample(network.in_channels, *size).to(place)
    precision = choose_precision("auto", place)
    with torch.inference_mode(), autocast(place, precision):
        rows = operations(for_inference(network, place, precision), x)[:most]
    click.echo(table(rows))
    if json_path:
        settings = {"model": model, "width": size[0], "height": size[1], "precision": precision}
        machine = describe_machine(place)
        write_json(json_path, {"machine": machine, "settings": settings, "profile": rows})


def operations(network: nn.Module, x: Tensor) -> list[dict[str, object]]:
    """A row per operation and shapes of its tensors, the longest first."""
    for _ in range(_WARM_UPS):
        network(x)
    on_gpu = x.device.type == "cuda"
    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * on_gpu
    with profile(activities=activities, record_shapes=True) as recorded:
        for _ in range(_PASSES):
            network(x)
    rows = []
    for event in recorded.key_averages(group_by_input_shape=True):
        spent = event.self_device_time_total if on_gpu else event.self_cpu_time_total
        shapes = [shape for shape in event.input_shapes if len(shape) > 1]
        rows.append(
            {
                "operation": event.key.removeprefix("aten::"),
                "shapes": " ".join("×".join(map(str, shape)) for shape in shapes[:2]),
                "calls": event.count / _PASSES,
                "ms": spent / 1000 / _PASSES,
            }
        )
    total = sum(row["ms"] for row in rows)
    rows.sort(key=lambda row: row["ms"], reverse=True)
    return [row | {"share": row["ms"] / total} for row in rows]
