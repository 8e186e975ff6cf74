"""Cuts: the frames at which a new shot begins, where nothing may be carried over."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

from brushflow.errors import BrushflowError, UsageError

SCAN_WIDTH = 96  # pixels; enough to tell shots apart, and cheap
_WINDOW = 4  # neighbours on each side that a change is compared with
_LEAST_CHANGE = 6.0  # grey levels; smaller changes are no cut whatever surrounds them
_RATIO = 3.0  # how much a cut stands out from its neighbours
_MOST_ALIKE = 0.8  # correlation of the pictures before and after a cut


class CutDetector:
    """Finds hard cuts from small grey frames.

    A cut is a change between neighbours that is large, stands out from the changes around it (so
    that fast motion is none), and leaves a picture unlike the one before (so that a flash or a
    change of exposure is none).
    """

    def __init__(self) -> None:
        self._previous: np.ndarray | None = None
        self._changes: list[float] = []
        self._likeness: list[float] = []

    def add(self, frame: np.ndarray) -> None:
        """Take the next frame, uint8 (H, W), all of one size."""
        # Blurring forgives small motion.
        small = cv2.GaussianBlur(frame, (0, 0), 1.5).astype(np.float32)
        if self._previous is not None:
            self._changes.append(float(np.abs(small - self._previous).mean()))
            self._likeness.append(_correlation(small, self._previous))
        self._previous = small

    def cuts(self) -> list[int]:
        """Indices of the frames that begin a new shot, ascending, without the first frame."""
        return [
            index + 1
            for index, (change, likeness) in enumerate(
                zip(self._changes, self._likeness, strict=True)
            )
            if change >= _LEAST_CHANGE
            and likeness <= _MOST_ALIKE
            and change >= _RATIO * _usual(self._changes, index)
        ]


def _usual(changes: Sequence[float], index: int) -> float:
    """The median change around ``index``; a second cut near by does not move it."""
    around = [*changes[max(0, index - _WINDOW) : index], *changes[index + 1 : index + 1 + _WINDOW]]
    return float(np.median(around)) if around else 0.0


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / norm if norm > 0 else 1.0


def scan_size(width: int, height: int) -> tuple[int, int]:
    """(width, height) of the frames to look for cuts in."""
    scale = min(1.0, SCAN_WIDTH / width)
    return max(8, round(width * scale)), max(8, round(height * scale))


def read_cuts(path: Path, frames: int) -> list[int]:
    """Read a list of cuts: frame numbers from 0, or the scene list that PySceneDetect writes.

    A number is that of the first frame of a shot. PySceneDetect counts frames from 1.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise UsageError(f"There is no list of cuts {path}; use auto, none or a file.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise BrushflowError(f"The list of cuts {path} cannot be read as text.") from error
    try:
        rows = list(csv.reader(text.splitlines()))
        header = next((i for i, row in enumerate(rows) if "Start Frame" in row), None)
        if header is not None:
            column = rows[header].index("Start Frame")
            numbers = [int(row[column]) - 1 for row in rows[header + 1 :] if row]
        else:
            numbers = [int(cell) for row in rows for cell in row if cell.strip()]
    except (ValueError, IndexError, csv.Error) as error:
        raise BrushflowError(
            f"The list of cuts {path} holds something else than frame numbers or a PySceneDetect "
            f"scene list."
        ) from error
    outside = [number for number in numbers if not 0 <= number < frames]
    if outside:
        raise BrushflowError(
            f"The list of cuts {path} names frame {outside[0]}, but the video has frames 0 to "
            f"{frames - 1}."
        )
    return sorted(set(numbers) - {0})


def detect_cuts(frames: Iterable[np.ndarray]) -> list[int]:
    """Cuts in a row of small grey frames, see ``CutDetector``."""
    detector = CutDetector()
    for frame in frames:
        detector.add(frame)
    return detector.cuts()
