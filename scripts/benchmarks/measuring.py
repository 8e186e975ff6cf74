"""What the benchmarks share: fair timing, a yardstick, the machine in words, tables and JSON."""

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import torch

from brushflow.common.atomic_files import atomic_path

_SIDE = 2048  # of the square matrices that are multiplied


def interleaved(
    tasks: Mapping[str, Callable[[], Any]], repeats: int, device: torch.device | str = "cpu"
) -> dict[str, float]:
    """Median time of each task in seconds.

    After one warm-up each they take turns, so that whatever else the machine does meanwhile
    slows all of them alike.
    """
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for turn in range(repeats + 1):
        for name, task in tasks.items():
            _wait_for(device)
            start = time.perf_counter()
            task()
            _wait_for(device)
            if turn > 0:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def matrix_product(
    device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> tuple[Callable[[], Any], int]:
    """A large matrix product to time, and its floating-point operations: what a machine can do."""
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, _SIDE, _SIDE, generator=generator).to(device, dtype)
    return lambda: a @ b, 2 * _SIDE**3


def describe_machine(device: torch.device | str = "cpu") -> dict[str, Any]:
    """Processor, memory and versions, as JSON values."""
    description = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "memory_gib": _memory_gib(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "system": platform.platform(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    if torch.device(device).type == "cuda":
        description["gpu"] = torch.cuda.get_device_name(device)
        description["cuda"] = torch.version.cuda
    return description


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as a Markdown table, columns named by the keys of the first; numbers to 3 digits."""
    names = list(rows[0])
    cells = [names, *([_shown(row[name]) for name in names] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(names))]
    lines = []
    for row in cells:
        # Names to the left, numbers to the right.
        padded = [row[0].ljust(widths[0])]
        padded += [text.rjust(width) for text, width in zip(row[1:], widths[1:], strict=True)]
        lines.append(f"| {' | '.join(padded)} |")
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join([lines[0], f"| {' | '.join(rule)} |", *lines[1:]])


def write_json(path: Path, result: Mapping[str, Any]) -> None:
    """Write a result, with the folders on the way to it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as partial:
        partial.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _wait_for(device: torch.device | str) -> None:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)


def _processor() -> str:
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _memory_gib() -> float:
    return round(psutil.virtual_memory().total / 2**30, 1)
