"""Command: videos cut into short sequences with flow and reliability, once, for training."""

from brushflow.cli.start import run

import os
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
import torch
from tqdm import tqdm

from brushflow.cli.commands import set_up_logging
from brushflow.common.errors import BrushflowError, UsageError
from brushflow.common.wording import counted
from brushflow.flow import read_flo
from brushflow.occlusion import read_pgm, reliability
from brushflow.training.data.clips import find_videos
from brushflow.training.data.prepare import PrepareSettings, place_for, prepare_video, read_flowlist
from brushflow.training.data.prepared import write_strip
from brushflow.training.data.windows import Strip
from brushflow.video import read_image

_PATH = click.Path(path_type=Path)
_DEFAULTS = PrepareSettings()


@click.command(context_settings={"max_content_width": 100, "show_default": True})
@click.argument("videos", type=_PATH)
@click.argument("out", type=_PATH)
@click.option("--from-flowlist", is_flag=True, help="VIDEOS is a flowlist.txt of the originals.")
@click.option("--length", default=_DEFAULTS.length, type=click.IntRange(2), help="Frames in a row.")
@click.option(
    "--gap", default=_DEFAULTS.gap, type=click.IntRange(1), help="Frames of the video apart."
)
@click.option(
    "--side",
    default=_DEFAULTS.side,
    type=click.IntRange(64),
    help="Pixels of the shorter side; windows for training must fit in.",
)
@click.option(
    "--per-video",
    default=_DEFAULTS.per_video,
    type=click.IntRange(1),
    help="The most sequences from one video; those with the most motion are kept.",
)
@click.option("--flow", default=_DEFAULTS.flow, help="Optical flow, as of brushflow paint.")
@click.option("--flow-weights", type=str, help="Weights of the optical flow network.")
@click.option("--device", default=_DEFAULTS.device, help="Where that network runs.")
@click.option("--val-percent", default=10.0, type=click.FloatRange(0, 100), help="For validation.")
@click.option("--jobs", default=0, type=click.IntRange(0), help="Processes; 0 is one per core.")
def command(
    videos: Path, out: Path, from_flowlist: bool, val_percent: float, jobs: int, **values: Any
) -> None:
    """Prepare sequences from the videos in VIDEOS (and folders in it) in the folder OUT.

    Videos are files, or folders of frames.

    Give OUT to brushflow train as --videos. Cuts are found; whole videos go to training or to
    validation. Bad files are named and skipped. Type the same command again after an
    interruption, or with more videos.
    """
    set_up_logging()
    if from_flowlist:
        count = _convert_flowlist(videos, out, val_percent)
    else:
        count = _prepare_all(videos, out, val_percent, jobs, PrepareSettings(**values))
    if count == 0:
        raise BrushflowError(
            f"No sequence was written to {out}: there is no shot with enough frames and motion."
        )
    click.echo(f"{counted(count, 'sequence')} in {out}.")


def _prepare_all(
    videos: Path, out: Path, val_percent: float, jobs: int, settings: PrepareSettings
) -> int:
    paths = find_videos(videos)
    names = _names(videos, paths)
    count, bad = 0, 0
    with _pool(jobs or os.cpu_count() or 1) as pool:
        pending: dict[Future[int], Path] = {
            pool.submit(prepare_video, path, place_for(name, out, val_percent), settings): path
            for path, name in zip(paths, names, strict=True)
        }
        for future in tqdm(as_completed(pending), total=len(pending), unit="video"):
            try:
                count += future.result()
            except BrushflowError as error:
                if isinstance(error, UsageError):
                    raise
                bad += 1
                tqdm.write(f"Skipping a video: {error}")
    if bad:
        click.echo(f"{bad} of {counted(len(paths), 'video')} could not be read.", err=True)
    return count


def _names(root: Path, paths: list[Path]) -> list[str]:
    """One folder name for every video, from its place below ``root``."""
    return ["__".join(path.relative_to(root).parts) or root.absolute().name for path in paths]


@contextmanager
def _pool(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Processes of one thread each; what has not begun is dropped if the block fails."""
    # Started afresh: a copy of this process would share the threads of torch without having them.
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), _one_thread)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _one_thread() -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def _convert_flowlist(path: Path, out: Path, val_percent: float) -> int:
    count = 0
    for pairs in tqdm(list(read_flowlist(path)), unit="run"):
        first = pairs[0][0]
        name = first.parent.name
        try:
            strip = _strip_of_files(pairs)
        except BrushflowError as error:
            tqdm.write(f"Skipping a run: {error}")
            continue
        write_strip(place_for(name, out, val_percent) / first.stem, strip)
        count += 1
    return count


def _strip_of_files(pairs: list[tuple[Path, Path, Path, Path]]) -> Strip:
    """Frames and flows as the original scripts keep them; their certainty where it is there."""
    frames = [read_image(pairs[0][0]), *(read_image(later) for _, later, _, _ in pairs)]
    flows, maps = [], []
    for (_, _, backward, forward), frame in zip(pairs, frames[1:], strict=True):
        flow, reverse = read_flo(backward), read_flo(forward)
        certainty = backward.with_name("reliable_" + backward.stem.removeprefix("s_") + ".pgm")
        if certainty.is_file():
            maps.append(read_pgm(certainty))
        else:
            maps.append(reliability(flow, reverse))
        if not flow.shape[:2] == maps[-1].shape == frame.shape[:2]:
            raise BrushflowError(f"{backward} and its frame or certainty are not of one size.")
        flows.append(flow)
    return Strip(frames, flows, [np.asarray(m, np.float32) for m in maps])


def main() -> None:
    """Entry point."""
    run(command)


if __name__ == "__main__":
    main()
