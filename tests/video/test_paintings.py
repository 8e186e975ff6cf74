"""Paintings come as files of all kinds; each is seen as it is, or refused in a sentence."""

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage import data

from brushflow.common.errors import BrushflowError, UsageError
from brushflow.video import paintings
from brushflow.video.images import read_image
from brushflow.video.paintings import read_painting

CAT = data.chelsea()[:240, :320]
GREY = np.asarray(Image.fromarray(CAT).convert("L"))


def saved(picture, path, **options):
    picture.save(path, **options)
    return path


def opaque(picture):
    """With a left half that is transparent, and black where nobody sees it."""
    with_alpha = np.dstack([picture, np.full(picture.shape[:2], 255, np.uint8)])
    with_alpha[:, :160] = 0
    return Image.fromarray(with_alpha)


# How it is written, and what it is to look like.
KINDS = {
    "photograph.jpg": (lambda p: saved(Image.fromarray(CAT), p, quality=98), CAT),
    "grey.png": (lambda p: saved(Image.fromarray(GREY), p), np.dstack([GREY] * 3)),
    "print.png": (
        lambda p: saved(Image.fromarray(GREY > 128), p),
        np.dstack([np.where(GREY > 128, 255, 0)] * 3),
    ),
    "palette.png": (lambda p: saved(Image.fromarray(CAT).quantize(256), p), CAT),
    "sixteen.png": (lambda p: cv2.imwrite(str(p), CAT[..., ::-1].astype(np.uint16) * 257), CAT),
    "sixteen.tif": (lambda p: cv2.imwrite(str(p), CAT[..., ::-1].astype(np.uint16) * 257), CAT),
    "cmyk.jpg": (lambda p: saved(Image.fromarray(CAT).convert("CMYK"), p, quality=98), CAT),
    "cut-out.png": (
        lambda p: saved(opaque(CAT), p),
        np.hstack([np.full((240, 160, 3), 255), CAT[:, 160:]]),
    ),
    "turned.jpg": (
        lambda p: saved(Image.fromarray(np.rot90(CAT)), p, quality=98, exif=_turned_by(6)),
        CAT,
    ),
    "animation.gif.png": (
        lambda p: saved(
            Image.fromarray(CAT), p, save_all=True, append_images=[Image.fromarray(CAT[::-1])]
        ),
        CAT,
    ),
}


def _turned_by(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_file_is_seen_as_it_is(name, tmp_path):
    write, wanted = KINDS[name]
    write(tmp_path / name)
    seen = read_painting(tmp_path / name, 320)
    assert seen.shape == (240, 320, 3) and seen.dtype == np.uint8
    assert np.abs(seen.astype(int) - wanted).mean() < 8


def test_a_tiny_one_is_enlarged(tmp_path):
    path = saved(Image.fromarray(CAT[:75, :100]), tmp_path / "tiny.png")
    assert read_painting(path, 640).shape == (480, 640, 3)


def test_a_scroll_keeps_its_strokes(tmp_path):
    scroll = np.tile(CAT[:100], (1, 50, 1))  # 16,000 pixels long
    path = saved(Image.fromarray(scroll), tmp_path / "scroll.png")
    assert read_painting(path, 640).shape[0] == 64
    upright = saved(Image.fromarray(np.rot90(scroll)), tmp_path / "upright.png")
    assert read_painting(upright, 640).shape[1] == 64


@pytest.mark.parametrize("kind", ["jpg", "png", "cmyk"])
def test_a_huge_one_is_shrunk_before_it_is_worked_on(kind, tmp_path, monkeypatch):
    large = cv2.resize(CAT, (1600, 1200), interpolation=cv2.INTER_CUBIC)
    picture = Image.fromarray(large)
    path = tmp_path / f"large.{kind.replace('cmyk', 'tif')}"
    saved(picture.convert("CMYK") if kind == "cmyk" else picture, path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # Pillow refuses what is twice as large
    decoded, decode = [], cv2.imdecode
    monkeypatch.setattr(
        cv2, "imdecode", lambda *given: decoded.append(decode(*given)) or decoded[-1]
    )
    small = read_image(path, shortest=240)
    assert small.shape == (240, 320, 3)
    assert np.abs(small.astype(int) - CAT).mean() < 8
    assert kind != "jpg" or decoded[0].shape == (300, 400, 3)
    monkeypatch.setattr(paintings, "_ENOUGH", 240)
    assert read_painting(path, 320).shape == (240, 320, 3)


@pytest.mark.parametrize("name", ["text.jpg", "empty.png", "cut.png"])
def test_what_is_none_is_refused_in_a_sentence(name, tmp_path):
    path = tmp_path / name
    Image.fromarray(CAT).save(tmp_path / "whole.png")
    whole = (tmp_path / "whole.png").read_bytes()
    path.write_bytes(
        {"text.jpg": b"Dear sir,\n" * 99, "empty.png": b"", "cut.png": whole[:40]}[name]
    )
    with pytest.raises(BrushflowError, match=f"{name} is not a readable picture"):
        read_painting(path, 320)


def test_one_that_ends_too_soon_is_never_a_traceback(tmp_path):
    path = saved(Image.fromarray(CAT), tmp_path / "whole.jpg")
    whole = path.read_bytes()
    for share in (0.02, 0.3, 0.9):
        path.write_bytes(whole[: int(share * len(whole))])
        try:
            assert read_painting(path, 320).shape == (240, 320, 3)
        except BrushflowError as error:
            assert "is not a readable picture" in str(error)


def test_one_that_is_too_small_is_refused(tmp_path):
    path = saved(Image.fromarray(CAT[:40, :50]), tmp_path / "stamp.png")
    with pytest.raises(UsageError, match="only 50×40"):
        read_painting(path, 320)
