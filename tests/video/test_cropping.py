"""Borders that Matroska and .mp4 files say are not to be shown."""

import struct

import numpy as np
import pytest

from brushflow.video import open_source, probe
from brushflow.video.boxes import find_moov, insert, make_box, path_to, video_tracks
from brushflow.video.cropping import Borders
from brushflow.video.playback import play

SIZE = (96, 64)
EVEN, ODD = Borders(16, 6, 12, 8), Borders(11, 5, 17, 7)


def elements(data):
    """(ID, header, content) of each EBML element."""
    place = 0
    while place < len(data):
        first = 9 - data[place].bit_length()
        second = 9 - data[place + first].bit_length()
        start = place + first + second
        length = int.from_bytes(data[place + first : start], "big") & (1 << 7 * second) - 1
        yield data[place : place + first], data[place:start], data[start : start + length]
        place = start + length


def crop_matroska(path, borders):
    """Put PixelCrop elements where ones were that nobody misses, so that no place moves."""
    data = path.read_bytes()
    name = bytes.fromhex("1654ae6b")
    (tracks,) = (
        body for kind, _, body in elements(data[data.rindex(name) :][:4096]) if kind == name
    )
    missed = [b"\x73\xc5", b"\x9c", b"\x22\xb5\x9c", b"\x23\xe3\x83"]
    changed = b""
    for kind, head, body in elements(tracks):
        if kind != b"\xae" or not any(child == b"\xe0" for child, _, _ in elements(body)):
            changed += head + body
            continue
        children = [child for child in elements(body) if child[0] not in missed]
        video = next(content for child, _, content in children if child == b"\xe0")
        for side, count in zip(("54cc", "54bb", "54dd", "54aa"), borders, strict=True):
            video += bytes.fromhex(side) + b"\x81" + bytes([count])
        new = b"".join(head + content for child, head, content in children if child != b"\xe0")
        new += b"\xe0" + bytes([0x80 | len(video)]) + video
        spare = len(body) - len(new) - 2
        changed += head + new + b"\xec" + bytes([0x80 | spare]) + bytes(spare)
    assert len(changed) == len(tracks)
    path.write_bytes(data.replace(tracks, changed))


def crop_mp4(path, borders):
    """Describe the clean aperture behind the frames, where nothing moves."""
    left, top, right, bottom = borders
    width, height = borders.inside(*SIZE)
    numbers = (width, 1, height, 1, left - right, 2, top - bottom, 2)
    with path.open("rb") as file:
        place = find_moov(file)
    data = path.read_bytes()
    moov = bytearray(data[place.start : place.end])
    _, entry = next(video_tracks(moov))
    insert(
        moov,
        [*path_to(moov, entry.start), entry],
        entry.end,
        make_box(b"clap", struct.pack(">IIIIiIiI", *numbers)),
    )
    path.write_bytes(data[: place.start] + bytes(moov) + data[place.end :])


@pytest.mark.parametrize("borders", [EVEN, ODD])
@pytest.mark.parametrize(("suffix", "cut"), [(".mkv", crop_matroska), (".mp4", crop_mp4)])
def test_borders_are_cut_off(make_clip, rebuild, tmp_path, suffix, cut, borders):
    path = make_clip(tmp_path / f"in{suffix}", range(4))
    left, top, right, bottom = borders
    want = [f.pixels[top : 64 - bottom, left : 96 - right] for f in open_source(path).read()]
    cut(path, borders)
    info = probe(path)
    assert (info.width, info.height) == borders.inside(*SIZE)
    assert [
        np.array_equal(f.pixels, p) for f, p in zip(open_source(path).read(), want, strict=True)
    ] == [True] * 4
    gray = next(open_source(path).read(gray=True)).pixels
    assert np.abs(gray - want[0].mean(-1)).mean() < 12
    rebuild(path, tmp_path / "out.mp4")
    before, after = play(path), play(tmp_path / "out.mp4")
    assert before.size == after.size == borders.inside(*SIZE)
    for since, mean in before.means.items():
        assert np.abs(mean - want[round(since * 25)].mean((0, 1))).max() < 1
        assert np.abs(mean - after.means[since]).max() < 1
    assert probe(tmp_path / "out.mp4").borders == Borders()


@pytest.mark.parametrize("pixels", ["yuv420p", "yuvj420p", "yuv422p10le"])
def test_odd_borders_are_cut_off_where_pixels_share_their_colour(run_ffmpeg, tmp_path, pixels):
    path = tmp_path / "in.mkv"
    codec = "ffv1" if "j" not in pixels else "mjpeg"
    run_ffmpeg(
        "-f",
        "lavfi",
        "-i",
        "testsrc2=s=96x64:r=5:d=0.4",
        "-c:v",
        codec,
        "-q:v",
        2,
        "-pix_fmt",
        pixels,
        path,
    )
    whole = next(open_source(path).read()).pixels
    crop_matroska(path, ODD)
    cut = next(open_source(path).read()).pixels.astype(int)
    assert np.abs(cut - whole[5:-7, 11:-17]).mean() < 3


@pytest.mark.parametrize("orientation", [(a, b, c) for a in (0, 1) for b in (0, 1) for c in (0, 1)])
def test_borders_turn_with_their_picture(orientation):
    transposed, mirrored, inverted = orientation
    stored = np.zeros((64, 96), int)
    stored[ODD.top : 64 - ODD.bottom, ODD.left : 96 - ODD.right] = 1
    turned = stored.T if transposed else stored
    turned = turned[:, ::-1] if mirrored else turned
    turned = turned[::-1] if inverted else turned
    rows, columns = turned.any(1).nonzero()[0], turned.any(0).nonzero()[0]
    height, width = turned.shape
    assert ODD.upright(orientation) == (
        columns[0],
        rows[0],
        width - 1 - columns[-1],
        height - 1 - rows[-1],
    )
