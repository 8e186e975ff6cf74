"""Benchmark: the network's convolutions one by one, in each way there is to compute them."""

import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click
import torch
from torch import Tensor, nn

from brushflow.common.errors import UsageError
from brushflow.models.inference.kernels import convolve, has_transforms
from brushflow.scripts.benchmarks.measuring import describe_machine, interleaved, table, write_json

# Input and output channels, kernel, input height and width, at 854×480.
LAYERS = {
    "9×9, 7 → 32": (7, 32, 9, 568, 944),
    "3×3, 128 → 128": (128, 128, 3, 128, 222),
    "3×3, 64 → 64": (64, 64, 3, 128, 222),
    "3×3, 128 → 256 (enlarges)": (128, 256, 3, 122, 216),
    "5×5, 64 → 12 (enlarges)": (64, 12, 5, 244, 432),
}
_SMALLER = 4  # a side is divided by this for a quick look


@click.command("convolutions")
@click.option("--openvino", is_flag=True, help="Also OpenVINO, float32 and int8 (needs nncf).")
@click.option("--threads", type=click.IntRange(1), help="Threads.")
@click.option("--repeats", default=7, show_default=True, type=click.IntRange(1))
@click.option("--small", is_flag=True, help="Smaller pictures, to try it.")
@click.option("--json", "json_path", type=click.Path(path_type=Path))
def command(
    openvino: bool, threads: int | None, repeats: int, small: bool, json_path: Path | None
) -> None:
    """Milliseconds of each convolution, done in different ways.

    Directly (oneDNN) and by transform (NNPACK) in float32, directly in PyTorch's int8, where the
    time to quantise is left out, and by OpenVINO.
    """
    if threads:
        torch.set_num_threads(threads)
    rows = []
    for name, (inputs, outputs, kernel, height, width) in LAYERS.items():
        torch.manual_seed(0)
        layer = nn.Conv2d(inputs, outputs, kernel).eval().requires_grad_(False)
        scale = _SMALLER if small else 1
        x = torch.randn(1, inputs, height // scale, width // scale)
        tasks = _tasks(layer, x)
        if openvino:
            tasks |= _openvino_tasks(layer, x)
        with torch.inference_mode():
            times = interleaved(tasks, repeats)
        rows.append({"convolution": name, **{f"{k} ms": 1000 * t for k, t in times.items()}})
    click.echo(table(rows))
    if json_path:
        write_json(json_path, {"machine": describe_machine(), "convolutions": rows})


def _tasks(layer: nn.Conv2d, x: Tensor) -> dict[str, Callable[[], Any]]:
    innermost = layer.weight.contiguous(memory_format=torch.channels_last)
    tasks = {"direct": lambda: convolve(x, innermost, layer.bias, 1, 0, False)}
    if has_transforms():
        tasks["transform"] = lambda: convolve(x, layer.weight, layer.bias, 1, 0, True)
    if "x86" in torch.backends.quantized.supported_engines and hasattr(torch, "quint8"):
        tasks["int8"] = _int8_task(layer, x)
    return tasks


def _int8_task(layer: nn.Conv2d, x: Tensor) -> Callable[[], Tensor]:
    """PyTorch's own quantised convolution: weights per channel, activations per tensor."""
    warnings.filterwarnings("ignore", "torch.quantize_per")  # to be removed some day
    scales = layer.weight.abs().amax((1, 2, 3)) / 127
    zeros = torch.zeros(len(scales), dtype=torch.int64)
    weight = torch.quantize_per_channel(layer.weight, scales, zeros, 0, torch.qint8)
    packed = torch.ops.quantized.conv2d_prepack(weight, layer.bias, [1, 1], [0, 0], [1, 1], 1)
    step = float(x.max() - x.min()) / 255
    zero = round(float(-x.min()) / step)
    innermost = x.contiguous(memory_format=torch.channels_last)
    picture = torch.quantize_per_tensor(innermost, step, zero, torch.quint8)
    return lambda: torch.ops.quantized.conv2d(picture, packed, step, zero)


def _openvino_tasks(layer: nn.Conv2d, x: Tensor) -> dict[str, Callable[[], Any]]:
    """Quantised as NNCF does by default: weights per channel, activations per tensor."""
    try:
        import nncf
        import openvino
    except ImportError as error:
        raise UsageError(f"--openvino needs the package {error.name}; pip install it.") from error
    plain = openvino.convert_model(nn.Sequential(nn.ReLU(), layer, nn.ReLU()), example_input=x)
    plain.reshape(list(x.shape))
    data = x.numpy()
    quantised = nncf.quantize(plain, nncf.Dataset([data]), subset_size=1)
    settings = {
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "INFERENCE_PRECISION_HINT": "f32",
    }
    tasks: dict[str, Callable[[], Any]] = {}
    for name, model in (("OpenVINO", plain), ("OpenVINO int8", quantised)):
        request = openvino.Core().compile_model(model, "CPU", settings).create_infer_request()
        tasks[name] = partial(request.infer, {0: data})
    return tasks
