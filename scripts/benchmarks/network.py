"""Command: how long the network alone takes, in each way it can be computed."""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from brushflow.cli.option_types import Size
from brushflow.common.errors import UsageError
from brushflow.common.torch_devices import autocast, choose_device
from brushflow.models import PADDING_TYPES, PAPER_ARCH, StyleNetwork, build, load
from brushflow.models.inference.cuda_graph import Graphed
from brushflow.models.inference.folding import fold
from brushflow.models.inference.kernels import has_transforms
from brushflow.models.inference.steps import Convolution
from brushflow.scripts.benchmarks.measuring import (
    describe_machine,
    interleaved,
    matrix_product,
    table,
    write_json,
)

_TYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
ENGINES = ("plain", "direct", "folded", "channels-last", "graphed")
_SLOW_TO_START = ("compiled",)  # only where asked for


@click.command(name="network")
@click.option("--arch", default=PAPER_ARCH, help="Architecture, with random weights.")
@click.option("--padding", default="reflect-start", type=click.Choice(PADDING_TYPES))
@click.option("--margin", default=0, type=click.IntRange(0), help="Pixels painted and cropped.")
@click.option("--model", help="A bundled style or a model file, in place of --arch.")
@click.option("--size", default="854x480", show_default=True, type=Size())
@click.option("--threads", type=click.IntRange(1), help="Threads of PyTorch.")
@click.option("--device", default="cpu", show_default=True)
@click.option(
    "--engine",
    "engines",
    multiple=True,
    type=click.Choice(ENGINES + _SLOW_TO_START),
    help="Only this way (again).",
)
@click.option(
    "--precision",
    "precisions",
    multiple=True,
    type=click.Choice(list(_TYPES)),
    help="Also in this precision (again).",
)
@click.option("--repeats", default=5, show_default=True, type=click.IntRange(1))
@click.option("--json", "json_path", type=click.Path(path_type=Path, dir_okay=False))
def command(
    arch: str,
    padding: str,
    margin: int,
    model: str | None,
    size: tuple[int, int],
    threads: int | None,
    device: str,
    engines: tuple[str, ...],
    precisions: tuple[str, ...],
    repeats: int,
    json_path: Path | None,
) -> None:
    """Time the network on one picture.

    plain is the network as it is trained, direct the folded one by direct convolutions, folded
    the folded one as it is used on a CPU. On CUDA graphed is what is used, direct as a CUDA graph,
    and channels-last the same with weights in that format. compiled is direct by torch.compile; as
    that needs a C++ compiler and up to a minute, it only runs where it is asked for. "first s" is
    the first frame, with all that is prepared for it. GFLOP are those of direct convolutions,
    of the plain network for plain and of the folded one for the others; "of product" compares them
    per second with a large matrix product in the same run. Above 1, multiplications were saved.
    """
    if threads:
        torch.set_num_threads(threads)
    place = choose_device(device)
    torch.manual_seed(0)
    network = load(model).network if model else build(arch, 7, padding, margin=margin)
    network = network.to(place).eval()
    picture = sample(network.in_channels, *size).to(place)
    rows = measure(network, picture, engines or ENGINES, ("fp32", *precisions), repeats)
    click.echo(table(rows))
    if json_path:
        settings = {
            "arch": network.arch,
            "padding": network.padding_type,
            "margin": network.margin,
            "model": model,
            "width": size[0],
            "height": size[1],
            "repeats": repeats,
        }
        machine = describe_machine(place)
        write_json(json_path, {"machine": machine, "settings": settings, "network": rows})


def sample(channels: int, width: int, height: int) -> Tensor:
    """A picture-like input (1, channels, height, width): most of it smooth, some of it fine."""
    generator = torch.Generator().manual_seed(1)
    x = torch.zeros(1, channels, height, width)
    for side in (4, 16, 64, 256):
        small = torch.randn(1, channels, side, side, generator=generator)
        x += (
            160
            / side**0.5
            * torch.nn.functional.interpolate(small, (height, width), mode="bilinear")
        )
    if channels == 7:
        # The last channel is the reliability of the three before it.
        x[:, 6] = (x[:, 6] > -40).float()
        x[:, 3:6] *= x[:, 6:]
    return x


@torch.inference_mode()
def measure(
    network: StyleNetwork,
    x: Tensor,
    engines: tuple[str, ...],
    precisions: tuple[str, ...],
    repeats: int,
) -> list[dict[str, Any]]:
    """One row for each engine in each precision, fp32 first."""
    made = _engines(network, x.device)
    engines = tuple(engine for engine in engines if engine in made)
    if not engines:
        raise UsageError(f"{x.device.type} has the engines {', '.join(made)}; choose one of them.")
    built = {engine: made[engine]() for engine in engines}
    tasks: dict[str, Callable[[], Any]] = {}
    products, flop = {}, {}
    for precision in dict.fromkeys(precisions):
        # A CPU without the instructions takes minutes for a product in half precision.
        yardstick = "fp32" if x.device.type == "cpu" else precision
        product, product_flop = matrix_product(x.device, _TYPES[yardstick])
        products[precision] = f"product {yardstick}"
        tasks[products[precision]] = product
        for engine in engines:
            # The transforms are for float32.
            if precision == "fp32" or engine != "folded":
                tasks[f"{engine} {precision}"] = _task(built[engine], x, precision)
    for engine in engines:
        flop[engine] = count_flop(built[engine] if engine == "plain" else made["direct"](), x)
    reference = network(x).float()
    errors, first = {}, {}
    for name in [name for name in tasks if not name.startswith("product")]:
        start = time.perf_counter()
        errors[name] = psnr(_first(tasks[name], name).float(), reference)
        first[name] = time.perf_counter() - start
    times = interleaved(tasks, repeats, x.device)
    rows = []
    for name, error in errors.items():
        engine, precision = name.split()
        rate = flop[engine] / times[name]
        rows.append(
            {
                "engine": engine,
                "precision": precision,
                "ms": 1000 * times[name],
                "times plain": times["plain fp32"] / times[name] if "plain" in engines else None,
                "GFLOP": flop[engine] / 1e9,
                "GFLOP/s": rate / 1e9,
                "of product": rate * times[products[precision]] / product_flop,
                "PSNR dB": error,
                "first s": first[name],
            }
        )
    return rows


def _first(task: Callable[[], Tensor], name: str) -> Tensor:
    try:
        return task()
    except RuntimeError as error:
        if not name.startswith("compiled"):
            raise
        reason = str(error).splitlines()[0]
        raise UsageError(f"The engine compiled cannot be used here: {reason}") from error


def _engines(
    network: StyleNetwork, device: torch.device
) -> dict[str, Callable[[], torch.nn.Module]]:
    """What makes each way of computing that there is on this device."""
    ways: dict[str, Callable[[], torch.nn.Module]] = {
        "plain": lambda: network,
        "direct": lambda: fold(network, transforms=False),
        "compiled": lambda: _compiled(fold(network, transforms=False)),
    }
    if device.type == "cuda":
        ways["channels-last"] = lambda: Graphed(_channels_last(fold(network)))
        ways["graphed"] = lambda: Graphed(fold(network))
    if device.type == "cpu" and has_transforms():
        ways["folded"] = lambda: fold(network)
    return ways


def _compiled(network: torch.nn.Module) -> torch.nn.Module:
    network.compile(dynamic=False)
    return network


def _channels_last(network: torch.nn.Module) -> torch.nn.Module:
    """The format of the weights decides the format a convolution works in."""
    for step in network.modules():
        if isinstance(step, Convolution):
            step.weight = step.weight.contiguous(memory_format=torch.channels_last)
    return network


def count_flop(network: torch.nn.Module, x: Tensor) -> int:
    """Multiplications and additions of the convolutions, done directly."""
    with FlopCounterMode(display=False) as counter:
        network(x)
    return counter.get_total_flops()


def psnr(x: Tensor, reference: Tensor) -> float | None:
    """In dB, of pictures in 0–255; None where they are equal."""
    error = float((x - reference).double().pow(2).mean())
    return 10 * math.log10(255**2 / error) if error else None


def _task(network: torch.nn.Module, x: Tensor, precision: str) -> Callable[[], Tensor]:
    def task() -> Tensor:
        with autocast(x.device, precision):
            return network(x)

    return task
