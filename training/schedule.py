"""Values that change as training goes on, written as ``first[,iteration:value]*``."""

import math
import re
from dataclasses import dataclass

from brushflow.common.errors import UsageError

WARM_UP = 50  # iterations in which the rate of the one cycle rises
_PAIR = re.compile(r"(?<![x\d])(\d+)x(\d+)(?![x\d])")
_LAST_SHARE = 0.02  # of the rate that is left at the end of the cycle


@dataclass(frozen=True)
class Schedule:
    """A piecewise constant function of the iteration (0-based).

    ``steps`` holds (first iteration, value) pairs with ascending iterations, the first at 0.
    """

    steps: tuple[tuple[int, float], ...]

    @classmethod
    def parse(cls, text: str, about: str, least: float = 0.0, whole: bool = False) -> "Schedule":
        """Read ``1e-3,50000:1e-4`` or ``0:1,50000:2``.

        UsageError ``about`` that option if it is not of that form, or a value is below ``least``
        or, where it has to be, not ``whole``.
        """
        steps: list[tuple[int, float]] = []
        try:
            for part in text.split(","):
                start, colon, number = part.rpartition(":")
                steps.append((int(start) if colon else 0, float(number)))
        except ValueError:
            steps = []
        starts = [start for start, _ in steps]
        if not steps or starts[0] != 0 or starts != sorted(set(starts)):
            raise UsageError(
                f"{text!r} is not of the form value,iteration:value,… with ascending iterations.",
                about,
            )
        for _, value in steps:
            if not (least <= value < math.inf) or (whole and value != int(value)):
                kind = "whole number" if whole else "number"
                raise UsageError(f"{text!r}: every value is a {kind} from {least:g} up.", about)
        return cls(tuple(steps))

    def __call__(self, iteration: int) -> float:
        """The value at this iteration."""
        return [value for start, value in self.steps if start <= iteration][-1]

    @property
    def largest(self) -> float:
        """The largest value at any time."""
        return max(value for _, value in self.steps)


@dataclass(frozen=True)
class SizeSchedule:
    """Height and width of windows in pixels, by iteration."""

    heights: Schedule
    widths: Schedule

    @classmethod
    def parse(cls, text: str, about: str, least: int) -> "SizeSchedule":
        """Read ``128,600:192`` or ``128x192,600:192x256``, where a size is HEIGHTxWIDTH or a side.

        ``256:384`` alone is a height and a width as the original program writes them.
        UsageError as from ``Schedule.parse``.
        """
        pair = re.fullmatch(r"([1-9]\d*):(\d+)", text.strip())
        if pair:
            text = f"{pair[1]}x{pair[2]}"
        sides = (_PAIR.sub(rf"\{place}", text) for place in (1, 2))
        return cls(*(Schedule.parse(each, about, least, whole=True) for each in sides))

    def __call__(self, iteration: int) -> tuple[int, int]:
        """(height, width) at this iteration."""
        return int(self.heights(iteration)), int(self.widths(iteration))

    @property
    def largest(self) -> tuple[int, int]:
        """The largest height and the largest width at any time."""
        return int(self.heights.largest), int(self.widths.largest)

    @property
    def square(self) -> bool:
        """Whether all windows are."""
        return self.heights == self.widths


def one_cycle(iteration: int, iterations: int) -> float:
    """Share of the full rate: a linear rise over the warm-up, then half a cosine (Smith 2018)."""
    warm = min(1.0, (iteration + 1) / WARM_UP)
    fall = 0.5 * (1 + math.cos(math.pi * iteration / iterations))
    return warm * (_LAST_SHARE + (1 - _LAST_SHARE) * fall)
