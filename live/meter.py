"""How fast it is, and how old a picture is when it is seen."""

from collections import deque
from dataclasses import dataclass, field
from statistics import median

SPAN = 2.0  # seconds that the shown numbers are taken over


@dataclass
class Meter:
    """Counts shown frames; all times are seconds of one steady clock.

    ``latencies`` has those of all frames: from a frame's arrival to its painting being shown.
    """

    latencies: list[float] = field(default_factory=list)
    _recent: deque[tuple[float, float]] = field(default_factory=deque)
    _first: float | None = None
    _last: float | None = None

    def shown(self, captured: float, now: float) -> None:
        """Note that the painting of a frame captured then is shown now."""
        self.latencies.append(now - captured)
        self._first = now if self._first is None else self._first
        self._last = now
        self._recent.append((now, now - captured))
        while self._recent[0][0] < now - SPAN:
            self._recent.popleft()

    @property
    def rate(self) -> float:
        """Frames per second of late."""
        if len(self._recent) < 2:
            return 0.0
        return (len(self._recent) - 1) / max(self._recent[-1][0] - self._recent[0][0], 1e-9)

    @property
    def latency(self) -> float:
        """The median of late, in seconds."""
        return median(latency for _, latency in self._recent) if self._recent else 0.0

    @property
    def overall_rate(self) -> float:
        """Frames per second from the first to the last."""
        if self._first is None or self._last is None or self._last <= self._first:
            return 0.0
        return (len(self.latencies) - 1) / (self._last - self._first)

    @property
    def overall_latency(self) -> float:
        """The median over all frames, in seconds."""
        return median(self.latencies) if self.latencies else 0.0
