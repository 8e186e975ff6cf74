"""Videos as pictures' files: GIF, animated PNG and WebP, and numbered images.

They are made of one lossless video of all frames, whose times they keep as far as they can. None
holds sound.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any

import ffmpeg as ffmpeg_graph

from brushflow.common.atomic_files import atomic_path
from brushflow.common.errors import BrushflowError, UsageError
from brushflow.video import ffmpeg
from brushflow.video.clock import usual_step
from brushflow.video.encoders import EncodeSettings
from brushflow.video.images import (
    ANIMATED_SUFFIXES,
    IMAGE_SUFFIXES,
    image_note,
    png_chunk,
    write_image,
)
from brushflow.video.opening import input_options
from brushflow.video.probe import probe
from brushflow.video.read import FrameReader
from brushflow.video.sequence import NUMBER, images_by_number, numbered_path

_ENCODERS = {".gif": "gif", ".apng": "apng", ".webp": "libwebp_anim"}
_SHORTEST = Fraction(2, 100)  # seconds that a GIF's picture lasts; browsers slow others down
_WEBP_QUALITY = 90
_MATROSKA, _CLOCK = "matroska,webm", "1:1000"


def is_sequence(output: Path) -> bool:
    """Whether an output's name stands for numbered images, as in frame_%05d.png."""
    return output.suffix.lower() in IMAGE_SUFFIXES and NUMBER.search(output.name) is not None


def holds_pictures(output: Path) -> bool:
    """Whether a video is to become pictures, as its output's name tells."""
    return is_sequence(output) or output.suffix.lower() in ANIMATED_SUFFIXES


def first_file(output: Path) -> Path:
    """The file that is there when an output is: for a sequence its first image, written last."""
    return numbered_path(output, 1) if is_sequence(output) and not output.exists() else output


def files_of(output: Path) -> list[Path]:
    """The files of an output that are there."""
    if is_sequence(output) and not output.exists():
        return [path for _, path in sorted(images_by_number(output).items())]
    return [output] if output.exists() else []


def check_pictures(output: Path) -> None:
    """UsageError unless such pictures can be written here."""
    suffix = output.suffix.lower()
    if is_sequence(output):
        if len(NUMBER.findall(output.name)) > 1:
            raise UsageError(f"{output} names no images; it has one number, as in frame_%05d.png.")
    elif _ENCODERS[suffix] not in ffmpeg.video_encoders():
        raise UsageError(f"This ffmpeg cannot write {suffix} files; choose .gif or .apng.")


def lossless(bit_depth: int, alpha: bool) -> EncodeSettings:
    """How frames are kept until pictures are made of them."""
    deep = bit_depth > 8
    form = {False: ("bgr0", "gbrp16le"), True: ("bgra", "gbrap16le")}[alpha][deep]
    return EncodeSettings("ffv1", pix_fmt=form, bit_depth=bit_depth, alpha=alpha)


def write_pictures(
    video: Path,
    output: Path,
    settings: EncodeSettings,
    replace: bool,
    made_by: str,
    check_stop: Callable[[], None] = lambda: None,
) -> list[str]:
    """Make ``output`` of a lossless video with these settings; sentences about what was changed.

    ``made_by``, as of ``assemble``, is kept in all but numbered images other than PNG. Raises
    BrushflowError if a file cannot be written, or is there and not to be ``replace``d.
    """
    reader = FrameReader(probe(video))
    if is_sequence(output):
        return _write_sequence(reader, output, settings, replace, made_by, check_stop)
    suffix = output.suffix.lower()
    notes, every = [], 1
    if suffix == ".gif":
        step = usual_step(_times(reader)) or _SHORTEST
        # What a millisecond's rounding takes off counts as full.
        every = max(1, ceil((_SHORTEST - Fraction(1, 1000)) / step))
        if every > 1:
            notes.append(
                f"A GIF shows at most 50 frames a second, so of {every} frames one is in it."
            )
    try:
        with atomic_path(output, replace) as partial:
            if suffix == ".gif":
                _write_gif(video, partial, every)
            else:
                _write_animation(video, partial, suffix, settings)
            _put_note(partial, suffix, made_by)
    except OSError as error:
        raise BrushflowError(f"{output} cannot be written: {error.strerror}.") from error
    return notes


def _times(reader: FrameReader) -> list[Fraction]:
    with closing(reader.read(size=(16, 16), gray=True)) as frames:
        return [frame.pts * reader.info.time_base for frame in frames]


def _write_sequence(
    reader: FrameReader,
    output: Path,
    settings: EncodeSettings,
    replace: bool,
    made_by: str,
    check_stop: Callable[[], None],
) -> list[str]:
    """Numbered from 1; the first last, so that it stands for all of them."""
    first, last = None, 0
    with closing(reader.read(bit_depth=settings.bit_depth, alpha=settings.alpha)) as frames:
        for frame in frames:
            check_stop()
            last = frame.index + 1
            if first is None:
                first = frame.pixels.copy()
            else:
                write_image(numbered_path(output, last), frame.pixels, made_by=made_by)
    assert first is not None, "a video has at least one frame"
    for number, path in images_by_number(output).items():
        if number > last and made_by and image_note(path).startswith(made_by.split()[0]):
            path.unlink()  # ours, of a longer video that is replaced
    write_image(numbered_path(output, 1), first, replace, made_by)
    return []


def _frames(video: Path, every: int = 1) -> Any:
    """A graph's node that gives the frames of a video, or one of ``every`` so many."""
    frames = ffmpeg_graph.input("VIDEO", **input_options(_MATROSKA))["v"]
    return frames if every == 1 else frames.filter("select", f"not(mod(n,{every}))")


def _run(stream: Any, places: dict[str, Path], task: str) -> None:
    quiet = stream.global_args("-nostdin", "-hide_banner", "-v", "error", "-y")
    ffmpeg.run_ffmpeg(ffmpeg.command_line(quiet, places), task)


def _timed(**options: Any) -> dict[str, Any]:
    """Options by which every frame keeps its time and the same frames make the same bytes."""
    exact = {"fflags": "+bitexact", "flags:v": "+bitexact", "enc_time_base": _CLOCK}
    return {**exact, **ffmpeg.keep_timestamps_option(), **options}


def _write_gif(video: Path, partial: Path, every: int) -> None:
    """With one palette for all frames, and a dither that stands still: others flicker."""
    palette = partial.with_name(f"{partial.name}.palette.png")
    places = {"VIDEO": video, "PALETTE": palette, "GIF": partial}
    try:
        chosen = _frames(video, every).filter("palettegen")
        _run(chosen.output("PALETTE", f="image2", update=1), places, "choose a palette")
        colours = ffmpeg_graph.input("PALETTE", f="png_pipe")["v"]
        shown = ffmpeg_graph.filter(
            [_frames(video, every), colours], "paletteuse", dither="bayer", bayer_scale=3
        )
        _run(shown.output("GIF", f="gif", loop=0, **_timed()), places, "write a GIF")
    finally:
        palette.unlink(missing_ok=True)


def _write_animation(video: Path, partial: Path, suffix: str, settings: EncodeSettings) -> None:
    if suffix == ".webp":
        form = {"pix_fmt": "bgra", "quality": _WEBP_QUALITY, "loop": 0, "f": "webp"}
    else:
        deep = settings.bit_depth > 8
        kinds = ("rgba", "rgba64be") if settings.alpha else ("rgb24", "rgb48be")
        form = {"pix_fmt": kinds[deep], "plays": 0, "pred": "mixed", "f": "apng"}
    made = _frames(video).output("OUTPUT", **_timed(**form, **{"c:v": _ENCODERS[suffix]}))
    _run(made, {"VIDEO": video, "OUTPUT": partial}, f"write a {suffix} file")


def _put_note(path: Path, suffix: str, made_by: str) -> None:
    """Add a note in the form that the kind of file has for that, near its end."""
    text = made_by.encode("ascii")
    if not text:
        return
    content = path.read_bytes()
    if suffix == ".gif":  # a comment extension before the trailer (GIF89a, 24)
        note = b"\x21\xfe" + bytes([len(text)]) + text + b"\x00"
        content = content[:-1] + note + content[-1:]
    elif suffix == ".apng":  # a text chunk before IEND
        content = content[:-12] + png_chunk(made_by) + content[-12:]
    else:  # a chunk of our own, as readers pass over those they do not know (WebP container)
        padded = text + b"\x00" * (len(text) % 2)
        content += b"BRSH" + len(text).to_bytes(4, "little") + padded
        content = content[:4] + (len(content) - 8).to_bytes(4, "little") + content[8:]
    path.write_bytes(content)
