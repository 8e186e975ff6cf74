"""Command: how much faster many workers can be, bounded by the longest shot."""

from brushflow.cli.start import run

import heapq
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import click
import numpy as np

from brushflow.cli.commands import aligned, set_up_logging
from brushflow.common.errors import UsageError
from brushflow.common.wording import counted
from brushflow.shots.cuts import read_cuts

_TWO_HOURS = 172_800  # frames, at 24 per second
_WORKERS = (1, 2, 4, 8, 16, 32, 64, 100, 128, 256, 512, 1000)


@click.command(context_settings={"max_content_width": 100, "show_default": True})
@click.option(
    "--cuts",
    type=click.Path(path_type=Path),
    help="Shot lengths of a real video: a list as brushflow cuts writes it; needs --frames.",
)
@click.option(
    "--frames",
    type=click.IntRange(1),
    help=f"Frames of the video  [default: {_TWO_HOURS}, two hours]",
)
@click.option("--median", default=60.0, help="Without --cuts: median length of a shot, in frames.")
@click.option("--sigma", default=0.9, help="Without --cuts: deviation of the lengths' logarithm.")
@click.option("--max-shot", default=240, type=click.IntRange(1), help="Longest undivided shot.")
@click.option("--overlap", default=24, type=click.IntRange(0), help="Frames painted twice then.")
@click.option("--per-shot", default=0.0, help="Frame times that a shot costs beside its frames.")
@click.option("--seed", default=0, help="Another one draws other lengths.")
def command(
    cuts: Path | None,
    frames: int | None,
    median: float,
    sigma: float,
    max_shot: int,
    overlap: int,
    per_shot: float,
    seed: int,
) -> None:
    """Print the speed-up of 1 to 1000 workers over one that divides nothing.

    Shots are given out longest first; a frame takes the same time everywhere, and scanning and
    joining take none. Without --cuts, lengths are drawn from a log-normal distribution.
    """
    set_up_logging()
    if cuts is None:
        lengths = _drawn(frames or _TWO_HOURS, median, sigma, seed)
    elif frames is None:
        raise UsageError(
            f"{cuts} does not say how long the last shot is; give the video's length by --frames."
        )
    else:
        lengths = _measured(cuts, frames)
    divided = [piece for length in lengths for piece in divide(length, max_shot, overlap)]
    click.echo(
        f"{counted(len(lengths), 'shot')}, {counted(sum(lengths), 'frame')}; median "
        f"{np.median(lengths):.0f}, longest {max(lengths)}: at most "
        f"{sum(lengths) / max(lengths):.0f} times as fast. Divided at "
        f"{counted(max_shot, 'frame')}: {counted(len(divided), 'part')}, "
        f"{counted(sum(divided), 'frame')}."
    )
    one = sum(lengths) + per_shot * len(lengths)
    rows = [["workers", "speed-up", "of ideal", "divided", "of ideal"]]
    for workers in _WORKERS:
        row = [str(workers)]
        for parts in (lengths, divided):
            faster = one / makespan([part + per_shot for part in parts], workers)
            row += [f"{faster:.1f}", f"{faster / workers:.0%}"]
        rows.append(row)
    click.echo(aligned(rows))


def makespan(costs: Sequence[float], workers: int) -> float:
    """When the last worker is done if each takes the longest task that is left."""
    free = [0.0] * workers
    for cost in sorted(costs, reverse=True):
        heapq.heapreplace(free, free[0] + cost)
    return max(free)


def divide(length: int, longest: int, overlap: int) -> list[int]:
    """Frames to paint for each equal part of a shot; all but the first begin earlier."""
    count = -(-length // longest)
    bounds = [length * i // count for i in range(count + 1)]
    return [end - begin + min(overlap, begin) for begin, end in pairwise(bounds)]


def _measured(cuts: Path, frames: int) -> list[int]:
    bounds = [0, *read_cuts(cuts, frames), frames]
    return [int(length) for length in np.diff(bounds)]


def _drawn(frames: int, median: float, sigma: float, seed: int) -> list[int]:
    if median < 1 or sigma < 0:
        raise UsageError("--median is at least 1 and --sigma at least 0.")
    random = np.random.default_rng(seed)
    lengths: list[int] = []
    left = frames
    while left > 0:
        length = min(left, max(1, round(median * np.exp(sigma * random.standard_normal()))))
        lengths.append(length)
        left -= length
    return lengths


def main() -> None:
    """Entry point."""
    run(command)


if __name__ == "__main__":
    main()
