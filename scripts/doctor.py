"""Command: what this machine has and can do, on one page, for reports of bugs."""

from brushflow.cli.start import run

import os
import platform
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click
import cv2
import torch

import brushflow
from brushflow.cli.advice import RESTORE_OPENCV
from brushflow.cli.commands import printable
from brushflow.common.errors import BrushflowError
from brushflow.common.memory import available_memory
from brushflow.common.torch_devices import (
    autocast,
    choose_precision,
    device_memory,
    devices_here,
    synchronize,
    usable_device,
)
from brushflow.models import DEFAULT_STYLE, load, styles
from brushflow.models.inference.folding import for_inference
from brushflow.scripts.benchmarks.measuring import describe_machine
from brushflow.scripts.benchmarks.network import sample
from brushflow.video import HARDWARE, encoder_meant, ffmpeg_version, hardware_encoder
from brushflow.video.ffmpeg import ffmpeg_binary, video_encoders

_PACKAGES = (
    *("torch", "torchvision", "numpy", "opencv-contrib-python", "scikit-image", "av", "pillow"),
    *("ffmpeg-python", "imageio-ffmpeg", "safetensors", "click", "filelock", "psutil"),
    *("distributed", "fastapi", "onnxruntime", "ptlflow", "h5py"),
)
_CODECS = ("h264", "hevc", "av1", "vp9", "prores", "ffv1")
_SIZE = (640, 360)  # of the frames that are timed, (width, height)


@click.command(context_settings={"show_default": True})
@click.option(
    "--seconds",
    default=2.0,
    type=click.FloatRange(0, 60),
    help="How long each device is measured; 0: not at all.",
)
def command(seconds: float) -> None:
    """Tell what this machine has: versions, devices, ffmpeg, folders.

    Put the page into a report of a bug. It names no file of yours but the folders of caches.
    """
    for title, rows in (
        ("brushflow", _versions()),
        ("machine", _machine()),
        ("ffmpeg", _encoders()),
        ("folders", _folders()),
    ):
        _tell(title, rows)
    _tell("devices", {})
    for device in devices_here():
        _tell("", {str(device): _device(device, seconds)})


def _tell(title: str, rows: dict[str, str]) -> None:
    if title:
        click.echo(f"\n{title}")
    for name, what in rows.items():
        click.echo(printable(f"  {name:<22} {what}"))


def _versions() -> dict[str, str]:
    rows = {"brushflow": brushflow.__version__, "at": str(Path(brushflow.__file__).parent)}
    rows["python"] = f"{platform.python_version()}, {sys.executable}"
    for name in _PACKAGES:
        try:
            rows[name] = version(name)
        except PackageNotFoundError:
            rows[name] = "not installed"
    rows["torch"] = torch.__version__  # which says for what it was built
    contributed = "" if hasattr(cv2, "optflow") else f", of another package; {RESTORE_OPENCV}"
    rows["OpenCV in use"] = cv2.__version__ + contributed
    return rows


def _machine() -> dict[str, str]:
    known = describe_machine()
    encoding = getattr(sys.stdout, "encoding", None)
    return {
        "system": known["system"],
        "processor": f"{known['processor']}, {known['cores']} cores, {known['instructions']}",
        "threads": f"{known['threads']} of PyTorch",
        "memory": f"{known['memory_gib']} GiB, {available_memory() / 2**30:.1f} free",
        "load": str(known["load"]),
        "console": str(encoding),
    }


def _encoders() -> dict[str, str]:
    try:
        rows = {"program": ffmpeg_binary(), "version": ".".join(map(str, ffmpeg_version()))}
        known = video_encoders()
        meant = {codec: encoder_meant(codec) for codec in _CODECS}
        rows |= {codec: name if name in known else "none" for codec, name in meant.items()}
        rows[f"--codec {HARDWARE}"] = hardware_encoder() or "none works here"
    except BrushflowError as error:
        return {"program": str(error)}
    return rows


def _folders() -> dict[str, str]:
    set_here = [name for name in os.environ if name.startswith(("BRUSHFLOW_", "CUDA_", "TORCH_"))]
    return {
        "downloaded weights": torch.hub.get_dir(),
        "learned styles": str(styles.cache()),
        "temporary files": tempfile.gettempdir(),
        "current": str(Path.cwd()),
        "variables": ", ".join(f"{name}={os.environ[name]}" for name in sorted(set_here)) or "none",
    }


def _device(device: torch.device, seconds: float) -> str:
    """A device's name, memory, and how many frames the usual network paints on it in a second."""
    try:
        usable_device(str(device))
        words = [_name(device)]
        memory = device_memory(device) if device.type != "cpu" else None
        if memory is not None:
            words.append("{:.1f} of {:.1f} GiB free".format(*(part / 2**30 for part in memory)))
        if seconds:
            precision = choose_precision("auto", device)
            rate = _frames_per_second(device, precision, seconds)
            words.append("{:.1f} frames/s of {}×{} in {}".format(rate, *_SIZE, precision))
    except (BrushflowError, RuntimeError) as error:
        return f"does not work: {error}".splitlines()[0]
    return ", ".join(words)


def _name(device: torch.device) -> str:
    if device.type == "cuda":
        built = f"ROCm {torch.version.hip}" if torch.version.hip else f"CUDA {torch.version.cuda}"
        return f"{torch.cuda.get_device_name(device)}, {built}"
    if device.type == "xpu":
        return torch.xpu.get_device_name(device)
    return {"mps": "Apple's GPU"}.get(device.type, "the processor")


@torch.inference_mode()
def _frames_per_second(device: torch.device, precision: str, seconds: float) -> float:
    """The bundled network alone, without reading, motion and encoding."""
    network = for_inference(load(DEFAULT_STYLE).network, device, precision)
    picture = sample(network.in_channels, *_SIZE).to(device)
    frames, began = -1, time.perf_counter()
    while frames < 1 or time.perf_counter() - began < seconds:
        with autocast(device, precision):
            network(picture)
        synchronize(device)
        frames += 1
        if frames == 0:  # the first one prepares everything
            began = time.perf_counter()
    return frames / (time.perf_counter() - began)


def main() -> None:
    """Entry point."""
    run(command)


if __name__ == "__main__":
    main()
