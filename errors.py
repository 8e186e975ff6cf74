"""The errors a user may cause. Each message is a sentence: what is wrong, where, and what to do."""


class BrushflowError(Exception):
    """The job failed for a reason outside the program; commands exit with code 1."""

    exit_code = 1


class UsageError(BrushflowError):
    """The request itself is wrong (an option, a name, a mismatch); commands exit with code 2."""

    exit_code = 2
