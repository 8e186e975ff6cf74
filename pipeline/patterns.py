"""File names with frame numbers in them, in the notation of the original programs."""

import re
from pathlib import Path

from brushflow.common.errors import UsageError


def frame_path(pattern: str, index: int) -> Path:
    """``frame_%05d.png`` with the number filled in."""
    return Path(_fill(pattern, index, pattern))


def pair_path(pattern: str, previous: int, current: int) -> Path:
    """``backward_[%d]_{%d}.flo``: the current frame's number in [], the previous one's in {}."""
    name = re.sub(r"\[([^\]]*)\]", lambda m: _fill(m[1], current, pattern), pattern)
    return Path(re.sub(r"\{([^}]*)\}", lambda m: _fill(m[1], previous, pattern), name))


def _fill(text: str, number: int, pattern: str) -> str:
    if not re.fullmatch(r"(?:[^%]|%%)*%0?\d*[di](?:[^%]|%%)*", text):
        raise UsageError(
            f"The pattern {pattern!r} needs one number such as %05d where a frame is meant."
        )
    return text % number
