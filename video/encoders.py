"""Encoder settings, and how each encoder wants to be told the quality."""

from __future__ import annotations

import difflib
import logging
import re
from dataclasses import dataclass
from itertools import islice

import ffmpeg as ffmpeg_graph

from brushflow.common.errors import BrushflowError, UsageError
from brushflow.video import ffmpeg

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class EncodeSettings:
    """How frames are encoded.

    ``crf`` is the quality on the encoder's own scale (lower is better; encoders without such a
    scale ignore it), ``preset`` its speed by name or number (None: what suits it), ``pix_fmt`` the
    stored pixel format (None: 4:2:0 in ``bit_depth``). ``bit_depth`` 8 takes uint8 frames, 10
    takes uint16 frames. ``alpha``: they are RGBA, and so is what is stored.
    ``threads`` is fixed because x264's result depends on it.
    """

    codec: str = "libx264"
    crf: float = 18
    preset: str | None = None
    pix_fmt: str | None = None
    bit_depth: int = 8
    threads: int = 4
    alpha: bool = False


@dataclass(frozen=True)
class _Family:
    """What one kind of encoder takes: the options' names, fixed options, and pixel formats."""

    quality: str | None = "crf"
    preset: str | None = "preset"
    fixed: tuple[tuple[str, str], ...] = ()
    formats: tuple[str, str] = ("yuv420p", "yuv420p10le")
    even_only: bool = False
    usual_preset: str | None = None
    with_alpha: tuple[str, str] | None = None


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
        with_alpha=("yuva420p", "yuva420p"),
    ),
    "libaom-av1": _Family(preset="cpu-used", fixed=(("b:v", "0"),)),
    "libsvtav1": _Family(even_only=True),
    "prores_ks": _Family(
        quality=None,
        preset=None,
        fixed=(("profile:v", "hq"),),
        formats=("yuv422p10le", "yuv422p10le"),
        with_alpha=("yuva444p10le", "yuva444p10le"),
    ),
    "ffv1": _Family(
        quality=None,
        preset=None,
        fixed=(("level", "3"),),
        formats=("yuv444p", "yuv444p10le"),
        with_alpha=("yuva444p", "yuva444p10le"),
    ),
    "png": _Family(
        quality=None, preset=None, formats=("rgb24", "rgb48be"), with_alpha=("rgba", "rgba64be")
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
    # Its own idea of quality is for some Macs only, and its usual bit rate is hardly any.
    "_videotoolbox": _Family(
        quality=None,
        preset=None,
        fixed=(("b:v", "24M"),),
        formats=("yuv420p", "p010le"),
        even_only=True,
    ),
}
_OTHER = _Family(quality=None, preset=None)


# NVIDIA's, Apple's, Intel's and AMD's: all that take frames as they are.
_OF_DEVICES = ("h264_nvenc", "h264_videotoolbox", "h264_qsv", "h264_amf")
HARDWARE = "auto-hw"  # stands for the first of them that works

_MOST_NAMED, _MOST_TRIED = 3, 8  # of encoders that a wrong name may mean

# What people call a codec, and the encoders that make it, the usual one first.
_MEANT = {
    "h264": ("libx264", "libopenh264"),
    "hevc": ("libx265", "libkvazaar"),
    "av1": ("libsvtav1", "libaom-av1", "librav1e"),
    "vp9": ("libvpx-vp9",),
    "vp8": ("libvpx",),
    "prores": ("prores_ks",),
    "mpeg2": ("mpeg2video",),
    "xvid": ("libxvid", "mpeg4"),
    "theora": ("libtheora",),
}
_OTHER_NAMES = {
    **{"x264": "h264", "avc": "h264", "avc1": "h264", "mpeg4avc": "h264"},
    **{"h265": "hevc", "x265": "hevc", "hvc1": "hevc", "hev1": "hevc"},
    **{"aom": "av1", "svtav1": "av1", "aomav1": "av1", "libaom": "av1", "libsvt": "av1"},
    **{"libvpx9": "vp9", "divx": "xvid"},
}


def encoder_meant(name: str) -> str:
    """Return the encoder of this ffmpeg that people mean by a codec's ``name``, as h264 or H.265.

    A name that stands for none is returned as it is.
    """
    plain = re.sub("[ ._-]", "", name.lower())
    known = ffmpeg.video_encoders()
    meant = _MEANT.get(_OTHER_NAMES.get(plain, plain), ())
    asked = name.lower() if name.lower() in known else name
    return next((encoder for encoder in meant if encoder in known), asked)


def hardware_encoder() -> str | None:
    """The first encoder of a GPU's that works here, None if none does."""
    known = ffmpeg.video_encoders()
    return next((name for name in _OF_DEVICES if name in known and works(name)), None)


def _family(codec: str) -> _Family:
    for suffix, family in _HARDWARE.items():
        if codec.endswith(suffix):
            return family
    return _FAMILIES.get(codec, _OTHER)


def holds_alpha(codec: str) -> bool:
    """Whether what this encoder makes can be transparent."""
    return _family(codec).with_alpha is not None


def check_encoder(settings: EncodeSettings) -> None:
    """Raise UsageError, naming some that work here, if this ffmpeg has no such video encoder."""
    if settings.codec in ffmpeg.video_encoders():
        return
    working = filter(works, _similar(settings.codec))
    near = list(islice(working, _MOST_NAMED))
    hint = f"did you mean {' or '.join(near)}?" if near else "see ffmpeg -encoders."
    raise UsageError(f"This ffmpeg has no encoder {settings.codec} for video; {hint}")


def _similar(codec: str) -> list[str]:
    """Video encoders that ``codec`` may mean, the likeliest first."""
    known = ffmpeg.video_encoders()
    plain = codec.lower().replace(".", "")
    meant = [name for names in _MEANT.values() for name in names if name in known]
    near = [name for key, names in _MEANT.items() if key in plain for name in names]
    near = [name for name in near if name in known]
    near += difflib.get_close_matches(plain, meant, n=3, cutoff=0.5)
    near += sorted(name for name in known if plain in name)
    near += difflib.get_close_matches(plain, sorted(known), n=3)
    return list(dict.fromkeys(near))[:_MOST_TRIED]


def works(codec: str) -> bool:
    """Whether an encoder can be opened: some need a device that is not there."""
    source = ffmpeg_graph.input("color=black:s=256x256:r=25:d=0.04", f="lavfi")
    output = source.output("-", f="null", pix_fmt=_family(codec).formats[0], **{"c:v": codec})
    try:
        ffmpeg.run_ffmpeg(output.compile(cmd=ffmpeg.ffmpeg_binary()), "encode")
    except BrushflowError:
        return False
    return True


def pixel_format(settings: EncodeSettings, width: int, height: int) -> str:
    """Return the stored pixel format for pictures of this size.

    Encoders that refuse odd sizes in subsampled formats get the 4:4:4 of the same depth.
    """
    family = _family(settings.codec)
    formats = (family.with_alpha if settings.alpha else None) or family.formats
    chosen = settings.pix_fmt or formats[settings.bit_depth > 8]
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
    if settings.alpha and settings.codec == "prores_ks":
        options |= {"profile:v": "4444", "alpha_bits": "16"}
    if family.quality is not None:
        options[family.quality] = f"{settings.crf:g}"
    preset = settings.preset or family.usual_preset
    if family.preset is not None and preset is not None:
        options[family.preset] = preset
    return options
