"""A folder of photographs as random training sequences."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from brushflow.errors import UsageError
from brushflow.models.preprocessing import from_rgb
from brushflow.training.sources import SOURCES, Sequence

logger = logging.getLogger(__name__)

PICTURE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm"}


@dataclass(frozen=True)
class Batch:
    """Sequences of one source, stacked: see ``sources.Sequence``.

    ``frames``: n+1 tensors (N, 3, H, W) in network space; ``flows``: n of (N, H, W, 2);
    ``certainties``: n of (N, 1, H, W).
    """

    source: str
    frames: list[Tensor]
    flows: list[Tensor]
    certainties: list[Tensor]


def parse_mix(text: str) -> dict[str, int]:
    """Read a data mix such as ``shift:1,zoom_out:1`` into source names and weights."""
    mix: dict[str, int] = {}
    for part in text.split(","):
        name, _, weight = part.partition(":")
        if name not in SOURCES:
            raise UsageError(
                f"Unknown data source {name!r} in --data-mix; choose from {', '.join(SOURCES)}."
            )
        if not (weight.isdecimal() and int(weight) > 0):
            raise UsageError(f"--data-mix {part!r} needs a positive whole weight, as in {name}:1.")
        mix[name] = int(weight)
    return mix


class Photographs:
    """Draws batches; which pictures and motions depends only on the seed and the iteration."""

    def __init__(self, folder: Path | str, mix: dict[str, int], seed: int) -> None:
        folder = Path(folder)
        if not folder.is_dir():
            raise UsageError(f"There is no folder of photographs {folder}.")
        self.paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in PICTURE_SUFFIXES)
        if not self.paths:
            raise UsageError(f"The folder {folder} holds no pictures.")
        self.wheel = [name for name, weight in mix.items() for _ in range(weight)]
        self.seed = seed
        self._unreadable: set[Path] = set()

    def batch(self, iteration: int, size: int, count: int, steps: int) -> Batch:
        """``count`` sequences of ``steps`` steps and size×size pixels, all of one source."""
        random = np.random.default_rng([self.seed, iteration])
        name = self.wheel[random.integers(len(self.wheel))]
        drawn = self._draw(random)
        sequences: list[Sequence] = []
        while len(sequences) < count:
            picture = self._picture(next(drawn), size, random)
            if picture is not None:
                sequences.append(SOURCES[name](picture, size, steps, random))
        return Batch(
            name,
            [
                from_rgb(torch.stack(frames))
                for frames in zip(*(s.frames for s in sequences), strict=True)
            ],
            [torch.stack(flows) for flows in zip(*(s.flows for s in sequences), strict=True)],
            [torch.stack(maps) for maps in zip(*(s.certainties for s in sequences), strict=True)],
        )

    def _draw(self, random: np.random.Generator) -> Iterator[Path]:
        for _ in range(1000):
            yield self.paths[random.integers(len(self.paths))]
        raise UsageError(f"Hardly any picture in {self.paths[0].parent} can be read.")

    def _picture(self, path: Path, size: int, random: np.random.Generator) -> Tensor | None:
        """A random scale and orientation of a photograph, RGB float (3, H, W), H and W >= size."""
        encoded = np.fromfile(path, np.uint8)
        bgr = cv2.imdecode(encoded, cv2.IMREAD_COLOR) if encoded.size else None
        if bgr is None:
            if path not in self._unreadable:
                self._unreadable.add(path)
                logger.warning("Skipping %s, which is not a readable picture.", path)
            return None
        shortest = min(bgr.shape[:2])
        # Half size at the least, but large enough for the window and some motion.
        smallest = min(1.0, max(0.5, 1.2 * size / shortest))
        scale = max(random.uniform(smallest, 1.0), 1.05 * size / shortest)
        height, width = (max(size, round(n * scale)) for n in bgr.shape[:2])
        interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        bgr = cv2.resize(bgr, (width, height), interpolation=interpolation)
        if random.random() < 0.5:
            bgr = bgr[:, ::-1]
        rgb = np.ascontiguousarray(bgr[..., ::-1].transpose(2, 0, 1))
        return torch.from_numpy(rgb).float()
