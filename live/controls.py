"""What can be changed while it paints, and by which key."""

from collections.abc import Sequence
from dataclasses import dataclass

STRENGTH_STEP = 0.1
KEYS = (
    ("n", "next style"),
    ("+ -", "strength"),
    ("f", "flow"),
    ("s", "snapshot"),
    ("r", "record"),
    ("q", "quit"),
)


@dataclass
class Controls:
    """The state that keys change.

    ``strength`` is from 0, the source, to 1, the painting; with ``carry`` the painting before is
    carried over along the optical flow. ``recording`` and ``running`` are wishes that the session
    fulfils; ``snapshot`` one that it takes back when it has.
    """

    styles: Sequence[str]
    style: str
    strength: float = 1.0
    carry: bool = True
    recording: bool = False
    snapshot: bool = False
    running: bool = True

    def press(self, key: str) -> None:
        """Do what the key stands for; keys without a meaning do nothing."""
        if key == "n":
            self.style = self.styles[(self.styles.index(self.style) + 1) % len(self.styles)]
        elif key in ("+", "=", "-"):
            step = -STRENGTH_STEP if key == "-" else STRENGTH_STEP
            self.strength = min(1.0, max(0.0, round(self.strength + step, 2)))
        elif key == "f":
            self.carry = not self.carry
        elif key == "s":
            self.snapshot = True
        elif key == "r":
            self.recording = not self.recording
        elif key in ("q", "\x1b"):
            self.running = False
