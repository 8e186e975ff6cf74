"""Command: flow and reliability of all consecutive frames, as files.

The names are those of the original fast-artistic-videos scripts, so that its tools, and
stylize_frames.py here, can work with them.
"""

from brushflow.cli.start import run

import os
import re
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from tqdm import tqdm

from brushflow.cli.commands import set_up_logging
from brushflow.cli.option_types import Pixels
from brushflow.common.errors import BrushflowError, UsageError
from brushflow.common.torch_devices import DEVICES, usable_device
from brushflow.common.wording import counted
from brushflow.flow import FlowEstimator, load_estimator, read_flo, write_flo
from brushflow.flow.estimators import NAMES_TOLD
from brushflow.occlusion import RULES, reliability, write_pgm
from brushflow.occlusion.motion import frame_path
from brushflow.video import read_image
from brushflow.video.sequence import list_images


@dataclass(frozen=True)
class Pair:
    """Two consecutive frames, numbered ``previous`` and ``current``, and what is computed of them.

    Every array is a file of its own in ``folder``; those that are there are kept.
    """

    previous: int
    current: int
    frames: dict[int, Path]
    folder: Path

    @property
    def backward(self) -> Path:
        """Flow from the current frame into the previous one."""
        return self.folder / f"backward_{self.current}_{self.previous}.flo"

    @property
    def forward(self) -> Path:
        """Flow from the previous frame into the current one."""
        return self.folder / f"forward_{self.previous}_{self.current}.flo"

    @property
    def reliable_backward(self) -> Path:
        """Where the backward flow can be believed."""
        return self.folder / f"reliable_{self.current}_{self.previous}.pgm"

    @property
    def reliable_forward(self) -> Path:
        """Where the forward flow can be believed."""
        return self.folder / f"reliable_{self.previous}_{self.current}.pgm"

    def compute(self, estimator: FlowEstimator, rule: str) -> None:
        """Write the files that are not there."""
        maps = (self.reliable_backward, self.reliable_forward)
        if all(path.exists() for path in (self.backward, self.forward, *maps)):
            return
        frame = read_image(self.frames[self.current])
        previous = read_image(self.frames[self.previous])
        if frame.shape != previous.shape:
            raise BrushflowError(
                f"{self.frames[self.current]} is {_size(frame)} but the frame before it is "
                f"{_size(previous)}; bring all frames to the same size."
            )
        backward = _kept_or_computed(self.backward, estimator, frame, previous)
        forward = _kept_or_computed(self.forward, estimator, previous, frame)
        if not self.reliable_backward.exists():
            write_pgm(self.reliable_backward, reliability(backward, forward, frame, rule))
        if not self.reliable_forward.exists():
            write_pgm(self.reliable_forward, reliability(forward, backward, previous, rule))


def _kept_or_computed(
    path: Path, estimator: FlowEstimator, frame: np.ndarray, other: np.ndarray
) -> np.ndarray:
    if not path.exists():
        flow = estimator(frame, other)
        write_flo(path, flow)
        return flow
    flow = read_flo(path)
    if flow.shape[:2] != frame.shape[:2]:
        raise BrushflowError(
            f"{path} is {_size(flow)} but the frames are {_size(frame)}; "
            "delete it, or choose another folder."
        )
    return flow


def _size(picture: np.ndarray) -> str:
    return f"{picture.shape[1]}×{picture.shape[0]}"


def numbered_frames(place: str) -> dict[int, Path]:
    """Frames by number: for a pattern those in the file names, else counted from 1.

    Raises:
        BrushflowError: a number is missing between the first and the last.
    """
    images = list_images(place)
    pattern = Path(place)
    before, percent, _ = pattern.name.partition("%")
    if not percent or pattern.exists():
        return dict(enumerate(images, start=1))
    digits = re.compile(r"\d+")
    numbers = {
        int(found[0])
        for path in pattern.parent.iterdir()
        if (found := digits.match(path.name, len(before)))
        and frame_path(place, int(found[0])).name == path.name
    }
    missing = min(numbers) + len(images)
    if max(numbers) > missing:
        raise BrushflowError(
            f"The frame {frame_path(place, missing)} is missing, but later ones are there; "
            "add it, or move the later ones away."
        )
    return dict(enumerate(images, start=min(numbers)))


@click.command(context_settings={"max_content_width": 100})
@click.argument("frames")
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--flow",
    default="dis",
    show_default=True,
    help=f"How motion is found: {NAMES_TOLD}.",
)
@click.option(
    "--flow-weights",
    type=click.Path(path_type=Path),
    help="Weights of a flow network, instead of downloading them.",
)
@click.option(
    "--flow-size",
    type=Pixels(16),
    metavar="N",
    help="Find motion on frames whose longest side is at most this [default: as they are].",
)
@click.option(
    "--occlusion",
    default="fast",
    show_default=True,
    type=click.Choice(RULES),
    help="How it is decided what can be believed: fast lets motion edges pass, slow leaves them "
    "out and is soft.",
)
@click.option(
    "--jobs",
    default=os.cpu_count() or 1,
    type=click.IntRange(1),
    help="Pairs of frames worked on at the same time [default: one per core].",
)
@click.option("--device", default="auto", show_default=True, help=DEVICES)
def command(
    frames: str,
    out: Path,
    flow: str,
    flow_weights: Path | None,
    flow_size: int | None,
    occlusion: str,
    jobs: int,
    device: str,
) -> None:
    """Compute flow and reliability of consecutive FRAMES into the folder OUT.

    FRAMES is a folder of pictures or a pattern such as frame_%05d.png. For frame i and the one
    before it, j, OUT gets backward_i_j.flo, forward_j_i.flo, reliable_i_j.pgm and
    reliable_j_i.pgm. Files that are there are kept: the same command goes on after an
    interruption.
    """
    set_up_logging()
    paths = numbered_frames(frames)
    if len(paths) < 2:
        raise UsageError(f"'{frames}' is a single frame; flow needs two.")
    estimator = load_estimator(flow, usable_device(device, "fp32"), flow_weights, flow_size)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"The folder '{out}' cannot be made: {error.strerror}.") from error
    pairs = [Pair(i - 1, i, paths, out) for i in list(paths)[1:]]
    executor = ThreadPoolExecutor(jobs)
    try:
        running = [executor.submit(pair.compute, estimator, occlusion) for pair in pairs]
        for done in tqdm(as_completed(running), total=len(pairs), unit=" pairs", disable=None):
            done.result()
    finally:
        executor.shutdown(cancel_futures=True)
    click.echo(f"Flow and reliability of {counted(len(pairs), 'pair')} are in {out}.")


def main() -> None:
    """Entry point."""
    run(command)


if __name__ == "__main__":
    main()
