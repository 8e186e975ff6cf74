"""Photographs as random training sequences."""

import logging
from collections.abc import Sequence as Pictures
from copy import copy
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from brushflow.common.errors import BrushflowError, UsageError
from brushflow.training.data.places import files_by_folder
from brushflow.training.data.simulated import SOURCES, Sequence, Size, vr, with_holes
from brushflow.video import read_image

logger = logging.getLogger(__name__)

PICTURE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm"}


def find_photographs(folder: Path) -> list[Path]:
    """All pictures in the folder and below it, sorted; UsageError if there are none."""
    if not folder.is_dir():
        raise UsageError(f"There is no folder of photographs {folder}.")
    files = (path for _, files in files_by_folder(folder) for path in files)
    paths = sorted(path for path in files if path.suffix.lower() in PICTURE_SUFFIXES)
    if not paths:
        raise UsageError(f"The folder {folder} holds no pictures.")
    return paths


class Photographs:
    """Draws sequences of the simulated sources from pictures.

    ``pictures``: whatever ``_read`` finds them by; here it is the files' names. ``holes``: hide
    parts of the certainty inside the picture too, see ``simulated.with_holes``.
    """

    def __init__(self, pictures: Pictures[Any], holes: bool = True) -> None:
        self.pictures = list(pictures)
        self.holes = holes
        self._unreadable: set[Path] = set()

    def only(self, pictures: Pictures[Any]) -> "Photographs":
        """The same, with these of the pictures only."""
        part = copy(self)
        part.pictures = list(pictures)
        return part

    def sequence(
        self, source: str, size: Size, steps: int, random: np.random.Generator, turns: int = 0
    ) -> Sequence:
        """A sequence of ``steps`` steps in windows of ``size``; ``random`` decides everything.

        ``turns`` is the side of the neighbour in a ``vr`` sequence, one for a whole batch, whose
        strips have to be of one shape.
        """
        for _ in range(1000):
            rgb = self._read(self.pictures[random.integers(len(self.pictures))])
            if rgb is None:
                continue
            picture = self._picture(rgb, size, random)
            if source == "vr":
                return vr(picture, size[0], turns, random)
            sequence = SOURCES[source](picture, size, steps, random)
            if not self.holes:
                return sequence
            holed = [with_holes(certainty, random) for certainty in sequence.certainties]
            return Sequence(sequence.frames, sequence.flows, holed)
        raise UsageError(f"Hardly any picture in {self.pictures[0].parent} can be read.")

    def _read(self, picture: Any) -> np.ndarray | None:
        """RGB uint8 (H, W, 3); None for what is no picture, which is told once."""
        path = Path(picture)
        try:
            return read_image(path)
        except BrushflowError:
            if path not in self._unreadable:
                self._unreadable.add(path)
                logger.warning("Skipping %s, which is not a readable picture.", path)
            return None

    def _picture(self, rgb: np.ndarray, size: Size, random: np.random.Generator) -> Tensor:
        """A random scale and orientation of a photograph, RGB float (3, H, W), not below size."""
        fits = max(least / side for least, side in zip(size, rgb.shape[:2], strict=True))
        # Half size at the least, but large enough for the window and some motion.
        smallest = min(1.0, max(0.5, 1.2 * fits))
        scale = max(random.uniform(smallest, 1.0), 1.05 * fits)
        height, width = (
            max(least, round(side * scale)) for least, side in zip(size, rgb.shape[:2], strict=True)
        )
        interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        rgb = cv2.resize(rgb, (width, height), interpolation=interpolation)
        if random.random() < 0.5:
            rgb = rgb[:, ::-1]
        return torch.from_numpy(np.ascontiguousarray(rgb.transpose(2, 0, 1))).float()
