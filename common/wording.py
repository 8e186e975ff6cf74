"""Numbers in sentences."""


def counted(number: int, noun: str) -> str:
    """``1 frame``, ``2 frames``: for nouns that take an s."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def all_of(number: int, noun: str) -> str:
    """``The only frame is``, ``Both frames are``, ``All 3 frames are``: how a sentence begins."""
    if number == 1:
        return f"The only {noun} is"
    return f"Both {noun}s are" if number == 2 else f"All {number} {noun}s are"
