"""The errors a user may cause. Each message is a sentence: what is wrong, and where.

What to type is said by ``cli/advice.py``, and the page has its own words.
"""

import errno

_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


class BrushflowError(Exception):
    """The job failed for a reason outside the program; commands exit with code 1.

    ``about``: what could be otherwise, for whoever tells people how: an option's field, or a key
    of the advice there is. ``value``: what would be better, if that is known.
    """

    exit_code = 1

    def __init__(self, fact: str = "", about: str = "", value: object = None) -> None:
        super().__init__(fact)
        self.about = about
        self.value = value


class UsageError(BrushflowError):
    """The request itself is wrong (an option, a name, a mismatch); commands exit with code 2."""

    exit_code = 2


class Interrupted(KeyboardInterrupt):
    """Somebody has stopped the work; ``fact``, ``about`` and ``value`` as of BrushflowError."""

    def __init__(self, fact: str = "", about: str = "", value: object = None) -> None:
        super().__init__(fact)
        self.about = about
        self.value = value


def told(error: OSError) -> str:
    """What the system could not do, as a sentence with its place."""
    place = error.filename
    if error.errno in _FULL:
        what = "the output" if place is None else place
        return f"The disk is full, and {what} could not be written; make room and try again."
    return f"{error.strerror or error}{f' ({place})' if place else ''}."
