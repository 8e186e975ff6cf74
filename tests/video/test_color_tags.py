"""Every primaries, transfer, matrix and range a file can name: read right, written or converted."""

from fractions import Fraction
from itertools import product

import av
import numpy as np
import pytest

from brushflow.video import EncodeSettings, SegmentWriter, assemble, open_source, probe
from brushflow.video.color import MATRICES, PRIMARIES, TRANSFERS, output_color, resolve_color

# Weights of red and blue in luma, of H.273; chroma-derived is tried with the primaries of BT.2020.
LUMA = {
    "bt709": (0.2126, 0.0722),
    "fcc": (0.30, 0.11),
    "bt470bg": (0.299, 0.114),
    "smpte170m": (0.299, 0.114),
    "smpte240m": (0.212, 0.087),
    "bt2020nc": (0.2627, 0.0593),
    "chroma-derived-nc": (0.2627, 0.0593),
}
# No filter of ffmpeg's knows these (or not with such a curve): taken for a usual one, with a note.
UNKNOWN = ("bt2020c", "smpte2085", "chroma-derived-c", "ictcp", "ipt-c2", "ycgco-re", "ycgco-ro")
NEAREST = {"ebu3213": "smpte170m"}  # H.264 cannot say the first
HDR = ("smpte2084", "arib-std-b67")
STORED = (120, 100, 160)


def code(table, name):
    """The code point that a table has under a name."""
    return next(number for number, known in table.items() if known == name)


def shown(matrix, span, stored=STORED):
    """R'G'B' in grey levels of a stored pixel, by the formulas of H.273."""
    black, height, width = (
        (0, 255, 255) if span == "pc" else (16, 219, 219 if matrix == "ycgco" else 224)
    )
    stored = np.asarray(stored, float)
    y, u, v = (stored[0] - black) / height, (stored[1] - 128) / width, (stored[2] - 128) / width
    if matrix == "ycgco":
        rgb = (y - u + v, y + u, y - u - v)
    else:
        kr, kb = LUMA[matrix]
        red, blue = y + 2 * (1 - kr) * v, y + 2 * (1 - kb) * u
        rgb = (red, (y - kr * red - kb * blue) / (1 - kr - kb), blue)
    return 255 * np.clip(rgb, 0, 1)


@pytest.fixture
def stored_with(tmp_path):
    """A lossless clip of one colour with these code points in its header, whatever they mean."""

    def make(matrix, primaries, transfer, span, pix_fmt="yuv444p"):
        path = tmp_path / "in.mkv"
        with av.open(str(path), "w") as target:
            stream = target.add_stream("ffv1", rate=25)
            stream.width, stream.height, stream.pix_fmt = 48, 32, pix_fmt
            context = stream.codec_context
            context.colorspace, context.color_primaries = matrix, primaries
            context.color_trc, context.color_range = transfer, {"tv": 1, "pc": 2}[span]
            for number in range(3):
                frame = av.VideoFrame(48, 32, pix_fmt)
                values = [bytes([value]) for value in STORED]
                for plane in frame.planes:
                    pixel = values.pop(0) if pix_fmt == "yuv444p" else bytes([60, 110, 180, 0])
                    plane.update(pixel * (plane.buffer_size // len(pixel)))
                frame.pts = number
                target.mux(stream.encode(frame))
            target.mux(stream.encode(None))
        return path

    return make


def pass_through(path, output):
    """Read a clip and write what was read; return the source, and a pixel of it and the result."""
    source = open_source(path)
    frames = list(source.read())
    assert len(frames) == 3
    assert source.problem is None
    segment = output.with_suffix(".part.mkv")
    info = source.info
    settings = EncodeSettings(preset="ultrafast", crf=4)
    with SegmentWriter(segment, 48, 32, settings, Fraction(25), info.output_color) as writer:
        for frame in frames:
            writer.write(frame.pixels)
    assemble([segment], [frame.pts for frame in frames], info.time_base, output, path)
    with av.open(str(output)) as container:
        stored = [stored_at(frame, 16, 24) for frame in container.decode(video=0)]
    assert len(stored) == 3
    matrix = probe(output).color.matrix
    return source, frames[0].pixels[16, 24], shown(matrix, "tv", stored[0])


def stored_at(frame, row, column):
    """A pixel of a frame as it is stored: PyAV 17 converts none that has certain tags."""
    assert frame.format.name == "yuv420p"
    places = (row, column), (row // 2, column // 2), (row // 2, column // 2)
    return np.array(
        [
            np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[place]
            for plane, place in zip(frame.planes, places, strict=True)
        ]
    )


def nth(table, number):
    """Values of a table in turn, again and again; RGB is no matrix of YUV."""
    names = [name for name in table.values() if name != "gbr"]
    return names[number % len(names)]


# Every value of each table is in at least one row.
ROWS = [
    (
        nth(MATRICES, n),
        "bt2020" if "chroma-derived" in nth(MATRICES, n) else nth(PRIMARIES, n),
        nth(TRANSFERS, n),
        ("tv", "pc")[n % 2],
    )
    for n in range(24)
]


def test_rows_hold_every_value():
    assert {row[0] for row in ROWS} == set(MATRICES.values()) - {"gbr"}
    assert {row[1] for row in ROWS} == set(PRIMARIES.values())
    assert {row[2] for row in ROWS} == set(TRANSFERS.values())


@pytest.mark.parametrize(("matrix", "primaries", "transfer", "span"), ROWS)
def test_colours_of_every_kind_come_through(
    stored_with, tmp_path, matrix, primaries, transfer, span
):
    codes = (code(MATRICES, matrix), code(PRIMARIES, primaries), code(TRANSFERS, transfer))
    path, output = stored_with(*codes, span), tmp_path / "out.mp4"
    source, before, after = pass_through(path, output)
    color = source.info.color
    assert (color.matrix, color.primaries, color.transfer, color.range) == (
        *(matrix, primaries, transfer),
        span,
    )
    written = probe(output).color
    assert written == source.info.output_color
    assert np.abs(before - after).max() <= 3
    if transfer in HDR:
        assert (written.primaries, written.transfer) == ("bt709", "bt709")
        return
    assert (written.primaries, written.transfer) == (NEAREST.get(primaries, primaries), transfer)
    converted = {"fcc", "ycgco", "chroma-derived-nc", *UNKNOWN}
    assert (written.matrix == matrix) == (matrix not in converted)
    assert any(f"({matrix})" in note for note in source.notes) == (matrix in UNKNOWN)
    if matrix not in UNKNOWN:
        assert np.abs(before - shown(matrix, span)).max() <= 2.5


@pytest.mark.parametrize("transfer", sorted({*TRANSFERS.values()} - {*HDR}))
def test_matrices_of_another_filter_are_read_with_every_curve(stored_with, transfer):
    path = stored_with(code(MATRICES, "ycgco"), 1, code(TRANSFERS, transfer), "tv")
    (first, *_) = open_source(path).read()
    assert np.abs(first.pixels[16, 24] - shown("ycgco", "tv")).max() <= 2.5


@pytest.mark.parametrize("matrix", ["ictcp", "ycgco", "chroma-derived-nc", "bt2020c"])
def test_hdr_of_every_matrix_becomes_sdr(stored_with, tmp_path, matrix):
    path = stored_with(code(MATRICES, matrix), 9, 16, "tv")
    source, before, after = pass_through(path, tmp_path / "out.mp4")
    assert source.info.hdr
    assert np.abs(before - after).max() <= 3
    assert any(f"({matrix})" in note for note in source.notes) == (matrix == "bt2020c")


@pytest.mark.parametrize("transfer", sorted(HDR))
@pytest.mark.parametrize("primaries", [1, 2, 8, 22])
def test_hdr_of_a_matrix_that_belongs_to_other_primaries_is_read(stored_with, transfer, primaries):
    """As if it said those, whose pictures ICtCp is defined for."""
    matrix, curve = code(MATRICES, "ictcp"), code(TRANSFERS, transfer)
    (right, *_) = open_source(stored_with(matrix, 9, curve, "tv")).read()
    (read, *_) = open_source(stored_with(matrix, primaries, curve, "tv")).read()
    assert np.array_equal(read.pixels, right.pixels)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_primaries_and_curve_of_rgb_are_kept(stored_with, tmp_path, suffix):
    path = stored_with(0, 9, 5, "pc", "bgr0")
    source, before, after = pass_through(path, tmp_path / f"out{suffix}")
    assert source.info.color.matrix == "gbr"
    color = probe(tmp_path / f"out{suffix}").color
    assert (color.matrix, color.primaries, color.transfer) == ("bt2020nc", "bt2020", "gamma28")
    assert np.abs(before - after).max() <= 3


def test_yuv_that_is_tagged_as_rgb_is_read_like_untagged(stored_with, tmp_path):
    source, before, _ = pass_through(stored_with(0, 1, 1, "tv"), tmp_path / "out.mp4")
    assert source.info.color.matrix == "smpte170m"
    assert np.abs(before - shown("smpte170m", "tv")).max() <= 2.5


def test_every_combination_is_written_in_what_the_rows_have_tried():
    numbers = range(24)
    tried = {(row[1], row[2]) for row in ROWS}
    primaries, transfers = {NEAREST.get(p, p) for p, _ in tried}, {t for _, t in tried}
    for matrix, first, second in product(numbers, repeat=3):
        size = ((720, 576), (1920, 1080))[first % 2]
        color = output_color(resolve_color(matrix, first, second, second > 9, *size), *size)
        assert color.matrix in {"bt709", "bt470bg", "smpte170m", "smpte240m", "bt2020nc"}
        assert color.primaries in primaries
        assert color.transfer in transfers - set(HDR)
        assert color.range == "tv"
