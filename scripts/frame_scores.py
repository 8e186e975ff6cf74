"""Content, style and temporal error of stylized frames, as the original program evaluates them."""

import csv
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from brushflow.errors import BrushflowError
from brushflow.files import atomic_path
from brushflow.flow import warp
from brushflow.models import preprocess, to_rgb
from brushflow.pipeline.motion import MotionSource
from brushflow.pipeline.stylizer import Stylized

NAMES = ("content", "style", "temporal")
_MEAN = "mean"

# Content and style loss of an output (1, 3, H, W) for a frame of the same shape.
Losses = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class FrameScores:
    """Scores frames as they are painted and keeps a table of them in a file (REFERENCE C3).

    Temporal: mean over all 3·H·W samples of (c·warp(y, w) − c·z)², RGB in [0, 1] and not clipped;
    y is the output before, z the output at hand, w the backward flow between them and c its
    certainty. For data with forward flow alone, ``forward`` exchanges y and z.

    The file has a row per frame and a last one with the means over the frames that have a value
    (the original divides by its option for the last frame, and exchanges content and style). Rows
    of earlier frames that lie in the file are kept, so that a run that goes on completes it.

    Args:
        path: the file.
        losses: content and style.
        motion: flow and certainty of a frame from the one numbered before it.
        forward: the flow is that of the earlier frame into the later one.
        device: where the losses run.
    """

    def __init__(
        self,
        path: Path,
        losses: Losses,
        motion: MotionSource,
        forward: bool,
        device: torch.device,
    ) -> None:
        self.path = path
        self.losses = losses
        self.motion = motion
        self.forward = forward
        self.device = device
        self.rows = _read(path) if path.exists() else {}
        self.previous: Stylized | None = None

    @torch.inference_mode()
    def add(self, stylized: Stylized) -> None:
        """Score the next painted frame, in either order of numbers, and write the file."""
        frame = preprocess(stylized.frame, self.device)
        output = stylized.output.to(self.device)
        content, style = (float(value) for value in self.losses(output, frame))
        self.rows[stylized.index] = [content, style, None]
        if self.previous is not None:
            earlier, later = sorted((self.previous, stylized), key=lambda each: each.index)
            if later.index in self.rows:  # not if it was painted by a run that scored nothing
                self.rows[later.index][-1] = self._temporal(earlier, later)
        self.previous = stylized
        self._write()

    def _temporal(self, earlier: Stylized, later: Stylized) -> float:
        with ThreadPoolExecutor(1) as pool:
            motion = self.motion(later.frame, earlier.frame, later.index, pool)
        flow = torch.from_numpy(np.ascontiguousarray(motion.flow))[None]
        certainty = torch.from_numpy(motion.reliability)[None, None]
        moved, still = (later, earlier) if self.forward else (earlier, later)
        warped = warp(_unit(moved), flow)
        return float((certainty * (warped - _unit(still))).square().mean())

    def _write(self) -> None:
        with atomic_path(self.path) as partial, partial.open("w", newline="") as file:
            writer = csv.writer(file, delimiter=";")
            writer.writerow(["frame", *NAMES])
            for index, values in sorted(self.rows.items()):
                writer.writerow([index, *("" if v is None else repr(v) for v in values)])
            columns = zip(*self.rows.values(), strict=True)
            writer.writerow([_MEAN, *map(_mean, columns)])


def _unit(stylized: Stylized) -> Tensor:
    return to_rgb(stylized.output.cpu()) / 255


def _mean(column: tuple[float | None, ...]) -> str:
    there = [value for value in column if value is not None]
    return repr(sum(there) / len(there)) if there else ""


def _read(path: Path) -> dict[int, list[float | None]]:
    """The rows of a file written before, by frame; BrushflowError if it is something else."""
    try:
        with path.open(newline="") as file:
            head, *rows = csv.reader(file, delimiter=";")
        if head != ["frame", *NAMES] or any(len(row) != 1 + len(NAMES) for row in rows):
            raise ValueError
        return {
            int(row[0]): [float(cell) if cell else None for cell in row[1:]]
            for row in rows
            if row[0] != _MEAN
        }
    except (ValueError, UnicodeDecodeError) as error:
        raise BrushflowError(
            f"{path} is no table of this command's scores; name another --evaluation-file."
        ) from error
