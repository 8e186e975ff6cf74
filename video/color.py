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
    18: "arib-std-b67",
}
HDR_TRANSFERS = frozenset({"smpte2084", "arib-std-b67"})

# The scale filter knows the matrices under fewer names.
_SCALE_NAMES = {
    "bt709": "bt709",
    "fcc": "fcc",
    "bt470bg": "bt601",
    "smpte170m": "bt601",
    "smpte240m": "smpte240m",
    "bt2020nc": "bt2020",
    "bt2020c": "bt2020",
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
    def scale_matrix(self) -> str:
        """The matrix under the name that ffmpeg's scale filter takes."""
        return _SCALE_NAMES[self.matrix]


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
    default = default_color(width, height)
    name = MATRICES.get(matrix)
    if name is None:
        name = "bt2020nc" if PRIMARIES.get(primaries) == "bt2020" else default.matrix
    implied = {"bt2020nc": "bt2020", "bt2020c": "bt2020", "gbr": "bt709", "fcc": "bt470m"}
    curve = {"bt2020nc": "bt2020-10", "bt2020c": "bt2020-10", "smpte170m": "smpte170m"}
    return ColorTags(
        matrix=name,
        primaries=PRIMARIES.get(primaries) or implied.get(name, name),
        transfer=TRANSFERS.get(transfer) or curve.get(name, "bt709"),
        range="pc" if full_range else "tv",
    )


def output_color(color: ColorTags, width: int, height: int) -> ColorTags:
    """Return the colour to encode a picture in that was read from ``color``: limited range, SDR.

    The source's matrix, primaries and curve are kept where they are standard dynamic range YUV,
    so that players treat the result as they treated the source.
    """
    if color.hdr:
        return BT709
    if color.matrix not in _SCALE_NAMES:
        return default_color(width, height)
    return ColorTags(color.matrix, color.primaries, color.transfer, "tv")
