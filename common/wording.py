"""Numbers in sentences."""


def counted(number: int, noun: str) -> str:
    """``1 frame``, ``2 frames``: for nouns that take an s."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
