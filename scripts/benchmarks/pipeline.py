"""Benchmark: a whole run, stage by stage, against the network alone; and runs of any length."""

import multiprocessing
import os
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import wraps
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import click
import psutil
import torch

from brushflow.common.memory import keep_freed_memory
from brushflow.common.torch_devices import autocast, choose_device, choose_precision
from brushflow.models import PAPER_ARCH, StyleModel, build, load
from brushflow.models.inference.folding import for_inference
from brushflow.occlusion.motion import EstimatedMotion
from brushflow.pipeline import StylizeOptions, stylize_video
from brushflow.pipeline.painter import Painter
from brushflow.pipeline.strokes import COARSEST, FINEST, painted_size, stroke_for
from brushflow.pipeline.stylizer import Stylizer
from brushflow.scripts.benchmarks.clip import moving_picture
from brushflow.scripts.benchmarks.measuring import describe_machine, interleaved, table, write_json
from brushflow.scripts.benchmarks.network import sample
from brushflow.video import SegmentWriter
from brushflow.video.read import FrameReader, TimedFrame
from brushflow.video.source import VideoSource

SIZES = {"180p": (320, 180), "360p": (640, 360), "480p": (854, 480)}
SIZES |= {"720p": (1280, 720), "1080p": (1920, 1080), "2160p": (3840, 2160)}
_PATH = click.Path(path_type=Path)
_LOOK = 0.1  # seconds between two looks at memory


@click.command("pipeline")
@click.option("--style", default="starry-night", show_default=True, help="Style, or paper.")
@click.option(
    "--size",
    "sizes",
    multiple=True,
    type=click.Choice(list(SIZES)),
    default=("360p", "480p", "720p", "1080p", "2160p"),
    help="Only this size (again).",
)
@click.option("--frames", default=120, show_default=True, type=click.IntRange(8))
@click.option("--flow", default="dis", show_default=True)
@click.option("--stroke", type=click.FloatRange(FINEST, COARSEST), help="As of brushflow paint.")
@click.option("--device", default="auto", show_default=True, help="As of brushflow paint.")
@click.option("--threads", type=click.IntRange(1), help="Threads of PyTorch.")
@click.option("--json", "json_path", type=_PATH)
def pipeline(
    style: str,
    sizes: tuple[str, ...],
    frames: int,
    flow: str,
    stroke: float | None,
    device: str,
    threads: int | None,
    json_path: Path | None,
) -> None:
    """Time whole runs on a moving picture, each in a process of its own.

    Columns are ms per frame. The stages run at the same time: *busy* is the time inside a stage
    (motion has two threads), *waits* what the painting thread waits for the others, *CPU* the time
    of all cores, in this process and in ffmpeg, which decodes and encodes. "ratio"
    divides end to end, which includes the scan and the assembly, by the network alone, which is
    timed before and after every run, at the size at which it paints.
    """
    if threads:
        torch.set_num_threads(threads)
    rows = []
    place = choose_device(device)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        model = _model_file(style, folder)
        options = StylizeOptions(style=str(model), flow=flow, stroke=stroke, device=device)
        for name in sizes:
            painted = painted_size(SIZES[name], stroke_for(SIZES[name], stroke))
            clip = moving_picture(folder / f"{name}.mp4", *SIZES[name], frames)
            before = _network_time(model, painted, place)
            run = run_alone(clip, folder / f"{name}-out.mp4", options, threads)
            after = _network_time(model, painted, place)
            network = {key: (before[key] + after[key]) / 2 for key in before}
            rows.append(_row({"size": name}, run, network, frames))
    settings = {"style": style, "frames": frames, "flow": flow, "stroke": stroke}
    _report(rows, settings, "pipeline", json_path, place)


@click.command("scaling")
@click.option("--style", default="starry-night", show_default=True, help="Style, or paper.")
@click.option("--size", default="180p", show_default=True, type=click.Choice(list(SIZES)))
@click.option("--lengths", default="100,200,2000", show_default=True, help="Numbers of frames.")
@click.option("--json", "json_path", type=_PATH)
def scaling(style: str, size: str, lengths: str, json_path: Path | None) -> None:
    """Time and memory per frame of short and long runs: they should not differ."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        model = _model_file(style, folder)
        for frames in map(int, lengths.split(",")):
            clip = moving_picture(folder / f"{frames}.mp4", *SIZES[size], frames)
            options = StylizeOptions(style=str(model), device="cpu")
            run = run_alone(clip, folder / f"{frames}-out.mp4", options, None)
            row = _row({"frames": frames}, run, None, frames)
            first = rows[0] if rows else row
            for column in ("end to end", "memory MiB"):
                row[f"{column}, of the first"] = row[column] / first[column]
            rows.append(row)
    _report(rows, {"style": style, "size": size}, "scaling", json_path)


def run_alone(
    clip: Path, output: Path, options: StylizeOptions, threads: int | None
) -> dict[str, Any]:
    """Stylize in a new process; what it took, see ``timed_run``."""
    context = multiprocessing.get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    process = context.Process(
        target=_child, args=(send, time.time(), clip, output, options, threads)
    )
    process.start()
    send.close()
    try:
        return receive.recv()
    except EOFError as error:
        raise click.ClickException("The run that was measured has failed; see above.") from error
    finally:
        process.join()


def _child(send: Any, began: float, *arguments: Any) -> None:
    send.send(timed_run(began, *arguments))


def timed_run(
    began: float, clip: Path, output: Path, options: StylizeOptions, threads: int | None
) -> dict[str, Any]:
    """Stylize; seconds by stage, the most memory, looked at ten times a second, in MiB.

    And seconds from ``began``, by ``time.time``, to the first frame.
    """
    keep_freed_memory()
    if threads:
        torch.set_num_threads(threads)
    busy: dict[str, float] = defaultdict(float)
    reached: dict[str, float] = {}

    def progress(stage: str, done: int, total: int | None) -> None:
        if stage == "scan":
            reached["scanned"] = time.time()
        else:
            reached.setdefault(stage, time.time())

    with ExitStack() as stack:
        for owner, method, stage in (
            (EstimatedMotion, "__call__", "motion"),
            (Stylizer, "_next_state", "paint"),
            (Painter, "finish", "finish"),
            (SegmentWriter, "write", "encode"),
        ):
            stack.enter_context(_timed(owner, method, stage, busy))
        stack.enter_context(_timed_frames(VideoSource, busy))
        memory = stack.enter_context(_Memory())
        before = os.times()
        started = time.time()
        stylize_video(clip, output, options, progress)
        ended, after = time.time(), os.times()
    return {
        "total": ended - started,
        "scan": reached["scanned"] - started,
        "assemble": ended - reached["assemble"],
        "busy": dict(busy),
        "first frame": reached["stylize"] - began,
        "own CPU": after.user + after.system - before.user - before.system,
        # Windows does not tell, and says 0.
        "ffmpeg CPU": after.children_user + after.children_system,
        "memory": memory.own / 2**20,
        "largest child": memory.largest_child / 2**20,
    }


class _Memory:
    """The most bytes of memory that this process and any that it starts take while entered."""

    def __init__(self) -> None:
        self.own = self.largest_child = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "_Memory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        process = psutil.Process()
        over = False
        while not over:
            over = self._over.wait(_LOOK)
            self.own = max(self.own, process.memory_info().rss)
            for child in process.children(recursive=True):
                with suppress(psutil.Error):
                    self.largest_child = max(self.largest_child, child.memory_info().rss)


def _timed(owner: type, method: str, stage: str, busy: dict[str, float]) -> Any:
    """While entered, calls of this method add to ``busy[stage]``."""
    original = getattr(owner, method)

    @wraps(original)
    def call(*arguments: Any, **options: Any) -> Any:
        start = time.perf_counter()
        try:
            return original(*arguments, **options)
        finally:
            busy[stage] += time.perf_counter() - start

    return patch.object(owner, method, call)


@contextmanager
def _timed_frames(source: type[FrameReader], busy: dict[str, float]) -> Iterator[None]:
    """While entered, the time that full-size frames take to be decoded adds to ``busy``."""
    original = source.read

    def read(self: FrameReader, *arguments: Any, **options: Any) -> Iterator[TimedFrame]:
        frames = original(self, *arguments, **options)
        stage = "scan" if options.get("gray") else "decode"
        try:
            while True:
                start = time.perf_counter()
                frame = next(frames, None)
                busy[stage] += time.perf_counter() - start
                if frame is None:
                    return
                yield frame
        finally:
            frames.close()

    with patch.object(source, "read", read):
        yield


def _row(
    head: dict[str, Any], run: dict[str, Any], network: dict[str, float] | None, frames: int
) -> dict[str, Any]:
    """A line of the table, in ms per frame."""
    ms = 1000 / frames
    busy = run["busy"]
    painting = run["total"] - run["scan"] - run["assemble"]
    row = head | {key: 1000 * seconds for key, seconds in (network or {}).items()}
    row |= {
        "end to end": run["total"] * ms,
        "scan": run["scan"] * ms,
        "assemble": run["assemble"] * ms,
        "decode busy": busy["decode"] * ms,
        "motion busy": busy["motion"] * ms,
        "paint busy": busy["paint"] * ms,
        "paint waits": (painting - busy["paint"]) * ms,
        "finish busy": busy["finish"] * ms,
        "encode busy": busy["encode"] * ms,
        "own CPU": run["own CPU"] * ms,
        "ffmpeg CPU": run["ffmpeg CPU"] * ms,
        "first frame s": run["first frame"],
        "memory MiB": run["memory"],
        "largest child MiB": run["largest child"],
    }
    if network is not None:
        row["ratio"] = run["total"] / frames / network["network"]
        row["frames/s"] = frames / run["total"]
    return row


def _network_time(model: Path, size: tuple[int, int], device: torch.device) -> dict[str, float]:
    """Seconds that the network takes for a frame as a run uses it: elapsed, and of all cores."""
    precision = choose_precision("auto", device)
    network = for_inference(load(model).network, device, precision)
    x = sample(network.in_channels, *size).to(device)
    of_cores = []

    def paint() -> None:
        start = time.process_time()
        with torch.inference_mode(), autocast(device, precision):
            network(x)
        of_cores.append(time.process_time() - start)

    elapsed = interleaved({"network": paint}, 5, device)["network"]
    return {"network": elapsed, "network CPU": median(of_cores)}


def _model_file(style: str, folder: Path) -> Path:
    """The model as a file; ``paper``: the paper's network, with random weights."""
    path = folder / f"{style}.safetensors"
    if style == "paper":
        torch.manual_seed(0)
        model = StyleModel(build(PAPER_ARCH, padding_type="reflect-start").eval(), style)
    else:
        model = load(style)
    model.save(path)
    return path


def _report(
    rows: list[dict[str, Any]],
    settings: dict[str, Any],
    name: str,
    json_path: Path | None,
    device: torch.device | str = "cpu",
) -> None:
    click.echo(table(rows))
    if json_path:
        machine = describe_machine(device)
        write_json(json_path, {"machine": machine, "settings": settings, name: rows})
