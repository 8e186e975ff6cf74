"""Content, style and temporal error of stylized frames, as the original program evaluates them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from brushflow.evaluation.score_table import Key, Row, ScoreTable
from brushflow.flow import warp
from brushflow.models import preprocess, to_rgb
from brushflow.occlusion.motion import Motion, MotionSource
from brushflow.pipeline.stylizer import Stylized

NAMES = ("content", "style", "temporal")

# Content and style loss of an output (1, 3, H, W) for a frame of the same shape.
Losses = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class FrameScores:
    """Scores frames as they are painted and keeps a table of them in a file (REFERENCE C3).

    The file has a row per frame and a last one with the means over the frames that have a value
    (the original divides by its option for the last frame, and exchanges content and style).

    Args:
        path: the file.
        losses: content and style.
        motion: flow and certainty of a frame from the one numbered before it; None for no temporal
            error.
        forward: the flow is that of the earlier frame into the later one.
        device: where the losses run.
    """

    keys: tuple[str, ...] = ("frame",)
    names: tuple[str, ...] = NAMES

    def __init__(
        self,
        path: Path,
        losses: Losses,
        motion: MotionSource | None,
        forward: bool,
        device: torch.device,
    ) -> None:
        self.table = ScoreTable(path, self.keys, self.names)
        self.losses = losses
        self.motion = motion
        self.forward = forward
        self.device = device
        self.previous: Stylized | None = None

    def begin(self) -> None:
        """Forget the rows of an earlier run, which this one does not go on from."""
        self.table.rows.clear()

    @torch.inference_mode()
    def add(self, stylized: Stylized) -> None:
        """Score the next painted frame, in either order of numbers, and write the file."""
        rows = self.table.rows
        for key, scores in self._scores(stylized).items():
            # A frame that a run goes on from is painted again where nothing else is kept of it.
            rows[key] = [*scores, rows.get(key, [None])[-1]]
        if self.previous is not None and self.motion is not None:
            earlier, later = sorted((self.previous, stylized), key=lambda each: each.index)
            with ThreadPoolExecutor(1) as pool:
                motion = self.motion(later.frame, earlier.frame, later.index, pool)
            for key, error in self._temporal(earlier, later, motion).items():
                if key in rows:  # not if it was painted by a run that scored nothing
                    rows[key][-1] = error
        self.previous = stylized
        self.table.write()

    def _scores(self, stylized: Stylized) -> dict[Key, Row]:
        """All scores of a frame but the temporal one, by the keys of their rows."""
        frame = preprocess(stylized.frame, self.device)
        losses = self.losses(output_of(stylized).to(self.device), frame)
        return {(stylized.index,): [float(loss) for loss in losses]}

    def _temporal(self, earlier: Stylized, later: Stylized, motion: Any) -> dict[Key, float]:
        """The temporal errors of the later frame; ``motion`` is what ``self.motion`` gave."""
        error = temporal_error(output_of(earlier), output_of(later), motion, self.forward)
        return {(later.index,): error}


def output_of(stylized: Stylized) -> Tensor:
    """What a network painted; ValueError where none ran, which has no scores."""
    if stylized.output is None:
        raise ValueError(f"no network painted frame {stylized.index}")
    return stylized.output


def temporal_error(earlier: Tensor, later: Tensor, motion: Motion, forward: bool) -> float:
    """Mean over all 3·H·W samples of (c·warp(y, w) − c·z)², RGB in [0, 1] and not clipped.

    Outside the picture y is black.

    y is the earlier output, z the later one (1, 3, H, W), in network space; w the backward flow
    between them and c its certainty. For data with forward flow alone, ``forward`` exchanges y and
    z.
    """
    flow = torch.from_numpy(np.ascontiguousarray(motion.flow))[None]
    certainty = torch.from_numpy(motion.reliability)[None, None]
    moved, still = (later, earlier) if forward else (earlier, later)
    moved, still = (to_rgb(output.cpu()) / 255 for output in (moved, still))
    warped = warp(moved, flow, outside=torch.zeros(1, 1, 1, 1))
    return float((certainty * (warped - still)).square().mean())
