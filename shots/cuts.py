"""Cuts: the frames at which a new shot begins, where nothing may be carried over."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

from brushflow.common.atomic_files import atomic_path
from brushflow.common.errors import BrushflowError, UsageError
from brushflow.common.sizes import fit_size
from brushflow.flow import load_estimator
from brushflow.shots.gradual_transitions import (
    DissolveDetector,
    FadeDetector,
    Transition,
    correlation,
)

SCAN_WIDTH = 96  # pixels; enough to tell shots apart, and cheap
_WINDOW = 4  # neighbours on each side that a change is compared with
_LEAST_CHANGE = 6.0  # grey levels; smaller changes are no cut whatever surrounds them
_RATIO = 3.0  # how much a cut stands out from its neighbours
_MOST_ALIKE = 0.8  # correlation of the pictures before and after a cut
_NEAR = 3  # frames between two transitions that are one


class CutDetector:
    """Finds where shots change, from small grey frames: hard cuts, fades and dissolves.

    A hard cut is a change between neighbours that is large, stands out from the changes around it
    (so that fast motion is none), leaves a picture unlike the one before (so that a flash or a
    change of exposure is none), and unlike it also where optical flow moves that one to (so that a
    jerk is none). Of gradual changes see ``transitions``.
    """

    def __init__(self) -> None:
        self._previous: tuple[np.ndarray, np.ndarray] | None = None
        self._flow = load_estimator("dis-fast")
        self._changes: list[float] = []
        self._likeness: list[float] = []
        self._fades = FadeDetector()
        self._dissolves = DissolveDetector()

    def add(self, frame: np.ndarray) -> None:
        """Take the next frame, uint8 (H, W), all of one size."""
        # Blurring forgives small motion.
        small = cv2.GaussianBlur(frame, (0, 0), 1.5).astype(np.float32)
        if self._previous is not None:
            before, before_small = self._previous
            change = float(np.abs(small - before_small).mean())
            likeness = correlation(small, before_small)
            if change >= _LEAST_CHANGE and likeness <= _MOST_ALIKE:
                likeness = self._likeness_of_moved(before, frame)
            self._changes.append(change)
            self._likeness.append(likeness)
        self._fades.add(small)
        self._dissolves.add(small)
        self._previous = (frame, small)

    def _likeness_of_moved(self, before: np.ndarray, frame: np.ndarray) -> float:
        """Correlation of a frame and the one before it moved along the flow between them."""
        flow = self._flow(np.dstack([frame] * 3), np.dstack([before] * 3))
        height, width = frame.shape
        x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        moved = cv2.remap(
            before, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE
        )
        a, b = (cv2.GaussianBlur(p, (0, 0), 1.0).astype(np.float32) for p in (frame, moved))
        return correlation(a, b)

    def transitions(self) -> list[Transition]:
        """All changes of shot, in order; a fade or dissolve that a cut interrupts is that cut."""
        found = [Transition("cut", index, index, index) for index in self._hard_cuts()]
        for gradual in (*self._fades.transitions(), *self._dissolves.transitions()):
            if not any(_meet(gradual, other) for other in found):
                found.append(gradual)
        return sorted(found, key=lambda transition: transition.at)

    def dissolves(self, transitions: Sequence[Transition]) -> list[tuple[int, int]]:
        """First and last frames of those of its transitions that show two shots at once."""
        return [self._dissolves.whole(one.at) for one in transitions if one.kind == "dissolve"]

    def cuts(self) -> list[int]:
        """Indices of the frames that begin a new shot, ascending, without the first frame."""
        return [transition.at for transition in self.transitions()]

    def _hard_cuts(self) -> list[int]:
        return [
            index + 1
            for index, (change, likeness) in enumerate(
                zip(self._changes, self._likeness, strict=True)
            )
            if change >= _LEAST_CHANGE
            and likeness <= _MOST_ALIKE
            and change >= _RATIO * _usual(self._changes, index)
        ]


def _meet(one: Transition, other: Transition) -> bool:
    return one.first <= other.last + _NEAR and other.first <= one.last + _NEAR


def _usual(changes: Sequence[float], index: int) -> float:
    """The median change around ``index``; a second cut near by does not move it."""
    around = [*changes[max(0, index - _WINDOW) : index], *changes[index + 1 : index + 1 + _WINDOW]]
    return float(np.median(around)) if around else 0.0


def scan_size(width: int, height: int) -> tuple[int, int]:
    """(width, height) of the frames to look for cuts in."""
    across, down = fit_size((width, height), (SCAN_WIDTH, height))
    return max(8, across), max(8, down)


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


def write_cuts(
    path: Path, found: Sequence[Transition], seconds: Sequence[float], replace: bool = True
) -> None:
    """Write a list that ``read_cuts`` reads: PySceneDetect's columns, and the kind of change.

    ``seconds``: times of all frames. A shot begins where its transition says.
    """
    starts = [0, *(transition.at for transition in found)]
    kinds = ["", *(transition.kind for transition in found)]
    with (
        atomic_path(path, replace) as partial,
        partial.open("w", encoding="utf-8", newline="") as file,
    ):
        rows = csv.writer(file)
        rows.writerow(["Scene Number", "Start Frame", "Start Time (seconds)", "End Frame", "Kind"])
        for number, start in enumerate(starts):
            end = starts[number + 1] if number + 1 < len(starts) else len(seconds)
            rows.writerow([number + 1, start + 1, f"{seconds[start]:.3f}", end, kinds[number]])


def detect_cuts(frames: Iterable[np.ndarray]) -> list[int]:
    """Cuts in a row of small grey frames, see ``CutDetector``."""
    detector = CutDetector()
    for frame in frames:
        detector.add(frame)
    return detector.cuts()
