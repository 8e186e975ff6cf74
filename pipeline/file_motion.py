"""Motion that lies in files: ``.flo``, and maps in ``.pgm`` or other grey pictures."""

from concurrent.futures import Executor
from pathlib import Path

import numpy as np

from brushflow.common.errors import BrushflowError, UsageError
from brushflow.flow import read_flo, stays_inside
from brushflow.occlusion import read_map
from brushflow.pipeline.motion import Motion
from brushflow.pipeline.patterns import pair_path


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
    ) -> Motion:
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


def check_patterns(flow_pattern: str, occlusions_pattern: str) -> None:
    """UsageError unless both are given."""
    if not (flow_pattern and occlusions_pattern):
        raise UsageError(
            "--flow-pattern and --occlusions-pattern are needed, or --create-inconsistent."
        )
