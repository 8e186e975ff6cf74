"""How a frame moved since the one before it, and which of its pixels that is known for.

Motion is estimated, or lies in files: ``.flo``, and maps in ``.pgm`` or other grey pictures, whose
names have the frames' numbers in them, in the notation of the original programs.
"""

import re
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

import cv2
import numpy as np

from brushflow.common.errors import BrushflowError, UsageError
from brushflow.flow import read_flo, stays_inside
from brushflow.flow.borders import hold_inside
from brushflow.flow.pairs import bidirectional
from brushflow.flow.resize import fit, resize_flow
from brushflow.flow.types import FlowEstimator
from brushflow.occlusion import by_looks, read_map, reliability

_LEAST, _MOST = 320, 1024


@dataclass(frozen=True)
class Motion:
    """Displacement into the previous frame.

    ``flow``: float32 (H, W, 2) in pixels, on the frame's grid; ``reliability``: float32 (H, W)
    in [0, 1]; ``reverse``: flow from the previous frame to this one on the grid that it was found
    on, in that grid's pixels, as few ever want it; None if unknown; ``found``: flow and reliability
    on that grid, None if they never were on another.
    """

    flow: np.ndarray
    reliability: np.ndarray
    reverse: np.ndarray | None = None
    found: tuple[np.ndarray, np.ndarray] | None = None

    def enlarged(self, size: tuple[int, int]) -> "Motion":
        """The same on a larger grid, (height, width).

        What points out of the picture is not reliable: some of a border is believed as what lies
        beside it, and there is no painting out there to be carried in.
        """
        flow = resize_flow(self.flow, size)
        known = cv2.resize(self.reliability, size[::-1], interpolation=cv2.INTER_NEAREST)
        known *= stays_inside(flow)
        return Motion(flow, known, self.reverse, (self.flow, self.reliability))


Moved: TypeAlias = Motion | Sequence[Motion]  # of a picture, or of each of a sphere's faces


class MotionSource(Protocol):
    """Where motion comes from: an estimator, or files. Called from several threads at once."""

    def __call__(
        self, frame: np.ndarray, previous: np.ndarray, index: int, executor: Executor
    ) -> Moved:
        """Motion of ``frame`` (H, W, 3) or faces, which has this index, from ``previous``."""
        ...


class EstimatedMotion:
    """Flow in both directions, and reliability by their consistency (Ruder et al. 2018).

    With rule "fast", looks count besides, see ``occlusion.by_looks``.

    Both are found on smaller frames, as if they were the video, and enlarged: that takes a quarter
    of the time at half the size, and what is painted is as stable (docs/performance.md).

    Args:
        estimator: finds flow.
        rule: "fast" or "slow", see ``occlusion.reliability``.
        max_size: longest side in pixels that motion is found at; None: see ``usual_size``.
    """

    def __init__(
        self, estimator: FlowEstimator, rule: str = "fast", max_size: int | None = None
    ) -> None:
        self.estimator = estimator
        self.rule = rule
        self.max_size = max_size

    def __call__(
        self, frame: np.ndarray, previous: np.ndarray, index: int, executor: Executor
    ) -> Motion:
        return self.find(frame, previous, executor).enlarged(frame.shape[:2])

    def find(self, frame: np.ndarray, previous: np.ndarray, executor: Executor) -> Motion:
        """Motion on the smaller frames' grid."""
        longest = self.max_size or usual_size(max(frame.shape[:2]))
        small, small_previous = (fit(picture, longest) for picture in (frame, previous))
        flow, reverse = bidirectional(self.estimator, small, small_previous, executor)
        known = reliability(flow, reverse, small, self.rule)
        flow = hold_inside(flow)
        if self.rule == "fast":
            known = by_looks(known, flow, small, small_previous)
        # The check believes them when noise in the flow points inwards: they would come and go, and
        # flicker; and where they are never believed, a rule is painted along what is plain.
        known[-1], known[:, -1] = known[-2], known[:, -2]
        return Motion(flow, known, reverse)


def usual_size(longest: int) -> int:
    """The longest side to find motion at, in frames with this one: half, within bounds.

    On smaller pictures flow is worse than the time saved is worth, and all-pairs RAFT needs 4 GB
    for 1080p.
    """
    return min(longest, max(longest // 2, _LEAST), _MOST)


class FileMotion:
    """Motion read from ``.flo`` files and maps, frame by frame."""

    def __init__(
        self, flow_pattern: str, occlusions_pattern: str, step: int, invert: bool, fix: bool
    ) -> None:
        self.flow_pattern = flow_pattern
        self.occlusions_pattern = occlusions_pattern
        self.step = step
        self.invert = invert
        self.fix = fix

    def __call__(
        self, frame: np.ndarray, previous: np.ndarray, index: int, executor: Executor
    ) -> Moved:
        """Motion of frame ``index``; BrushflowError if its files are missing or do not fit."""
        return self.read(
            pair_path(self.flow_pattern, index - self.step, index),
            pair_path(self.occlusions_pattern, index - self.step, index),
            frame,
            f"frame {index}",
        )

    def read(self, flow_path: Path, map_path: Path, frame: np.ndarray, name: str) -> Motion:
        """Motion of a picture that is called ``name`` in messages."""
        flow, reliability = read_flo(flow_path), read_map(map_path)
        for path, size in ((flow_path, flow.shape[:2]), (map_path, reliability.shape)):
            if size != frame.shape[:2]:
                raise BrushflowError(
                    f"{path} is {size[1]}×{size[0]}, but {name} is "
                    f"{frame.shape[1]}×{frame.shape[0]}; compute it from these frames."
                )
        if self.invert:
            reliability = 1 - reliability
        if self.fix:
            reliability = reliability * stays_inside(flow)
        return Motion(flow, reliability.astype(np.float32, copy=False))


def frame_path(pattern: str, index: int) -> Path:
    """``frame_%05d.png`` with the number filled in."""
    return Path(_fill(pattern, index, pattern))


def pair_path(pattern: str, previous: int, current: int) -> Path:
    """``backward_[%d]_{%d}.flo``: the current frame's number in [], the previous one's in {}."""
    name = re.sub(r"\[([^\]]*)\]", lambda m: _fill(m[1], current, pattern), pattern)
    return Path(re.sub(r"\{([^}]*)\}", lambda m: _fill(m[1], previous, pattern), name))


def _fill(text: str, number: int, pattern: str) -> str:
    if not re.fullmatch(r"(?:[^%]|%%)*%0?\d*[di](?:[^%]|%%)*", text):
        raise UsageError(
            f"The pattern {pattern!r} needs one number such as %05d where a frame is meant."
        )
    return text % number
