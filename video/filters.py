"""The ffmpeg filter chains between a file's own pixels and RGB."""

from __future__ import annotations

import functools
import logging
from dataclasses import replace
from fractions import Fraction
from itertools import product

from av.video.format import VideoFormat

from brushflow.video import ffmpeg
from brushflow.video.alpha import ON_BLACK
from brushflow.video.color import BT709, ColorTags, usual_matrix
from brushflow.video.cropping import Borders
from brushflow.video.probe import VideoInfo

logger = logging.getLogger(__name__)

# Of these a filter takes the one that loses least.
_OWN_CHROMA = "yuv444p|yuvj444p|yuva444p|" + "|".join(
    f"{kind}444p{bits}le" for kind, bits in product(("yuv", "yuva"), (10, 12, 16))
)
_PROBE_SIZE = 16  # pixels; divisible by what any format shares

_EXACT = "accurate_rnd+full_chroma_int+full_chroma_inp"


def decode_chain(
    info: VideoInfo, size: tuple[int, int], bit_depth: int, gray: bool, alpha: bool = False
) -> list[str]:
    """Return the filters that turn decoded pictures of ``info`` into RGB or gray of ``size``.

    Frames are deinterlaced, borders cut off, HDR is tone-mapped to BT.709 and alpha is put on
    black, unless RGBA is wanted; a gray picture is for cheap scans, where only the brightness (not
    tone-mapped) counts.
    """
    width, height = size
    chain = [_plain_tags(info.color)]
    if info.interlaced:
        # One frame out per frame in, so that the frame count and the clock stay the source's.
        chain.append("bwdif=mode=send_frame:parity=auto:deint=interlaced")
    if any(info.borders):
        if any(side % 2 for side in info.borders) and _shares_chroma(info.pix_fmt):
            chain.append(f"format={_OWN_CHROMA}")
        chain.append(crop(info.borders))
    if gray:
        source_range = info.color.range
        scale = f"scale={width}:{height}:flags=area:in_range={source_range}:out_range=pc"
        return [*chain, scale, "format=gray"]
    smaller = width * height < info.width * info.height
    kernel = "lanczos" if smaller else "bicubic"
    if info.hdr and _can_tone_map():
        chain += _tone_map(_convertible(info), width, height, kernel)
    else:
        if info.hdr:
            _warn_plain_hdr(str(info.path))
        chain += _to_rgb(_convertible(info), width, height, kernel)
    if alpha:
        return [*chain, "format=rgba" if bit_depth == 8 else "format=rgba64le"]
    packed = "rgb24" if bit_depth == 8 else "rgb48le"
    if info.has_alpha:
        chain += ["format=gbrap" if bit_depth == 8 else "format=gbrap16le", "premultiply=inplace=1"]
    return [*chain, f"format={packed}"]


def changes_when_read(info: VideoInfo) -> list[str]:
    """Return a sentence for each thing about ``info`` that its frames no longer have when read."""
    notes = []
    if info.hdr and _can_tone_map():
        name = {"smpte2084": "PQ", "arib-std-b67": "HLG"}[info.color.transfer]
        notes.append(f"The video is HDR ({name}) and was tone-mapped to SDR.")
    if _convertible(info) != info.color:
        notes.append(
            f"The colours are stored in a form ({info.color.matrix}) that this ffmpeg cannot "
            "convert; they were taken for the usual one and may be wrong."
        )
    if info.has_alpha and not info.begins_opaque:
        notes.append(ON_BLACK)
    if info.interlaced:
        notes.append("The video is interlaced and was deinterlaced, one frame for two fields.")
    return notes


def crop(borders: Borders) -> str:
    """Return the filter that cuts the borders off upright pictures."""
    left, top, right, bottom = borders
    return f"crop=iw-{left + right}:ih-{top + bottom}:{left}:{top}:exact=1"


def _shares_chroma(pix_fmt: str) -> bool:
    """Whether several pixels share their colour, so that no odd number can be cut off."""
    return any(
        plane.width < _PROBE_SIZE or plane.height < _PROBE_SIZE
        for plane in VideoFormat(pix_fmt, _PROBE_SIZE, _PROBE_SIZE).components
    )


def _plain_tags(color: ColorTags) -> str:
    """Put tags on the frames that every filter takes; conversions are told the true ones."""
    matrix = color.matrix if color.matrix == "gbr" or color.scale_matrix else BT709.matrix
    plain = replace(BT709, matrix=matrix)
    return f"setparams=range={color.range}:{_tags(plain)}"


def _tags(color: ColorTags) -> str:
    return (
        f"color_primaries={color.code('primaries')}:color_trc={color.code('transfer')}"
        f":colorspace={color.code('matrix')}"
    )


def _convertible(info: VideoInfo) -> ColorTags:
    """The colour to convert from: the file's, with a usual matrix for one that no filter knows."""
    color = info.color
    if color.matrix == "ictcp":
        color = replace(color, primaries="bt2020")  # it is defined for no others
    if color.matrix == "gbr" or color.scale_matrix is not None or _zscale_knows(color):
        return color
    return replace(color, matrix=usual_matrix(color.primaries, info.width, info.height))


def _zscale_knows(color: ColorTags) -> bool:
    """Whether the zscale filter is there and knows this matrix, together with the other tags."""
    if "zscale" not in ffmpeg.filters():
        return False
    return {
        "ycgco": True,
        "ictcp": color.hdr,
        "chroma-derived-nc": color.primaries != "smpte428",
    }.get(color.matrix, False)


def _to_rgb(color: ColorTags, width: int, height: int, kernel: str) -> list[str]:
    scale = f"scale={width}:{height}:flags={kernel}+{_EXACT}"
    if color.matrix == "gbr":
        return [scale]
    if color.scale_matrix is not None:
        return [f"{scale}:in_color_matrix={color.scale_matrix}:in_range={color.range}"]
    zscale = f"{_zscale(color, width, height, kernel)}:m=gbr:r=full"
    # Newer ffmpegs refuse to change the format of pictures whose curve they do not know.
    plain = _plain_tags(replace(BT709, matrix="gbr", range="pc"))
    return [zscale, plain, "format=gbrp16le|gbrap16le"]


def _zscale(color: ColorTags, width: int, height: int, kernel: str) -> str:
    """The filter, told what comes in: frames do not always carry every tag.

    HDR comes out linear; of other pictures, primaries and curve stay as they are.
    """
    curve, primaries = color.code("transfer"), color.code("primaries")
    if color.transfer in ("bt1361e", "smpte428"):
        curve = BT709.code("transfer")  # zscale has no such curves, and needs none
    matrix = "" if color.matrix == "gbr" else f":min={color.code('matrix')}"
    return (
        f"zscale=w={width}:h={height}:f={kernel}:tin={curve}:pin={primaries}{matrix}"
        f":rin={'limited' if color.range == 'tv' else 'full'}:p={primaries}"
        f":t={'linear:npl=203' if color.hdr else curve}"
    )


def _can_tone_map() -> bool:
    return {"zscale", "tonemap"} <= ffmpeg.filters()


@functools.cache
def _warn_plain_hdr(path: str) -> None:
    logger.warning(
        "%s is HDR and this ffmpeg has no zscale filter to tone-map it; colours will look flat.",
        path,
    )


def _tone_map(color: ColorTags, width: int, height: int, kernel: str) -> list[str]:
    return [
        _zscale(color, width, height, kernel),
        "format=gbrpf32le",
        "zscale=p=bt709",
        "tonemap=hable:desat=0",
        "zscale=t=bt709:r=full",
        "format=gbrp16le",
    ]


def encode_chain(color: ColorTags, pix_fmt: str, sample_aspect_ratio: Fraction) -> str:
    """Return the filters that turn RGB into ``pix_fmt`` in ``color``'s matrix and range."""
    ratio = f"{sample_aspect_ratio.numerator}/{sample_aspect_ratio.denominator}"
    return ",".join(
        [
            f"scale=flags=bicubic+{_EXACT}:out_color_matrix={color.scale_matrix}"
            f":out_range={color.range}",
            f"format={pix_fmt}",
            f"setsar=sar={ratio}:max=65535",
            f"setparams=range={color.range}:{_tags(color)}",
        ]
    )
