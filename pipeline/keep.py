"""The by-products a user may want, named as the tools of the field name them."""

from collections.abc import Collection
from pathlib import Path

import numpy as np

from brushflow.flow import write_flo
from brushflow.flow.resize import resize_flow
from brushflow.occlusion import write_pgm
from brushflow.pipeline.motion import Motion
from brushflow.pipeline.stylizer import Stylized
from brushflow.video import write_image


def keep(
    folder: Path, wanted: Collection[str], stylized: Stylized, picture: np.ndarray, step: int
) -> None:
    """Write what is wanted of one frame: ``frames``, ``flow``, ``reliability``.

    Frames count from 1. With i the frame and j the one painted before it (i − 1, or i + 1 when
    working backward): ``out-<i>.png``; ``backward_i_j.flo`` and ``forward_j_i.flo`` (the names
    change places when j > i, as forward means towards later frames); ``reliable_i_j.pgm``. Those of
    a sphere's faces end in the face's name, as in ``reliable_2_1-front.pgm``.
    """
    folder.mkdir(exist_ok=True)
    i = stylized.index + 1
    j = i - step
    if "frames" in wanted:
        write_image(folder / f"out-{i:05d}.png", picture)
    motion = stylized.motion
    if motion is None:
        return
    faces = {"": motion}
    if not isinstance(motion, Motion):
        faces = {f"-{name}": of_face for name, of_face in motion.items()}
    here, there = ("backward", "forward") if step > 0 else ("forward", "backward")
    for name, motion in faces.items():
        if stylized.seen is not None and not name:
            motion = motion.enlarged(stylized.frame.shape[:2])
        if "flow" in wanted:
            write_flo(folder / f"{here}_{i}_{j}{name}.flo", motion.flow)
            if motion.reverse is not None:
                reverse = resize_flow(motion.reverse, motion.flow.shape[:2])
                write_flo(folder / f"{there}_{j}_{i}{name}.flo", reverse)
        if "reliability" in wanted:
            write_pgm(folder / f"reliable_{i}_{j}{name}.pgm", motion.reliability)
