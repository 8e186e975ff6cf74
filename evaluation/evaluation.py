"""What an evaluation found: means, series over time, and a map of where it flickers."""

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brushflow.common.atomic_files import atomic_path
from brushflow.evaluation.metrics import Metric, catalog

FLOOR, RESULT, CEILING = "floor", "result", "ceiling"


@dataclass(frozen=True)
class Measured:
    """One video's numbers.

    ``role``: "floor" for the source itself, "ceiling" for the result that the caller named as
    painted frame by frame, else "result". ``means`` and ``series`` by the metrics' keys; a series
    has one value per frame, that of a pair with its later frame, None where nothing was measured.
    ``heat``: float32 (H, W) in [0, 1], root mean square over time of the visible differences
    between neighbouring frames, along the motion.
    """

    name: str
    path: Path
    role: str
    means: Mapping[str, float | None]
    series: Mapping[str, Sequence[float | None]]
    heat: NDArray[np.float32] = field(repr=False)


@dataclass(frozen=True)
class Evaluation:
    """All of it; ``settings`` says how it was measured, for people and for files.

    ``floor`` is the source measured as if it were a result: the errors of the motion estimation
    and the source's own flicker. ``ceiling`` is what the same network does without any prior.
    """

    floor: Measured
    results: tuple[Measured, ...]
    ceiling: Measured | None
    frames: int
    size: tuple[int, int]
    frame_rate: float
    distances: tuple[int, ...]
    settings: Mapping[str, Any]

    @property
    def videos(self) -> list[Measured]:
        """Floor, results, ceiling: the columns of the table."""
        return [self.floor, *self.results, *([self.ceiling] if self.ceiling else [])]

    def __getitem__(self, name: str) -> Measured:
        """The result (or ceiling) of that name."""
        return next(each for each in self.videos[1:] if each.name == name)

    def metrics(self) -> list[Metric]:
        """Those metrics that were measured for at least one video."""
        return [
            metric
            for metric in catalog(self.distances)
            if any(video.means.get(metric.key) is not None for video in self.videos)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Everything but the maps, as JSON values."""
        return {
            "frames": self.frames,
            "width": self.size[0],
            "height": self.size[1],
            "frame_rate": self.frame_rate,
            "distances": list(self.distances),
            "settings": dict(self.settings),
            "metrics": {
                m.key: {"label": m.label, "unit": m.unit, "better": m.better, "meaning": m.meaning}
                for m in self.metrics()
            },
            "videos": [
                {
                    "name": video.name,
                    "role": video.role,
                    "path": str(video.path),
                    "means": dict(video.means),
                    "series": {key: list(values) for key, values in video.series.items()},
                }
                for video in self.videos
            ],
        }

    def write_json(self, path: Path | str) -> None:
        """Write ``to_dict``, whole or not at all."""
        with atomic_path(path) as partial:
            text = json.dumps(self.to_dict(), indent=1, ensure_ascii=False, allow_nan=False)
            partial.write_text(text + "\n", encoding="utf-8")

    def write_csv(self, path: Path | str) -> None:
        """Write the table: a row per video, a column per metric, empty where there is none."""
        keys = [metric.key for metric in self.metrics()]
        with atomic_path(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["name", "role", "frames", *keys])
            for video in self.videos:
                values = (video.means.get(key) for key in keys)
                cells = ("" if value is None else repr(value) for value in values)
                writer.writerow([video.name, video.role, self.frames, *cells])


def mean_or_none(values: Sequence[float | None]) -> float | None:
    """The mean of what was measured, None if nothing was."""
    there = [value for value in values if value is not None and math.isfinite(value)]
    return math.fsum(there) / len(there) if there else None
