"""What has been measured of one video so far."""

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from brushflow.evaluation.drift import drift_percent
from brushflow.evaluation.evaluation import Measured, mean_or_none
from brushflow.evaluation.stability import FloatMap

_APPEARANCE = ("luminance", "contrast", "color")


class Tally:
    """Numbers by metric and frame, and the sums for the map of where it flickers."""

    def __init__(self, name: str, path: Path, role: str) -> None:
        self.name = name
        self.path = path
        self.role = role
        self.values: dict[str, dict[int, float]] = {}
        self._heat: NDArray[np.float32] | None = None
        self._seen: NDArray[np.float32] | None = None

    def add(self, index: int, numbers: dict[str, float]) -> None:
        """Numbers of frame ``index``, or of a pair or window that ends with it; NaN is nothing."""
        for key, value in numbers.items():
            if math.isfinite(value):
                self.values.setdefault(key, {})[index] = value

    def warm(self, differences: FloatMap, mask: NDArray) -> None:
        """Add squared differences of neighbours (H, W) where ``mask`` is set."""
        if self._heat is None or self._seen is None:
            self._heat = np.zeros(mask.shape, np.float32)
            self._seen = np.zeros(mask.shape, np.float32)
        np.add(self._heat, differences, out=self._heat, where=mask)
        self._seen += mask

    def series(self, key: str, frames: int) -> list[float | None]:
        """One value per frame, None where nothing was measured."""
        values = self.values.get(key, {})
        return [values.get(index) for index in range(frames)]

    def measured(
        self, source: "Tally", frames: int, frame_rate: float, size: tuple[int, int]
    ) -> Measured:
        """The end of it. ``source``: the tally of the source; ``size``: (width, height)."""
        series = {key: self.series(key, frames) for key in self.values}
        means = {
            key: mean_or_none(values) for key, values in series.items() if key not in _APPEARANCE
        }
        for key in _APPEARANCE:
            ours, theirs = (
                [math.nan if value is None else value for value in tally.series(key, frames)]
                for tally in (self, source)
            )
            drift = drift_percent(ours, theirs, frame_rate)
            means[f"drift_{key}"] = drift if math.isfinite(drift) else None
        if self._heat is None or self._seen is None:
            heat = np.zeros((size[1], size[0]), np.float32)
        else:
            heat = np.sqrt(self._heat / np.maximum(self._seen, 1))
        return Measured(self.name, self.path, self.role, means, series, heat)
