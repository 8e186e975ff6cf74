"""The errors a user may cause. Each message is a sentence: what is wrong, where, and what to do."""

import errno

_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


class BrushflowError(Exception):
    """The job failed for a reason outside the program; commands exit with code 1."""

    exit_code = 1


class UsageError(BrushflowError):
    """The request itself is wrong (an option, a name, a mismatch); commands exit with code 2."""

    exit_code = 2


def told(error: OSError) -> str:
    """What the system could not do, as a sentence with its place."""
    place = error.filename
    if error.errno in _FULL:
        what = "the output" if place is None else place
        return f"The disk is full, and {what} could not be written; make room and try again."
    return f"{error.strerror or error}{f' ({place})' if place else ''}."
