"""What the numbers in a file mean as colour: matrix, primaries, transfer curve and range."""

from __future__ import annotations

from dataclasses import dataclass

# ITU-T H.273 code points under ffmpeg's names; 2 is "unspecified".
MATRICES = {
    0: "gbr",
    1: "bt709",
    4: "fcc",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "ycgco",
    9: "bt2020nc",
    10: "bt2020c",
    11: "smpte2085",
    12: "chroma-derived-nc",
    13: "chroma-derived-c",
    14: "ictcp",
    15: "ipt-c2",
    16: "ycgco-re",
    17: "ycgco-ro",
}
PRIMARIES = {
    1: "bt709",
    4: "bt470m",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "film",
    9: "bt2020",
    10: "smpte428",
    11: "smpte431",
    12: "smpte432",
    22: "ebu3213",
}
TRANSFERS = {
    1: "bt709",
    4: "gamma22",
    5: "gamma28",
    6: "smpte170m",
    7: "smpte240m",
    8: "linear",
    9: "log100",
    10: "log316",
    11: "iec61966-2-4",
    12: "bt1361e",
    13: "iec61966-2-1",
    14: "bt2020-10",
    15: "bt2020-12",
    16: "smpte2084",
    17: "smpte428",
    18: "arib-std-b67",
}
# Of codecs that know one matrix alone, which not all of their decoders say.
OWN_MATRICES = {"vp8": 5}
HDR_TRANSFERS = frozenset({"smpte2084", "arib-std-b67"})

# The scale filter converts by these alone, and has names of its own for them.
_SCALE_NAMES = {
    "bt709": "bt709",
    "fcc": "fcc",
    "bt470bg": "bt601",
    "smpte170m": "bt601",
    "smpte240m": "smpte240m",
    "bt2020nc": "bt2020",
}
# What every encoder can say of its pictures; frames of other matrices are encoded by one of these.
_WRITTEN = frozenset(_SCALE_NAMES) - {"fcc"}
# Primaries that H.264 encoders cannot name, and those that lie next to them.
_NEAREST = {"ebu3213": "smpte170m"}
_CODES = {
    "matrix": {name: code for code, name in MATRICES.items()},
    "primaries": {name: code for code, name in PRIMARIES.items()},
    "transfer": {name: code for code, name in TRANSFERS.items()},
}


@dataclass(frozen=True)
class ColorTags:
    """Colour as ffmpeg names it; ``range`` is ``"tv"`` (limited) or ``"pc"`` (full)."""

    matrix: str
    primaries: str
    transfer: str
    range: str

    @property
    def hdr(self) -> bool:
        """Whether the picture is high dynamic range (PQ or HLG)."""
        return self.transfer in HDR_TRANSFERS

    @property
    def scale_matrix(self) -> str | None:
        """The matrix under the name that ffmpeg's scale filter takes; None if it takes it not."""
        return _SCALE_NAMES.get(self.matrix)

    def code(self, what: str) -> int:
        """The H.273 code point of the ``"matrix"``, the ``"primaries"`` or the ``"transfer"``.

        ffmpeg's parts call some of them by different names, and all take the number.
        """
        return _CODES[what][getattr(self, what)]


BT709 = ColorTags("bt709", "bt709", "bt709", "tv")
BT601 = ColorTags("smpte170m", "smpte170m", "smpte170m", "tv")


def default_color(width: int, height: int) -> ColorTags:
    """Return what players take an untagged picture for: BT.709 where it is HD, else BT.601.

    HD is 720 lines or, for a film whose black bars were cut off, 1280 columns.
    """
    return BT709 if height >= 720 or width >= 1280 else BT601


def resolve_color(
    matrix: int, primaries: int, transfer: int, full_range: bool, width: int, height: int
) -> ColorTags:
    """Return the colour of a stored picture, with what its tags leave open filled in.

    ``matrix``, ``primaries`` and ``transfer`` are H.273 code points; sizes are in pixels.
    """
    name = MATRICES.get(matrix)
    if name is None:
        name = usual_matrix(PRIMARIES.get(primaries), width, height)
    implied = {"bt2020nc": "bt2020", "bt2020c": "bt2020", "ictcp": "bt2020", "fcc": "bt470m"}
    own = name if name in _CODES["primaries"] else "bt709"
    curve = {"bt2020nc": "bt2020-10", "bt2020c": "bt2020-10", "smpte170m": "smpte170m"}
    return ColorTags(
        matrix=name,
        primaries=PRIMARIES.get(primaries) or implied.get(name, own),
        transfer=TRANSFERS.get(transfer) or curve.get(name, "bt709"),
        range="pc" if full_range else "tv",
    )


def usual_matrix(primaries: str | None, width: int, height: int) -> str:
    """Return the matrix that pictures of such primaries and size are mostly stored with."""
    return "bt2020nc" if primaries == "bt2020" else default_color(width, height).matrix


def output_color(color: ColorTags, width: int, height: int) -> ColorTags:
    """Return the colour to encode a picture in that was read from ``color``: limited range, SDR.

    The source's matrix, primaries and curve are kept, so that players treat the result as they
    treated the source; what only some encoders can name gives way to what is usual or next to it.
    """
    if color.hdr:
        return BT709
    written = color.matrix in _WRITTEN
    matrix = color.matrix if written else usual_matrix(color.primaries, width, height)
    return ColorTags(matrix, _NEAREST.get(color.primaries, color.primaries), color.transfer, "tv")
