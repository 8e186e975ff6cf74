"""Command: stylize frames whose flow and reliability lie in files.

The options are those of the original fast-artistic-videos program, and mean the same; seed_image is
of its PyTorch port. Frames of one colour, which that program paints, are shown as they are.
"""

from brushflow.cli.start import run

import logging
from contextlib import closing
from itertools import takewhile
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
from safetensors import SafetensorError, safe_open
from torch import Tensor
from tqdm import tqdm

from brushflow.cli.commands import set_up_logging
from brushflow.cli.evaluation_options import evaluation_options, frame_scores
from brushflow.common.atomic_files import atomic_path
from brushflow.common.errors import BrushflowError, UsageError
from brushflow.common.tensor_files import safetensors_bytes
from brushflow.common.torch_devices import choose_device, choose_precision
from brushflow.common.wording import counted
from brushflow.models import load, preprocess
from brushflow.pipeline.finishing import finish
from brushflow.pipeline.motion import FileMotion, frame_path
from brushflow.pipeline.stylizer import Stylized, Stylizer
from brushflow.video import read_image, write_image

logger = logging.getLogger("brushflow.scripts.original.stylize_frames")


def odd(ctx: click.Context, option: click.Parameter, width: int) -> int:
    """A window's width; a wrong usage if it has no middle."""
    if width % 2 == 0:
        raise click.BadParameter(f"{width} has no middle; give an odd width.", ctx, option)
    return width


MEDIAN_FILTER = click.option(
    "--median-filter",
    default=3,
    show_default=True,
    type=click.IntRange(1, 255),
    callback=odd,
    help="Smooth the written picture with this odd window; 1 for not at all.",
)


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
    "--occlusions-min-filter",
    default=7,
    show_default=True,
    type=click.IntRange(1),
    help="Odd width of the window that shrinks the reliable area.",
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
@click.option("--backward", is_flag=True, help="From the last frame to the first.")
@click.option("--invert-occlusion", is_flag=True, help="In the files, white means hidden.")
@click.option(
    "--fix-occlusions",
    is_flag=True,
    help="Also hide what comes from outside the picture (for Sintel's own masks).",
)
@click.option(
    "--fill-occlusions",
    default="vgg-mean",
    show_default=True,
    type=click.Choice(["vgg-mean", "uniform-random"]),
    help="What the network sees where there is no prior.",
)
@click.option("--create-inconsistent", is_flag=True, help="Every frame alone; needs no flow.")
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
@MEDIAN_FILTER
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or mps.")
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
    motion = None
    if not create_inconsistent:
        if not (flow_pattern and occlusions_pattern):
            raise UsageError(
                "--flow-pattern and --occlusions-pattern are needed, or --create-inconsistent."
            )
        motion = FileMotion(
            flow_pattern, occlusions_pattern, step, invert_occlusion, fix_occlusions
        )
    indices = numbers_of_frames(input_pattern, num_frames)[::step]
    todo = frames_to_do(indices, continue_with)
    chosen = choose_device(device)
    stylizer = Stylizer(
        load(model_vid),
        first_frame_model=None if model_img == "self" else load(model_img),
        motion=motion,
        min_filter_width=occlusions_min_filter,
        fill="noise" if fill_occlusions == "uniform-random" else "mean",
        outside="black",  # as the original has it
        independent=create_inconsistent,
        first_scale=scale_factor,
        settle=0,  # as the original does
        device=chosen,
        precision=choose_precision("auto", chosen),
    )
    scores = frame_scores(chosen, **evaluation)
    if scores and todo[0] == indices[0]:
        scores.begin()
    prefix = Path(output_prefix)
    prefix.parent.mkdir(parents=True, exist_ok=True)
    first, state = todo[0], None
    if first != indices[0] and stylizer.independent and scores:
        first -= step  # painted again, as what the next one is compared with
    elif first != indices[0] and not stylizer.independent:
        first -= step
        state = load_state(prefix, first)
        earlier = read_image(frame_path(input_pattern, first))
        if state.shape != (1, 3, *earlier.shape[:2]):
            raise UsageError(
                f"What was stylized before is of another size than "
                f"{frame_path(input_pattern, first)}; begin with the first frame."
            )
        if scores:
            scores.previous = Stylized(first, earlier, state, None)
    seed = None
    if seed_image is not None:
        if stylizer.independent:
            raise UsageError("--seed-image is for a video model that carries paintings on.")
        seed = seed_of(seed_image, read_image(frame_path(input_pattern, first)))
    frames = (read_image(frame_path(input_pattern, i)) for i in range(first, todo[-1] + step, step))
    known = None if state is None else {"output": state}
    painting = stylizer.stylize(frames, first=first, step=step, state=known, seed=seed)
    with closing(painting) as stylized:
        for item in tqdm(stylized, total=len(todo), unit=" frames", disable=None):
            write_image(output_path(prefix, item.index), finish(item, median_filter))
            if not stylizer.independent:
                save_state(prefix, item.index, item.output)
            if scores:
                scores.add(item)
    click.echo(f"Wrote {counted(len(todo), 'frame')}, {output_path(prefix, todo[0])} and on.")


def numbers_of_frames(pattern: str, last: int) -> list[int]:
    """1, 2, … up to the first missing frame, ``last`` at most."""
    numbers = list(takewhile(lambda i: frame_path(pattern, i).is_file(), range(1, last + 1)))
    if not numbers:
        raise UsageError(f"There is no frame {frame_path(pattern, 1)}; frames count from 1.")
    return numbers


def frames_to_do(numbers: list[int], continue_with: int | None) -> list[int]:
    """Those from ``continue_with`` on, in the order of work; UsageError if it is none of them."""
    if continue_with is None:
        return numbers
    if continue_with not in numbers:
        raise UsageError(f"There is no frame {continue_with} among {numbers[0]}…{numbers[-1]}.")
    return numbers[numbers.index(continue_with) :]


def seed_of(path: Path, frame: np.ndarray) -> Tensor:
    """A picture at the size of a frame, in network space."""
    picture = read_image(path)
    if picture.shape != frame.shape:
        picture = cv2.resize(picture, frame.shape[1::-1], interpolation=cv2.INTER_AREA)
    return preprocess(picture)


def output_path(prefix: Path, index: int) -> Path:
    """The picture of frame ``index``."""
    return prefix.with_name(f"{prefix.name}-{index:05d}.png")


def save_state(prefix: Path, index: int, output: Tensor) -> None:
    """Keep the float output of the last frame, which is what the next one goes on from."""
    with atomic_path(state_path(prefix)) as partial:
        state = {"output": output.cpu().contiguous()}
        partial.write_bytes(safetensors_bytes(state, {"frame": str(index)}))


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


def kept_state(prefix: Path, index: int) -> Tensor | None:
    """The float output of frame ``index``, None if that of another frame or none was kept."""
    path = state_path(prefix)
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            if (file.metadata() or {}).get("frame") == str(index):
                # A copy: the library's holds the file, which Windows cannot replace then.
                return file.get_tensor("output").clone()
    except SafetensorError as error:
        raise BrushflowError(
            f"{path} is damaged; delete it to go on from the written picture."
        ) from error
    return None


def state_path(prefix: Path) -> Path:
    """Where the recurrent state of the last written frame lies."""
    return prefix.with_name(f"{prefix.name}-state.safetensors")


def main() -> None:
    """Entry point."""
    run(command)


if __name__ == "__main__":
    main()
