"""From what a command is given to the videos and pictures it means, and where each goes."""

import hashlib
import os
import re
import sys
from collections.abc import Collection, Iterable, Sequence
from dataclasses import fields
from fractions import Fraction
from pathlib import Path
from typing import Any

from brushflow.common.errors import UsageError
from brushflow.models import available, learned_styles
from brushflow.pipeline import StylizeOptions
from brushflow.pipeline.options import ALPHA
from brushflow.pipeline.outputs import shortened
from brushflow.video import IMAGE_SUFFIXES, VIDEO_SUFFIXES, check_output, is_still, natural_key
from brushflow.video.images import ANIMATED_SUFFIXES

# Options that have their own place in names, or none because they change nothing that is written.
_UNNAMED = ("style", "device", "restart", "work_dir")
_MAYBE_PATHS = ("cuts", "mask", "style_outside")
_LONGEST_NAMES = 120  # letters of all options in a name
_LONGEST_STYLE = 60
_ONE_CASE = sys.platform in ("win32", "darwin")  # a.mp4 is A.mp4 there


def default_output(place: Path, options: StylizeOptions, moments: int | None = None) -> Path:
    """``clip.mp4`` becomes ``clip.STYLE.OPTIONS.mp4`` beside it; so do folders and patterns.

    All options are named that are not the usual ones, so that other values mean other files; of a
    file that an option names, its name counts, not where it lies. Pictures become .png;
    ``moments`` of a contact sheet.
    """
    ending = ".png" if moments or is_still(place) else _video_ending(options)
    if not place.exists():  # a pattern
        place = place.absolute().parent
    stem = place.absolute().name if place.is_dir() else place.stem
    sheet = f".preview-{moments}" if moments else ""
    return place.parent / shortened(stem, f".{_style(options)}{_names(options)}{sheet}{ending}")


def _style(options: StylizeOptions) -> str:
    return Path(options.style).stem[:_LONGEST_STYLE]


def _names(options: StylizeOptions) -> str:
    names = ""
    for field in fields(options):
        value = getattr(options, field.name)
        if field.name in _UNNAMED or value == field.default:
            continue
        name = field.name.replace("_", "-")
        if isinstance(value, bool):
            names += f".{name}" if value else f".no-{name}"
        else:
            names += f".{name}-{_word(value, field.name in _MAYBE_PATHS)}"
    if len(names) > _LONGEST_NAMES:
        digest = hashlib.sha256(names.encode()).hexdigest()[:8]
        return f"{names[:_LONGEST_NAMES]}-{digest}"
    return names


def _word(value: Any, may_be_path: bool) -> str:
    """A value as a part of a name that every file system takes."""
    if isinstance(value, Path) or may_be_path:
        value = Path(value).stem
    elif isinstance(value, Fraction) and Fraction(str(float(value))) == value:
        value = f"{float(value):.15g}"
    elif isinstance(value, float):
        value = f"{value:.15g}"
    elif isinstance(value, tuple):
        value = "-".join(Path(part).stem if part.endswith(".toml") else part for part in value)
    return re.sub(r"[^\w.+-]+", "-", str(value))


def _video_ending(options: StylizeOptions) -> str:
    """The kind of file that the wanted codec fits into, and transparency; .mp4 if it is one."""
    for ending in (".mp4", ".mov"):
        name = f"a{ending}"
        encoding = options.encoding(Path(name))
        try:
            check_output(name, encoding.codec)
        except UsageError:
            continue
        if options.mask == ALPHA and not encoding.alpha and options.codec is None:
            continue
        return ending
    return ".mkv"


def output_folder(output: str | None, several: bool) -> Path | None:
    """The folder that ``--output`` names, None if it names a file or nothing.

    UsageError for a file's name where there are ``several`` sources.
    """
    if output is None:
        return None
    place = Path(output)
    if output.endswith(("/", os.sep)) or place.is_dir():
        return place
    if not several:
        return None
    files = VIDEO_SUFFIXES | IMAGE_SUFFIXES | ANIMATED_SUFFIXES
    if place.suffix.lower() in files or place.exists():
        raise UsageError(
            f"--output {output} names one file, and there are several sources; name a folder, as "
            f"in {place.stem}/, or paint them one by one."
        )
    return place


def is_video_folder(place: str) -> bool:
    """Whether this is a folder of videos; a folder of pictures is one video.

    UsageError for a folder of both, contact sheets of the videos aside.
    """
    folder = Path(place)
    if not folder.is_dir():
        return False
    videos = _videos_in(folder)
    if not videos:
        return False
    pictures = [path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES]
    if any(not _is_painting(path, videos, (*available(), *learned_styles())) for path in pictures):
        raise UsageError(
            f"The folder {place} holds videos and pictures; name the videos "
            f"({Path(place) / f'*{videos[0].suffix}'}), or the pictures by a pattern."
        )
    return True


def find_videos(
    places: Sequence[str], options: StylizeOptions, folder: Path | None
) -> list[tuple[str, Path]]:
    """Every video or picture that ``places`` stand for, each with its output.

    That lies beside it, or in ``folder``.

    A folder of videos stands for those right in it, except what earlier commands have painted
    of them in this style or another; nor is what this command writes one of its sources.
    UsageError for two with the same output.
    """
    sources: dict[str, None] = {}
    styles = (_style(options), *available(), *learned_styles())
    for place in places:
        found = [place]
        if is_video_folder(place):
            videos = _videos_in(Path(place))
            found = [str(video) for video in videos if not _is_painting(video, videos, styles)]
        sources |= dict.fromkeys(found)
    work = []
    for source in sources:
        output = default_output(Path(source), options)
        work.append((source, folder / output.name if folder else output))
    written = {_place(output) for _, output in work}
    work = [(source, output) for source, output in work if _place(source) not in written]
    first_by_output: dict[str, str] = {}
    for source, output in work:
        other = first_by_output.setdefault(_place(output), source)
        if other != source:
            raise UsageError(
                f"{other} and {source} would both be painted into {output}; give them other names "
                f"or paint them one by one."
            )
    return work


def _place(path: Path | str) -> str:
    """What tells a file from others on the usual file systems of this system."""
    place = str(Path(path).absolute())
    return place.casefold() if _ONE_CASE else place


def _is_painting(path: Path, sources: Iterable[Path], styles: Collection[str]) -> bool:
    """Whether this is called as what is painted of one of the sources, in one of the styles."""
    for style in styles:
        for match in re.finditer(re.escape(f".{style}."), path.name):
            stem = path.name[: match.start()]
            # A long one was cut off where the name would have been too long.
            long = len(os.fsencode(path.name)) > 240
            if any(s.stem == stem or (long and s.stem.startswith(stem)) for s in sources):
                return True
    return False


def _videos_in(folder: Path) -> list[Path]:
    found = (path for path in folder.iterdir() if path.suffix.lower() in VIDEO_SUFFIXES)
    return sorted((p for p in found if p.is_file() and p.name[0] != "."), key=natural_key)
