"""Pictures as viewers show them: upright, in their colours, whatever they are called, moving."""

import io
import struct
import zlib
from fractions import Fraction
from itertools import pairwise

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from brushflow.cli.sources import default_output, find_videos
from brushflow.common.errors import BrushflowError
from brushflow.pipeline import StylizeOptions, stylize_video
from brushflow.video import open_source, read_image, write_image

# Colorants of Display P3 in XYZ, adapted to D50, and the curve that it shares with sRGB.
P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
SRGB = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))
CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
LINEAR = (1, 1, 0, 1, 0)


def fixed(*numbers):
    return b"".join(struct.pack(">i", round(number * 65536)) for number in numbers)


def profile(space, connection, tags):
    """An ICC profile (ICC.1:2010) of tags by name."""
    table, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        offset = 128 + 4 + 12 * len(tags) + len(body)
        table += name + struct.pack(">II", offset, len(data))
        body += data + bytes(-len(data) % 4)
    kind = b"prtr" if space == b"CMYK" else b"mntr"
    head = struct.pack(">I4xI", 128 + len(table + body), 0x04200000) + kind + space + connection
    head += bytes(12) + b"acsp" + bytes(28) + fixed(0.9642, 1, 0.8249)
    return head.ljust(128, b"\0") + table + body


def curve(parameters):
    return b"para\0\0\0\0\0\3\0\0" + fixed(*parameters)


def of_screen(colorants, parameters=CURVE):
    tags = {}
    for name, colorant in zip((b"r", b"g", b"b"), colorants, strict=True):
        tags[name + b"XYZ"] = b"XYZ \0\0\0\0" + fixed(*colorant)
        tags[name + b"TRC"] = curve(parameters)
    return profile(b"RGB ", b"XYZ ", tags)


def of_inks():
    """No ink is white, black is black, and any other mixture a certain blue."""
    lab = [(255, 128, 128), *[(140, 100, 80)] * 15]
    for mixture in range(1, 16, 2):
        lab[mixture] = (0, 128, 128)
    straight = bytes(range(256))
    table = b"mft1\0\0\0\0\4\3\2\0" + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1) + straight * 4
    table += bytes(v for node in lab for v in node) + straight * 3
    return profile(b"CMYK", b"Lab ", {b"A2B0": table})


def with_profile(path, icc):
    """Give a PNG file an ICC profile."""
    data = path.read_bytes()
    content = b"iCCP" + b"p\0\0" + zlib.compress(icc)
    chunk = struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))
    path.write_bytes(data[:33] + chunk + data[33:])


def blocks(alpha=255):
    rng = np.random.default_rng(1)
    picture = np.kron(rng.integers(0, 256, (2, 3, 4)), np.ones((8, 8, 1))).astype(np.uint8)
    picture[..., 3] = alpha
    return picture


@pytest.mark.parametrize(
    "kind, channels",
    [*((kind, count) for kind in ("PNG", "WEBP", "TIFF") for count in (3, 4)), ("JPEG", 3)],
)
@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_every_orientation_is_turned_whatever_the_file_is_called(kind, channels, name, tmp_path):
    stored = Image.fromarray(blocks()[..., :channels].copy())
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x112] = orientation
        lossless = {"lossless": True} if kind == "WEBP" else {}
        stored.save(tmp_path / name, kind, exif=exif, **lossless)
        # From memory: Pillow turns TIFF files that it maps into memory twice.
        with Image.open(io.BytesIO((tmp_path / name).read_bytes())) as opened:
            shown = np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))
        read = read_image(tmp_path / name)
        assert read.shape == shown.shape
        assert np.abs(read.astype(int) - shown).mean() < (3 if kind == "JPEG" else 0.01)
        assert open_source(tmp_path / name).info.width == shown.shape[1]


def jpeg(grey, size=(48, 32), **options):
    content = io.BytesIO()
    Image.new("RGB", size, (grey,) * 3).save(content, "JPEG", **options)
    return content.getvalue()


@pytest.mark.parametrize("name", ["film", "film.jpg", "film.bin", "film.mjpeg"])
def test_one_jpeg_behind_another_is_a_video_whatever_it_is_called(name, tmp_path):
    levels = [40, 120, 200]
    path = tmp_path / name
    path.write_bytes(b"".join(jpeg(grey, progressive=grey == 120) for grey in levels))
    source = open_source(path)
    assert source.kind == "video"
    assert [round(float(frame.pixels.mean())) for frame in source.read()] == levels


def test_what_belongs_to_a_photograph_makes_no_video_of_it(tmp_path):
    gain_map = jpeg(99, (24, 16))
    grouped = b"\xff\xd8\xff\xe2\0\x06MPF\0" + jpeg(40)[2:]
    for number, content in enumerate(
        [jpeg(40) + gain_map, grouped + jpeg(99), jpeg(40) + b"trailer" + jpeg(99), jpeg(40)]
    ):
        path = tmp_path / f"{number}"
        path.write_bytes(content)
        assert open_source(path).kind == "image", number


def test_transparency_counts_whatever_the_file_is_called(tmp_path):
    picture = blocks(alpha=128)
    Image.fromarray(picture).save(tmp_path / "a.jpg", "PNG")
    assert np.abs(read_image(tmp_path / "a.jpg") - picture[..., :3] * (128 / 255)).max() <= 0.51
    # The fourth channel of a BMP means nothing.
    cv2.imwrite(str(tmp_path / "a.bmp"), np.dstack([picture[..., :3], picture[..., 3:] * 0]))
    assert np.array_equal(read_image(tmp_path / "a.bmp"), picture[..., 2::-1])


def test_what_a_file_holds_decides_and_not_its_name(tmp_path, make_clip):
    make_clip(tmp_path / "a.mp4", range(4)).rename(tmp_path / "film.png")
    assert open_source(tmp_path / "film.png").kind == "video"
    assert len(list(open_source(tmp_path / "film.png").read())) == 4
    Image.fromarray(blocks()).save(tmp_path / "picture.mp4", "PNG")
    assert open_source(tmp_path / "picture.mp4").kind == "image"
    assert default_output(tmp_path / "picture.mp4", StylizeOptions()).suffix == ".png"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_colours_are_those_that_the_profile_tells(kind, tmp_path):
    path = tmp_path / "a.png"
    flat = Image.new("RGB", (16, 16), (220, 90, 60))
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100}}.get(kind, {})
    flat.save(path, kind, icc_profile=of_screen(P3), **options)
    assert np.abs(read_image(path)[8, 8] - np.array([238, 78, 46])).max() <= 2
    assert np.abs(read_image(path, 10)[8, 8] / 257 - np.array([238, 78, 46])).max() <= 2
    flat.save(path, kind, icc_profile=of_screen(SRGB), **options)
    own = read_image(path)
    flat.save(path, kind, **options)
    assert np.array_equal(own, read_image(path))


def test_transparent_pictures_have_their_colours_too(tmp_path):
    flat = Image.new("RGBA", (16, 16), (220, 90, 60, 128))
    flat.save(tmp_path / "a.png", icc_profile=of_screen(P3))
    half = np.array([238, 78, 46]) * 128 / 255
    assert np.abs(read_image(tmp_path / "a.png")[8, 8] - half).max() <= 1.5


def test_deep_pictures_keep_their_depth_under_a_profile(tmp_path):
    """A ramp of light that is linear in its numbers: steep where it is dark."""
    ramp = np.arange(0, 65536, 16, dtype=np.uint16)
    write_image(tmp_path / "a.png", np.repeat(ramp[None, :, None], 3, axis=2))
    with_profile(tmp_path / "a.png", of_screen(SRGB, LINEAR))
    read = read_image(tmp_path / "a.png", 10)[0, :, 1].astype(float) / 65535
    light = ramp / 65535
    right = np.where(light < 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    far = light > 0.02
    assert np.abs(read - right)[far].max() < 1 / 255
    assert np.abs(read - right).max() < 6 / 255
    assert np.all(np.diff(read) >= 0) and len(np.unique(read)) > 2000


def test_gray_and_ink_have_profiles_as_well(tmp_path):
    gray = Image.fromarray(np.tile(np.arange(256, dtype=np.uint8), (4, 1)))
    gray.save(tmp_path / "a.png", icc_profile=profile(b"GRAY", b"XYZ ", {b"kTRC": curve(LINEAR)}))
    read = read_image(tmp_path / "a.png")[0].astype(int)
    assert read.shape == (256, 3) and np.all(np.ptp(read, axis=1) == 0)
    assert abs(read[55, 0] - 128) <= 2  # 21.6 % of the light
    inks = np.zeros((16, 48, 4), np.uint8)
    inks[:, 16:32, 0] = inks[:, 32:, 3] = 255
    Image.fromarray(inks, "CMYK").save(tmp_path / "b.jpg", quality=100, icc_profile=of_inks())
    paper, blue, black = read_image(tmp_path / "b.jpg")[8, 8::16].astype(int)
    assert paper.min() > 250 and black.max() < 8
    assert blue[2] > 150 > blue[0] + 50


def test_a_damaged_profile_is_no_profile(tmp_path):
    flat = Image.new("RGB", (16, 16), (220, 90, 60))
    whole = of_screen(P3)
    for broken in (whole[:150], whole[:128], b"nonsense", whole.replace(b"acsp", b"----")):
        flat.save(tmp_path / "a.png", icc_profile=broken)
        assert tuple(read_image(tmp_path / "a.png")[0, 0]) == (220, 90, 60)


DELAYS = (100, 40, 250, 1000)


def animate(path, kind, alpha=255, **options):
    frames = []
    for number in range(4):
        frame = np.zeros((16, 24, 4), np.uint8)
        frame[..., 0], frame[..., 3] = 60 * number, alpha
        frames.append(Image.fromarray(frame))
    options = {"lossless": True, **options} if kind == "WEBP" else options
    frames[0].save(
        path, kind, save_all=True, append_images=frames[1:], duration=list(DELAYS), **options
    )
    return path


@pytest.mark.parametrize("kind", ["WEBP", "PNG"])
@pytest.mark.parametrize("name", ["a.webp", "a.png", "a.mp4"])
def test_animated_pictures_are_videos_with_their_own_pace(kind, name, tmp_path):
    source = open_source(animate(tmp_path / name, kind))
    assert source.kind == "animation"
    frames = list(source.read())
    assert [frame.pixels[0, 0, 0] for frame in frames] == [0, 60, 120, 180]
    times = [frame.pts * source.info.time_base for frame in frames]
    assert [1000 * (b - a) for a, b in pairwise(times)] == list(DELAYS[:-1])
    assert source.info.duration == pytest.approx(1.39)
    assert source.notes == [] and source.problem is None
    deep = next(source.read(first=2, bit_depth=10))
    assert (deep.index, deep.pixels[0, 0, 0], deep.pixels.dtype) == (2, 120 * 257, np.uint16)
    assert [
        f.pixels.shape for f in source.read(size=(12, 8), gray=True, until=Fraction(1, 10))
    ] == [(8, 12)]


def test_later_pages_of_a_picture_are_not_left_out_without_a_word(tmp_path, caplog):
    pages = [Image.new("RGB", (64, 48), color) for color in ("red", "green", "blue")]
    path = tmp_path / "scan.tiff"
    pages[0].save(path, save_all=True, append_images=pages[1:])
    source = open_source(path)
    assert source.kind != "animation"
    assert [tuple(frame.pixels[0, 0]) for frame in source.read()] == [(255, 0, 0)]
    assert caplog.text.count("of several pages, of which the first picture is taken") == 1
    pages[0].save(tmp_path / "one.tiff")
    assert list(open_source(tmp_path / "one.tiff").read())
    assert "one.tiff" not in caplog.text


def test_an_animation_becomes_a_video_that_shows_its_last_picture_as_long(tmp_path):
    source = animate(tmp_path / "a.webp", "WEBP", alpha=200)
    options = StylizeOptions(strength=0, codec="ffv1")
    report = stylize_video(source, tmp_path / "out.mkv", options)
    assert report.frames == 4
    assert report.notes == ["The video has transparent parts, which were put on black."]
    painted = open_source(tmp_path / "out.mkv")
    times = [frame.pts * painted.info.time_base for frame in painted.read()]
    assert times == [0, Fraction(1, 10), Fraction(14, 100), Fraction(39, 100)]
    assert painted.info.duration == pytest.approx(1.39, abs=0.002)


def test_several_sources_know_an_animation_from_a_picture(tmp_path):
    animate(tmp_path / "moves.webp", "WEBP")
    write_image(tmp_path / "still.webp", np.zeros((8, 8, 3), np.uint8))
    places = [str(tmp_path / "moves.webp"), str(tmp_path / "still.webp")]
    assert [output.suffix for _, output in find_videos(places, StylizeOptions(), None)] == [
        ".mp4",
        ".png",
    ]


def test_a_picture_for_those_who_cannot_show_the_others_is_none_of_them(tmp_path):
    first = Image.new("RGB", (8, 8), (255, 255, 255))
    others = [Image.new("RGB", (8, 8), (80 * number, 0, 0)) for number in range(3)]
    first.save(tmp_path / "a.png", save_all=True, default_image=True, append_images=others)
    read = [tuple(frame.pixels[0, 0]) for frame in open_source(tmp_path / "a.png").read()]
    assert read == [(0, 0, 0), (80, 0, 0), (160, 0, 0)]


def test_an_animation_that_ends_early_says_so(tmp_path):
    data = animate(tmp_path / "a.png", "PNG").read_bytes()
    (tmp_path / "a.png").write_bytes(data[: data.rindex(b"fdAT") + 6])
    source = open_source(tmp_path / "a.png")
    assert 0 < len(list(source.read())) < 4 and source.problem


def test_of_an_animation_among_pictures_the_first_picture_is_taken_and_said_once(tmp_path, caplog):
    write_image(tmp_path / "0.png", np.zeros((16, 24, 3), np.uint8))
    animate(tmp_path / "1.webp", "WEBP")
    source = open_source(tmp_path)
    assert len(list(source.read())) == len(list(source.read())) == 2
    assert caplog.text.count("is an animation") == 1


def test_a_picture_of_another_size_says_how_each_is_painted(tmp_path):
    for number, size in enumerate([(16, 24, 3), (16, 24, 3), (24, 16, 3)]):
        write_image(tmp_path / f"{number}.png", np.zeros(size, np.uint8))
    with pytest.raises(BrushflowError, match=r"2\.png is 16×24 .* by itself: .*\* -o FOLDER"):
        list(open_source(tmp_path).read())
