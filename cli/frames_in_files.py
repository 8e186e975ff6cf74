"""What the original tools' commands share: options, which frames to do, and the way through them.

Frames lie in files, one by one, and so do their paintings; beside these, the float output of the
last one, which is what the next one goes on from.
"""

from collections.abc import Callable
from contextlib import closing
from functools import reduce
from itertools import takewhile
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from tqdm import tqdm

from brushflow.common.atomic_files import atomic_path
from brushflow.common.errors import BrushflowError, UsageError
from brushflow.common.tensor_files import safetensors_bytes
from brushflow.common.torch_devices import DEVICES, choose_precision
from brushflow.models import load
from brushflow.occlusion.motion import FileMotion
from brushflow.pipeline.stylizer import Stylized


def _odd(ctx: click.Context, option: click.Parameter, width: int) -> int:
    """A window's width; a wrong usage if it has no middle."""
    if width % 2 == 0:
        raise click.BadParameter(f"{width} has no middle; give an odd width.", ctx, option)
    return width


_OPTIONS = (
    click.option("--backward", is_flag=True, help="From the last frame to the first."),
    click.option(
        "--occlusions-min-filter",
        default=7,
        show_default=True,
        type=click.IntRange(1),
        help="Odd width of the window that shrinks the reliable area.",
    ),
    click.option(
        "--fill-occlusions",
        default="vgg-mean",
        show_default=True,
        type=click.Choice(["vgg-mean", "uniform-random"]),
        help="What the network sees where there is no prior.",
    ),
    click.option("--create-inconsistent", is_flag=True, help="Every frame alone; needs no flow."),
    click.option(
        "--median-filter",
        default=3,
        show_default=True,
        type=click.IntRange(1, 255),
        callback=_odd,
        help="Smooth the written picture with this odd window; 1 for not at all.",
    ),
    click.option("--device", default="auto", show_default=True, help=DEVICES),
)


def shared_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator: the options that flat frames and faces of a sphere have alike."""
    return reduce(lambda wrapped, option: option(wrapped), reversed(_OPTIONS), command)


def motion_from(
    kind: type[FileMotion],
    flow_pattern: str,
    occlusions_pattern: str,
    step: int,
    invert: bool,
    fix: bool,
    inconsistent: bool,
) -> FileMotion | None:
    """Motion from files of two patterns, None if it is not wanted; UsageError if one is missing."""
    if inconsistent:
        return None
    if not (flow_pattern and occlusions_pattern):
        raise UsageError(
            "--flow-pattern and --occlusions-pattern are needed, or --create-inconsistent."
        )
    return kind(flow_pattern, occlusions_pattern, step, invert, fix)


def as_published(
    model_vid: str,
    model_img: str,
    motion: FileMotion | None,
    occlusions_min_filter: int,
    fill_occlusions: str,
    create_inconsistent: bool,
    device: torch.device,
) -> dict[str, Any]:
    """Arguments of a stylizer that paints as the original programs do."""
    return {
        "model": load(model_vid),
        "first_frame_model": None if model_img == "self" else load(model_img),
        "motion": motion,
        "min_filter_width": occlusions_min_filter,
        # By default what the model has learned with; the original's flat ones: the mean colour.
        "fill": "noise" if fill_occlusions == "uniform-random" else None,
        "outside": "black",
        "independent": create_inconsistent,
        "settle": 0,
        "device": device,
        "precision": choose_precision("auto", device),
    }


def numbers_there(path_of: Callable[[int], Path], first: int, last: int) -> list[int]:
    """``first`` and on, up to the first that has no file, ``last`` at most."""
    return list(takewhile(lambda i: path_of(i).is_file(), range(first, last + 1)))


def frames_to_do(numbers: list[int], continue_with: int | None) -> list[int]:
    """Those from ``continue_with`` on, in the order of work; UsageError if it is none of them."""
    if continue_with is None:
        return numbers
    if continue_with not in numbers:
        raise UsageError(f"There is no frame {continue_with} among {numbers[0]}…{numbers[-1]}.")
    return numbers[numbers.index(continue_with) :]


def stylize_files(
    stylizer: Any,
    numbers: list[int],
    todo: list[int],
    step: int,
    prefix: Path,
    read: Callable[[int], np.ndarray],
    state_of: Callable[[int], Tensor],
    write: Callable[[Stylized], None],
    scores: Any = None,
    seed: Tensor | None = None,
) -> None:
    """Paint frames ``todo``, the last ones of ``numbers``, in the order of work.

    Args:
        stylizer: of flat frames, or of faces.
        numbers: of all frames, ``step`` apart.
        prefix: where paintings lie, and the last one's float output.
        read: gives a frame, or its faces.
        state_of: gives the float output of a frame that was painted earlier; may raise.
        write: writes a painting.
        scores: judges paintings, see ``evaluation_options``; None for none.
        seed: what the first frame is painted over.
    """
    if scores and todo[0] == numbers[0]:
        scores.begin()
    prefix.parent.mkdir(parents=True, exist_ok=True)
    first, known = todo[0], None
    if first != numbers[0] and stylizer.independent and scores:
        first -= step  # painted again, as what the next one is compared with
    elif first != numbers[0] and not stylizer.independent:
        first -= step
        known = {"output": state_of(first)}
        if scores:
            scores.previous = Stylized(first, read(first), known["output"], None)
    frames = (read(i) for i in range(first, todo[-1] + step, step))
    more = {} if seed is None else {"seed": seed}
    painting = stylizer.stylize(frames, first=first, step=step, state=known, **more)
    with closing(painting) as stylized:
        for item in tqdm(stylized, total=len(todo), unit=" frames", disable=None):
            write(item)
            if not stylizer.independent:
                save_state(prefix, item.index, item.output)
            if scores:
                scores.add(item)


def save_state(prefix: Path, index: int, output: Tensor) -> None:
    """Keep the float output of the last frame."""
    with atomic_path(state_path(prefix)) as partial:
        state = {"output": output.cpu().contiguous()}
        partial.write_bytes(safetensors_bytes(state, {"frame": str(index)}))


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
