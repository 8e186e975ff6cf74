"""Command: stylize the cube faces of a spherical video, with flow and reliability from files.

The options are those of the original fast_artistic_video_vr program, and mean the same; of those,
smooth_certainty is not here. Nothing is carried over from frames of one colour.
"""

from brushflow.cli.start import run

from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import closing
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
from tqdm import tqdm

from brushflow.cli.commands import set_up_logging
from brushflow.cli.evaluation_options import evaluation_options, frame_scores
from brushflow.common.errors import BrushflowError, UsageError
from brushflow.common.torch_devices import choose_device, choose_precision
from brushflow.common.wording import counted
from brushflow.evaluation.face_scores import FaceScores
from brushflow.models import deprocess, load
from brushflow.pipeline.motion import (
    FileMotion,
    Motion,
    frame_path,
    pair_path,
)
from brushflow.pipeline.spherical_stylizer import FaceAfterFace, smoothed
from brushflow.pipeline.stylizer import Stylized
from brushflow.scripts.original.stylize_frames import (
    MEDIAN_FILTER,
    frames_to_do,
    kept_state,
    save_state,
    state_path,
)
from brushflow.spherical import FACES, Panorama
from brushflow.video import read_image, write_image

# Numbers of the faces in file names, after transform360 (REFERENCE D1, D2). The face that is
# painted first is its BACK, so its poles lie the other way up, and are painted so.
FILES = {"front": 6, "left": 1, "right": 2, "back": 5, "up": 3, "down": 4}
# Faces of the cubemap strip from left to right, with quarter turns counter-clockwise.
STRIP = (("back", 0), ("front", 0), ("up", 1), ("down", -1), ("right", 0), ("left", 0))


class FaceFileMotion(FileMotion):
    """Motion of six faces; the number left in a pattern, outside [] and {}, is the face's."""

    def __call__(
        self, frame: np.ndarray, previous: np.ndarray, index: int, executor: Executor
    ) -> Sequence[Motion]:
        """Motion of the faces of frame ``index`` as they are painted."""
        before = index - self.step
        motions = []
        for name, face in zip(FACES, frame, strict=True):
            flow_path, map_path = (
                frame_path(str(pair_path(pattern, before, index)), FILES[name])
                for pattern in (self.flow_pattern, self.occlusions_pattern)
            )
            title = f"face {FILES[name]} of frame {index}"
            motions.append(self.read(flow_path, map_path, face, title))
        return motions


@click.command(context_settings={"max_content_width": 100, "show_default": True})
@click.option("--model-vid", default="starry-night", help="Video model: a bundled style or a file.")
@click.option("--model-img", default="self", help="Model for the first face of the first frame.")
@click.option(
    "--input-pattern", required=True, help="Frame, then face: frame_%05d-%d.png. Faces are 1 to 6."
)
@click.option(
    "--flow-pattern",
    default="",
    help="E.g. flow/backward_[%d]_{%d}-%d.flo: [] is the frame being stylized, {} the one before "
    "it, the last number the face.",
)
@click.option(
    "--occlusions-pattern",
    default="",
    help="E.g. flow/reliable_[%d]_{%d}-%d.pgm; any grey pictures, white where flow is reliable.",
)
@click.option("--overlap-pixel-w", default=20, help="Pixels a face sees too much, over both sides.")
@click.option("--overlap-pixel-h", default=20, help="The same vertically.")
@click.option("--output-prefix", default="out", help="Results are PREFIX-00001-1.png and so on.")
@click.option("--out-equi", is_flag=True, help="Write PREFIX-00001_equi.png instead of faces.")
@click.option("--out-equi-w", default=768, type=click.IntRange(16), help="Width of these.")
@click.option("--out-equi-h", default=768, type=click.IntRange(16), help="Height of these.")
@click.option(
    "--out-cubemap", is_flag=True, help="Write PREFIX-00001_cubemap.png, six faces in a row."
)
@click.option("--start-frame", default=1, type=click.IntRange(0), help="Number of the first frame.")
@click.option("--num-frames", default=9999, type=click.IntRange(1), help="Number of the last one.")
@click.option(
    "--continue-with",
    type=click.IntRange(0),
    help="Number of the frame to begin with; the one before it, in the order of work, is stylized "
    "already [default: all].",
)
@click.option("--backward", is_flag=True, help="From the last frame to the first.")
@click.option(
    "--occlusions-min-filter",
    default=7,
    type=click.IntRange(1),
    help="Odd width of the window that shrinks the reliable area.",
)
@click.option("--invert-occlusions", is_flag=True, help="In the files, white means hidden.")
@click.option("--fix-occlusions", is_flag=True, help="Also hide what comes from outside the face.")
@click.option(
    "--fill-occlusions",
    default="vgg-mean",
    type=click.Choice(["vgg-mean", "uniform-random"]),
    help="What the network sees where there is no prior.",
)
@click.option("--create-inconsistent", is_flag=True, help="Every frame alone; needs no flow.")
@click.option("--create-inconsistent-border", is_flag=True, help="Every face alone.")
@MEDIAN_FILTER
@click.option("--device", default="auto", help="auto, cpu, cuda or mps.")
@evaluation_options(style_weights="5.0")
def command(
    model_vid: str,
    model_img: str,
    input_pattern: str,
    flow_pattern: str,
    occlusions_pattern: str,
    overlap_pixel_w: int,
    overlap_pixel_h: int,
    output_prefix: str,
    out_equi: bool,
    out_equi_w: int,
    out_equi_h: int,
    out_cubemap: bool,
    start_frame: int,
    num_frames: int,
    continue_with: int | None,
    backward: bool,
    occlusions_min_filter: int,
    invert_occlusions: bool,
    fix_occlusions: bool,
    fill_occlusions: str,
    create_inconsistent: bool,
    create_inconsistent_border: bool,
    median_filter: int,
    device: str,
    **evaluation: Any,
) -> None:
    """Stylize the six faces of spherical frames in files, with flow and reliability from files."""
    set_up_logging()
    step = -1 if backward else 1
    motion = None
    if not create_inconsistent:
        if not (flow_pattern and occlusions_pattern):
            raise UsageError(
                "--flow-pattern and --occlusions-pattern are needed, or --create-inconsistent."
            )
        motion = FaceFileMotion(
            flow_pattern, occlusions_pattern, step, invert_occlusions, fix_occlusions
        )
    indices = numbers_of_frames(input_pattern, start_frame, num_frames)[::step]
    todo = frames_to_do(indices, continue_with)
    chosen = choose_device(device)
    stylizer = FaceAfterFace(
        load(model_vid),
        first_frame_model=None if model_img == "self" else load(model_img),
        motion=motion,
        overlap=(overlap_pixel_w, overlap_pixel_h),
        turned_poles=True,
        border_consistency=not create_inconsistent_border,
        min_filter_width=occlusions_min_filter,
        fill="noise" if fill_occlusions == "uniform-random" else "mean",
        outside="black",  # as the original has it
        independent=create_inconsistent,
        settle=0,  # as the original does
        device=chosen,
        precision=choose_precision("auto", chosen),
    )
    numbers = tuple(FILES[name] for name in FACES)
    scored = partial(FaceScores, numbers=numbers, overlap=(overlap_pixel_w, overlap_pixel_h))
    scores = frame_scores(chosen, FaceFileMotion, scored, **evaluation)
    if scores and todo[0] == indices[0]:
        scores.begin()
    prefix = Path(output_prefix)
    prefix.parent.mkdir(parents=True, exist_ok=True)
    first, state = todo[0], None
    if first != indices[0] and stylizer.independent and scores:
        first -= step  # painted again, as what the next one is compared with
    elif first != indices[0] and not stylizer.independent:
        first -= step
        state = kept_state(prefix, first)
        if state is None:
            raise UsageError(
                f"To go on with frame {todo[0]}, {state_path(prefix)} of frame {first} must exist; "
                f"begin earlier."
            )
        if scores:
            scores.previous = Stylized(first, read_faces(input_pattern, first), state, None)
    frames = (read_faces(input_pattern, i) for i in range(first, todo[-1] + step, step))
    panorama = None
    known = None if state is None else {"output": state}
    with closing(stylizer.stylize(frames, first=first, step=step, state=known)) as stylized:
        for item in tqdm(stylized, total=len(todo), unit=" frames", disable=None):
            faces = smoothed(item.output, median_filter)
            stem = f"{prefix.name}-{item.index:05d}"
            if out_equi:
                cube = stylizer.overlaps.cube
                panorama = panorama or Panorama(out_equi_w, out_equi_h, "equirect", cube, chosen)
                picture = deprocess(panorama.frame(faces))
                write_image(prefix.with_name(f"{stem}_equi.png"), picture)
            pictures = dict(zip(FACES, map(deprocess, faces.split(1)), strict=True))
            if out_cubemap:
                strip = cubemap_strip(pictures, overlap_pixel_w // 2, overlap_pixel_h // 2)
                write_image(prefix.with_name(f"{stem}_cubemap.png"), strip)
            if not (out_equi or out_cubemap):
                for name, picture in pictures.items():
                    path = prefix.with_name(f"{stem}-{FILES[name]}.png")
                    write_image(path, picture)
            if not stylizer.independent:
                save_state(prefix, item.index, item.output)
            if scores:
                scores.add(item)
    click.echo(f"Wrote {counted(len(todo), 'frame')}, {prefix}-{todo[0]:05d} and on.")


def numbers_of_frames(pattern: str, first: int, last: int) -> list[int]:
    """``first`` and on, up to the first missing frame, ``last`` at most."""
    numbers = range(first, last + 1)
    found = list(takewhile(lambda i: face_path(pattern, i, FILES["front"]).is_file(), numbers))
    if not found:
        raise UsageError(
            f"There is no face {face_path(pattern, first, FILES['front'])}; --start-frame is the "
            f"number of the first frame."
        )
    return found


def face_path(pattern: str, index: int, face: int) -> Path:
    """``frame_%05d-%d.png`` with the numbers of a frame and a face filled in."""
    try:
        return Path(pattern % (index, face))
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"The pattern {pattern!r} needs two numbers, of the frame and of the face, as in "
            f"frame_%05d-%d.png."
        ) from error


def read_faces(pattern: str, index: int) -> np.ndarray:
    """The faces of a frame, (6, H, W, 3)."""
    faces: list[np.ndarray] = []
    for name in FACES:
        path = face_path(pattern, index, FILES[name])
        face = read_image(path)
        if faces and face.shape != faces[0].shape:
            raise BrushflowError(
                f"{path} is {face.shape[1]}×{face.shape[0]}, and another face "
                f"{faces[0].shape[1]}×{faces[0].shape[0]}; those of a cube are of one size."
            )
        faces.append(face)
    return np.stack(faces)


def cubemap_strip(faces: dict[str, np.ndarray], across: int, down: int) -> np.ndarray:
    """The true faces side by side, in the original program's order.

    ``across`` and ``down`` are the pixels on each side that a face sees too much.
    """
    inside = slice(down, -down or None), slice(across, -across or None)
    tiles = [np.rot90(faces[name][inside], turns) for name, turns in STRIP]
    height, width = tiles[0].shape[:2]
    # A turned face that is not square is as wide as others are high.
    return np.hstack(
        [
            tile if tile.shape[:2] == (height, width) else cv2.resize(tile, (width, height))
            for tile in tiles
        ]
    )


def main() -> None:
    """Entry point."""
    run(command)


if __name__ == "__main__":
    main()
