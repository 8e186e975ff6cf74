"""Cards with words, what stands on a plain ground, and surfaces full of light."""

import cv2
import numpy as np
import pytest

from brushflow.evaluation.faithfulness import light_order
from brushflow.models import load
from brushflow.pipeline import Stylizer
from brushflow.pipeline.finishing import finish, in_the_light_of, plain_ground

SIZE = (144, 256)


def card(ground, ink, scale):
    picture = np.full((*SIZE, 3), ground, np.uint8)
    for row in range(3):
        place = (20, 45 + 36 * row)
        cv2.putText(picture, "WORDS", place, cv2.FONT_HERSHEY_DUPLEX, scale, ink, 2, cv2.LINE_AA)
    return picture


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize(
    ("ground", "ink", "scale"),
    [(0, (240,) * 3, 1.0), (250, (10,) * 3, 0.6), ((20, 30, 110), (240, 220, 60), 1.4)],
)
def test_a_card_stays_with_its_words(ground, ink, scale, depth):
    picture = card(ground, ink, scale)
    noise = np.random.default_rng(0).integers(-2, 3, picture.shape)
    picture = np.clip(picture + noise, 0, 255).astype(np.uint8)
    if depth == 16:
        picture = picture.astype(np.uint16) * 257
    stays = plain_ground(picture)
    assert stays.shape == SIZE and stays.dtype == np.float32
    assert stays.mean() > 0.97


@pytest.mark.parametrize("size", [(480, 270), (854, 480)])
@pytest.mark.parametrize(("ground", "ink"), [(16, 220), (250, 10), ((20, 30, 110), (240, 220, 60))])
def test_a_card_stays_with_grain_and_compressed(ground, ink, size):
    ink = (ink,) * 3 if isinstance(ink, int) else ink
    picture = cv2.resize(card(ground, ink, 1.2), size, interpolation=cv2.INTER_CUBIC)
    grain = np.random.default_rng(0).normal(0, 3, (*picture.shape[:2], 1))
    picture = np.clip(picture + grain, 0, 255).astype(np.uint8)
    for quality in (90, 60):
        _, file = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
        assert plain_ground(cv2.imdecode(file, cv2.IMREAD_COLOR)).mean() > 0.95


def test_what_is_wider_than_a_brush_is_painted(drifting):
    picture = np.full((*SIZE, 3), 255, np.uint8)
    (photograph,) = drifting(1, 100, 80)
    picture[30:110, 80:180] = photograph
    stays = plain_ground(picture)
    assert stays[45:95, 95:165].max() == 0
    assert stays[:26].min() == 1 and stays[:, :76].min() == 1


@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea"])
def test_a_photograph_has_no_ground(drifting, name):
    for frame in drifting(3, 256, 144, name, speed=60):
        assert plain_ground(frame) is None


def test_a_ground_comes_and_goes_without_a_step(drifting):
    (photograph,) = drifting(1, 256, 144, "coffee")
    stays = []
    for width in range(100, 250, 2):
        frame = photograph.copy()
        frame[:, :width] = 200
        ground = plain_ground(frame)
        stays.append(0.0 if ground is None else float(ground[:, :90].mean()))
    assert stays[0] == 0 and stays[-1] == 1
    assert np.abs(np.diff(stays)).max() < 0.12


def wall(width=192, height=108):
    """An overexposed wall, in even light but for a little, and something dark before it."""
    random = np.random.default_rng(0)
    light = np.linspace(250, 238, width) + random.normal(0, 3, (height, width))
    dark = cv2.blur(random.normal(60, 60, (height, width)), (5, 5))
    something = cv2.circle(np.zeros((height, width), np.float32), (130, 64), 34, 1, -1)
    grey = light + cv2.blur(something, (3, 3)) * (dark - light)
    return np.dstack([np.clip(grey, 0, 255).astype(np.uint8)] * 3), something == 1


@pytest.mark.parametrize("exposure", [1.6, 2.2, 3.0])
def test_overexposed_pictures_have_no_ground(drifting, exposure):
    assert plain_ground(wall()[0]) is None
    for name in ("astronaut", "coffee", "chelsea"):
        for frame in drifting(2, 256, 144, name, speed=60):
            clipped = np.clip(frame * exposure, 0, 255).astype(np.uint8)
            stays = plain_ground(clipped)
            assert stays is None or stays.mean() < 0.1


@pytest.mark.parametrize("name", ["starry-night", "composition-vii", "great-wave", "the-kiss"])
def test_a_wall_in_the_sun_is_lighter_than_what_stands_before_it(name):
    frame, something = wall()
    (stylized,) = Stylizer(load(name)).stylize([frame])
    painting = finish(stylized)
    grey = cv2.cvtColor(painting, cv2.COLOR_RGB2GRAY)
    assert grey[~something].mean() > 140
    assert grey[~something].mean() > grey[something].mean() + 20
    assert light_order(painting, frame) > 0.2


@pytest.mark.parametrize("name", ["starry-night", "composition-vii", "the-kiss"])
def test_no_rule_runs_along_what_is_plain(drifting, name):
    frame = np.full((160, 192, 3), 200, np.uint8)
    (frame[:80],) = drifting(1, 192, 80, "chelsea")
    *_, last = Stylizer(load(name), long_term=1).stylize([frame] * 2)
    plain = last.output[0, :, 100:, 40:]
    for lines in (plain, plain[..., 60:].transpose(1, 2)):
        # Strokes may lie there; but a line that differs along all of its length is a rule.
        whole = lines.mean(2)
        *inside, border = (whole[:, 3:] - whole[:, :-3]).abs().amax(0).tolist()
        assert border < max(4, *inside)


@pytest.mark.parametrize("depth", [8, 16])
def test_a_painting_is_brought_towards_the_light_of_its_frame(depth):
    frame, something = wall()
    inverse = np.where(something[..., None], 150, 90).astype(np.uint8).repeat(3, 2)
    scale = 257 if depth == 16 else 1
    dtype = np.uint16 if depth == 16 else np.uint8
    for picture, painting, sign in ((frame, inverse, 1), (255 - frame, 255 - inverse, -1)):
        lit = in_the_light_of(picture.astype(dtype) * scale, painting.astype(dtype) * scale)
        assert lit.dtype == dtype
        change = sign * (lit / scale - painting).mean(2)
        assert change[~something].mean() > 20 and change[something].mean() < 0


def test_an_ordinary_palette_is_left_alone(drifting):
    for name in ("astronaut", "coffee", "chelsea"):
        (frame,) = drifting(1, 256, 144, name)
        painting = np.rint(frame * 0.5 + 60).astype(np.uint8)
        assert in_the_light_of(frame, painting) is painting


def test_a_pale_picture_is_lit_in_order(drifting):
    (frame,) = drifting(1, 256, 144, "coffee")
    pale = np.rint(frame * 0.5 + 120).astype(np.uint8)
    painting = np.clip(frame.astype(int) - 20, 0, 255).astype(np.uint8)
    lit = in_the_light_of(pale, painting)
    assert lit.mean() > painting.mean() + 10
    assert light_order(lit, pale) >= light_order(painting, pale) - 0.01
