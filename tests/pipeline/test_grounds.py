"""Cards with words, and what stands on a plain ground."""

import cv2
import numpy as np
import pytest

from brushflow.pipeline.finishing import plain_ground

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
