"""Command: stylize the cube faces of a spherical video, with flow and reliability from files.

The options are those of the original fast_artistic_video_vr program, and mean the same; of those,
smooth_certainty is not here. Nothing is carried over from frames of one colour.
"""

from brushflow.cli.start import run

from collections.abc import Sequence
from concurrent.futures import Executor
from functools import partial
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
    state_path,
    stylize_files,
)
from brushflow.common.errors import BrushflowError, UsageError
from brushflow.common.torch_devices import usable_device
from brushflow.common.wording import counted
from brushflow.evaluation.face_scores import FaceScores
from brushflow.models import deprocess
from brushflow.occlusion.motion import FileMotion, Motion, frame_path, pair_path
from brushflow.pipeline.spherical_stylizer import FaceAfterFace, smoothed
from brushflow.pipeline.stylizer import Stylized
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
@click.option("--invert-occlusions", is_flag=True, help="In the files, white means hidden.")
@click.option("--fix-occlusions", is_flag=True, help="Also hide what comes from outside the face.")
@click.option("--create-inconsistent-border", is_flag=True, help="Every face alone.")
@shared_options
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
    motion = motion_from(
        *(FaceFileMotion, flow_pattern, occlusions_pattern, step),
        *(invert_occlusions, fix_occlusions, create_inconsistent),
    )

    def front(index: int) -> Path:
        return face_path(input_pattern, index, FILES["front"])

    indices = numbers_there(front, start_frame, num_frames)[::step]
    if not indices:
        raise UsageError(
            f"There is no face {front(start_frame)}; --start-frame is the number of the first "
            f"frame."
        )
    todo = frames_to_do(indices, continue_with)
    chosen = usable_device(device)
    stylizer = FaceAfterFace(
        **as_published(
            *(model_vid, model_img, motion, occlusions_min_filter, fill_occlusions),
            *(create_inconsistent, chosen),
        ),
        overlap=(overlap_pixel_w, overlap_pixel_h),
        turned_poles=True,
        border_consistency=not create_inconsistent_border,
    )
    numbers = tuple(FILES[name] for name in FACES)
    scored = partial(FaceScores, numbers=numbers, overlap=(overlap_pixel_w, overlap_pixel_h))
    scores = frame_scores(chosen, FaceFileMotion, scored, **evaluation)
    prefix = Path(output_prefix)
    panorama = None

    def state_of(index: int) -> Tensor:
        state = kept_state(prefix, index)
        if state is None:
            raise UsageError(
                f"To go on with frame {todo[0]}, {state_path(prefix)} of frame {index} must exist; "
                f"begin earlier."
            )
        return state

    def write(item: Stylized) -> None:
        nonlocal panorama
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
                write_image(prefix.with_name(f"{stem}-{FILES[name]}.png"), picture)

    read = partial(read_faces, input_pattern)
    stylize_files(stylizer, indices, todo, step, prefix, read, state_of, write, scores)
    click.echo(f"Wrote {counted(len(todo), 'frame')}, {prefix}-{todo[0]:05d} and on.")


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
