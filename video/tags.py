"""What a file says about itself, as far as it is still true of one with other frames."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
from av.container import InputContainer

from brushflow.common.errors import BrushflowError
from brushflow.video.images import ANIMATED_SUFFIXES, IMAGE_SUFFIXES, image_note
from brushflow.video.opening import open_input
from brushflow.video.words import clean_text, was_guessed

if TYPE_CHECKING:
    from av.container.core import Chapter  # which there is in its types alone

# Keys that describe the source file itself, or that the new file gets values of its own for.
_STALE_TAGS = re.compile(
    r"(major_brand|minor_version|compatible_brands|encoder|rotate|alpha_mode|duration(-\w+)?|vendor_id"
    r"|bps(-\w+)?|number_of_(frames|bytes)(-\w+)?|_statistics_.*)",
    re.IGNORECASE,
)


def kept_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags that are still true of a file with other frames in another container."""
    kept = {key: value for key, value in tags.items() if not _STALE_TAGS.fullmatch(key)}
    return {clean_text(key): clean_text(value) for key, value in kept.items()}


def guessed_tags(container: InputContainer) -> bool:
    """Whether any of the file's own words are not UTF-8, so that ``kept_tags`` has to guess."""
    streams = [stream.metadata for stream in container.streams]
    chapters = [chapter["metadata"] for chapter in container.chapters()]
    tags = [container.metadata, *streams, *chapters]
    return any(was_guessed(f"{key}{value}") for words in tags for key, value in words.items())


def maker(path: Path) -> str:
    """Return what ``assemble`` or ``write_image`` was given as ``made_by``, "" for other files."""
    try:
        if path.suffix.lower() in IMAGE_SUFFIXES | ANIMATED_SUFFIXES:
            return image_note(path)
        with open_input(path) as container:
            tags = container.streams.video[0].metadata
            return tags.get("encoder") or tags.get("ENCODER", "")
    except (OSError, ValueError, SyntaxError, IndexError, av.FFmpegError, BrushflowError):
        return ""


def moved_chapters(
    container: InputContainer, shift: Fraction, end: Fraction | None
) -> list[Chapter]:
    """Return the chapters on a clock moved back by ``shift`` seconds, cut off before 0 and ``end``.

    ``end`` is on the source's clock.
    """
    chapters: list[Chapter] = []
    for chapter in container.chapters():
        tick = chapter["time_base"] or Fraction(1, 1000)
        begin = max(chapter["start"] * tick, shift)
        finish = chapter["end"] * tick
        if end is not None:
            finish = min(finish, end)
        if finish > begin:
            kept = chapter.copy()
            kept["start"] = round((begin - shift) / tick)
            kept["end"] = round((finish - shift) / tick)
            kept["time_base"] = tick
            kept["metadata"] = kept_tags(chapter["metadata"])
            chapters.append(kept)
    return chapters
