"""Values that change as training goes on, written as ``first[,iteration:value]*``."""

from dataclasses import dataclass

from brushflow.errors import UsageError


@dataclass(frozen=True)
class Schedule:
    """A piecewise constant function of the iteration (0-based).

    ``steps`` holds (first iteration, value) pairs with ascending iterations, the first at 0.
    """

    steps: tuple[tuple[int, float], ...]

    @classmethod
    def parse(cls, text: str, option: str) -> "Schedule":
        """Read ``1e-3,50000:1e-4`` or ``0:1,50000:2``; UsageError names ``option``."""
        steps: list[tuple[int, float]] = []
        try:
            for part in text.split(","):
                start, colon, value = part.rpartition(":")
                steps.append((int(start) if colon else 0, float(value)))
        except ValueError:
            steps = []
        starts = [start for start, _ in steps]
        if not steps or starts[0] != 0 or starts != sorted(set(starts)):
            raise UsageError(
                f"{option} {text!r} is not of the form value,iteration:value,… with ascending "
                f"iterations."
            )
        return cls(tuple(steps))

    def __call__(self, iteration: int) -> float:
        """The value at this iteration."""
        return [value for start, value in self.steps if start <= iteration][-1]
