"""Encoder settings, and how each encoder wants to be told the quality."""

from __future__ import annotations

import difflib
import logging
from dataclasses import dataclass

from brushflow.errors import UsageError
from brushflow.video import ffmpeg

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class EncodeSettings:
    """How frames are encoded.

    ``crf`` is the quality on the encoder's own scale (lower is better; encoders without such a
    scale ignore it), ``preset`` its speed by name or number (None: what suits it), ``pix_fmt`` the
    stored pixel format (None: 4:2:0 in ``bit_depth``). ``bit_depth`` 8 takes uint8 frames, 10
    takes uint16 frames.
    ``threads`` is fixed because x264's result depends on it.
    """

    codec: str = "libx264"
    crf: float = 18
    preset: str | None = None
    pix_fmt: str | None = None
    bit_depth: int = 8
    threads: int = 4


@dataclass(frozen=True)
class _Family:
    """What one kind of encoder takes: the options' names, fixed options, and pixel formats."""

    quality: str | None = "crf"
    preset: str | None = "preset"
    fixed: tuple[tuple[str, str], ...] = ()
    formats: tuple[str, str] = ("yuv420p", "yuv420p10le")
    even_only: bool = False
    usual_preset: str | None = None


_FAMILIES = {
    # A third of the time that "medium" takes; at one crf, files are no larger, and the picture
    # loses less than its grain.
    "libx264": _Family(even_only=True, usual_preset="veryfast"),
    "libx265": _Family(
        even_only=True,
        usual_preset="veryfast",
        fixed=(("x265-params", "log-level=error"),),
    ),
    "libvpx-vp9": _Family(
        preset="cpu-used",
        fixed=(("b:v", "0"), ("deadline", "good"), ("row-mt", "1")),
    ),
    "libaom-av1": _Family(preset="cpu-used", fixed=(("b:v", "0"),)),
    "libsvtav1": _Family(even_only=True),
    "prores_ks": _Family(
        quality=None,
        preset=None,
        fixed=(("profile:v", "hq"),),
        formats=("yuv422p10le", "yuv422p10le"),
    ),
    "ffv1": _Family(
        quality=None,
        preset=None,
        fixed=(("level", "3"),),
        formats=("yuv444p", "yuv444p10le"),
    ),
    "mpeg4": _Family(quality="q:v", preset=None, formats=("yuv420p", "yuv420p")),
}
_HARDWARE = {
    "_nvenc": _Family(
        quality="cq",
        fixed=(("rc", "vbr"), ("b:v", "0")),
        formats=("yuv420p", "p010le"),
        even_only=True,
    ),
    "_qsv": _Family(quality="global_quality", formats=("nv12", "p010le"), even_only=True),
    "_videotoolbox": _Family(
        quality=None, preset=None, formats=("yuv420p", "p010le"), even_only=True
    ),
}
_OTHER = _Family(quality=None, preset=None)


def _family(codec: str) -> _Family:
    for suffix, family in _HARDWARE.items():
        if codec.endswith(suffix):
            return family
    return _FAMILIES.get(codec, _OTHER)


def check_encoder(settings: EncodeSettings) -> None:
    """Raise UsageError, naming similar ones, if this ffmpeg has no such encoder."""
    known = ffmpeg.encoders()
    if settings.codec in known:
        return
    stem = settings.codec.lower().replace(".", "")
    near = sorted(name for name in known if stem in name)
    near += difflib.get_close_matches(settings.codec, sorted(known - set(near)), n=3)
    hint = f"did you mean {' or '.join(near[:4])}?" if near else "see ffmpeg -encoders."
    raise UsageError(f"This ffmpeg has no encoder {settings.codec}; {hint}")


def pixel_format(settings: EncodeSettings, width: int, height: int) -> str:
    """Return the stored pixel format for pictures of this size.

    Encoders that refuse odd sizes in subsampled formats get the 4:4:4 of the same depth.
    """
    family = _family(settings.codec)
    chosen = settings.pix_fmt or family.formats[settings.bit_depth > 8]
    odd_width, odd_height = width % 2, height % 2
    refused = ("420" in chosen and (odd_width or odd_height)) or ("422" in chosen and odd_width)
    if family.even_only and refused:
        full = chosen.replace("420", "444").replace("422", "444")
        logger.info("%d×%d is odd, so chroma is kept in full: %s", width, height, full)
        return full
    return chosen


def encoder_options(settings: EncodeSettings) -> dict[str, str]:
    """Return the ffmpeg output options for these settings, pixel format aside."""
    family = _family(settings.codec)
    options = {"c:v": settings.codec, "threads": str(settings.threads), **dict(family.fixed)}
    if family.quality is not None:
        options[family.quality] = f"{settings.crf:g}"
    preset = settings.preset or family.usual_preset
    if family.preset is not None and preset is not None:
        options[family.preset] = preset
    return options
