"""Command: stylize frames whose flow and reliability lie in files.

The options are those of the original fast-artistic-videos program, and mean the same; seed_image is
of its PyTorch port. Frames of one colour, which that program paints, are shown as they are.
"""

from brushflow.cli.start import run

import logging
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
from torch import Tensor

from brushflow.cli.commands import set_up_logging
from brushflow.cli.evaluation_options import evaluation_options, frame_scores
from brushflow.cli.frames_in_files import (
    as_published,
    frames_to_do,
    kept_state,
    motion_from,
    numbers_there,
    shared_options,
    stylize_files,
)
from brushflow.common.errors import UsageError
from brushflow.common.torch_devices import usable_device
from brushflow.common.wording import counted
from brushflow.models import preprocess
from brushflow.occlusion.motion import FileMotion, frame_path
from brushflow.pipeline.finishing import as_painted
from brushflow.pipeline.stylizer import Stylized, Stylizer
from brushflow.video import read_image, write_image

logger = logging.getLogger("brushflow.scripts.original.stylize_frames")


@click.command(context_settings={"max_content_width": 100})
@click.option(
    "--model-vid",
    default="starry-night",
    show_default=True,
    help="Video model: a bundled style or a file.",
)
@click.option(
    "--model-img",
    default="self",
    show_default=True,
    help="Model for frames without a prior; self is the video model.",
)
@click.option("--input-pattern", required=True, help="Frames, e.g. frame_%05d.png, from 1 on.")
@click.option(
    "--flow-pattern",
    default="",
    help="E.g. flow/backward_[%d]_{%d}.flo: [] is the frame being stylized, {} the one before it.",
)
@click.option(
    "--occlusions-pattern",
    default="",
    help="E.g. flow/reliable_[%d]_{%d}.pgm; any grey pictures, white where flow is reliable.",
)
@click.option(
    "--output-prefix",
    default="out",
    show_default=True,
    help="Results are PREFIX-00001.png and so on.",
)
@click.option(
    "--num-frames",
    default=9999,
    show_default=True,
    type=click.IntRange(1),
    help="Number of the last frame.",
)
@click.option(
    "--continue-with",
    type=click.IntRange(1),
    help="Number of the frame to begin with; "
    "the one before it, in the order of work, is stylized already [default: all].",
)
@click.option("--invert-occlusion", is_flag=True, help="In the files, white means hidden.")
@click.option(
    "--fix-occlusions",
    is_flag=True,
    help="Also hide what comes from outside the picture (for Sintel's own masks).",
)
@click.option(
    "--scale-factor",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0.01, 10),
    help="Paint frames without a prior at this share of their size.",
)
@click.option(
    "--seed-image",
    type=click.Path(path_type=Path),
    help="Picture that the first frame is painted over, in place of nothing.",
)
@shared_options
@evaluation_options(style_weights="1.0")
def command(
    model_vid: str,
    model_img: str,
    input_pattern: str,
    flow_pattern: str,
    occlusions_pattern: str,
    output_prefix: str,
    occlusions_min_filter: int,
    num_frames: int,
    continue_with: int | None,
    backward: bool,
    invert_occlusion: bool,
    fix_occlusions: bool,
    fill_occlusions: str,
    create_inconsistent: bool,
    scale_factor: float,
    seed_image: Path | None,
    median_filter: int,
    device: str,
    **evaluation: Any,
) -> None:
    """Stylize frames in files, with flow and reliability from files."""
    set_up_logging()
    step = -1 if backward else 1
    motion = motion_from(
        *(FileMotion, flow_pattern, occlusions_pattern, step),
        *(invert_occlusion, fix_occlusions, create_inconsistent),
    )
    numbers = numbers_there(lambda index: frame_path(input_pattern, index), 1, num_frames)[::step]
    if not numbers:
        raise UsageError(f"There is no frame {frame_path(input_pattern, 1)}; frames count from 1.")
    todo = frames_to_do(numbers, continue_with)
    chosen = usable_device(device)
    stylizer = Stylizer(
        **as_published(
            *(model_vid, model_img, motion, occlusions_min_filter, fill_occlusions),
            *(create_inconsistent, chosen),
        ),
        first_scale=scale_factor,
    )
    scores = frame_scores(chosen, **evaluation)
    seed = None
    if seed_image is not None:
        if stylizer.independent:
            raise UsageError("--seed-image is for a video model that carries paintings on.")
        seed = seed_of(seed_image, read_image(frame_path(input_pattern, todo[0])))
    prefix = Path(output_prefix)

    def read(index: int) -> np.ndarray:
        return read_image(frame_path(input_pattern, index))

    def state_of(index: int) -> Tensor:
        state = load_state(prefix, index)
        if state.shape != (1, 3, *read(index).shape[:2]):
            raise UsageError(
                f"What was stylized before is of another size than "
                f"{frame_path(input_pattern, index)}; begin with the first frame."
            )
        return state

    def write(item: Stylized) -> None:
        write_image(output_path(prefix, item.index), as_painted(item, median_filter))

    stylize_files(stylizer, numbers, todo, step, prefix, read, state_of, write, scores, seed)
    click.echo(f"Wrote {counted(len(todo), 'frame')}, {output_path(prefix, todo[0])} and on.")


def seed_of(path: Path, frame: np.ndarray) -> Tensor:
    """A picture at the size of a frame, in network space."""
    picture = read_image(path)
    if picture.shape != frame.shape:
        picture = cv2.resize(picture, frame.shape[1::-1], interpolation=cv2.INTER_AREA)
    return preprocess(picture)


def output_path(prefix: Path, index: int) -> Path:
    """The picture of frame ``index``."""
    return prefix.with_name(f"{prefix.name}-{index:05d}.png")


def load_state(prefix: Path, index: int) -> Tensor:
    """The output of frame ``index``; from its picture, if that is all there is."""
    state = kept_state(prefix, index)
    if state is not None:
        return state
    picture = output_path(prefix, index)
    if not picture.exists():
        raise UsageError(f"To go on from there, {picture} must exist; begin earlier.")
    logger.warning("Going on from %s, which is rounded to 8 bits and may be smoothed.", picture)
    return preprocess(read_image(picture))


def main() -> None:
    """Entry point."""
    run(command)


if __name__ == "__main__":
    main()
