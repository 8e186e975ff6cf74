"""How sizes are fitted: the shape stays, and nothing reaches over or grows unasked."""

import itertools

import numpy as np
import pytest

from brushflow.common.sizes import fit_size, resized

SIDES = (1, 2, 7, 48, 101, 480, 853, 1080)
SIZES = list(itertools.product(SIDES, SIDES))


@pytest.mark.parametrize("step", [1, 2])
@pytest.mark.parametrize("box", [100, (96, 1080), (640, 520)])
def test_a_picture_lies_within_the_box_in_its_own_shape(box, step):
    across, down = (box, box) if isinstance(box, int) else box
    for size in SIZES:
        fitted = fit_size(size, box, step=step)
        scale = min(1, across / size[0], down / size[1])
        for side, own, most in zip(fitted, size, (across, down), strict=True):
            assert side % step == 0 and side >= step
            assert side <= max(step, min(own, most))
            assert abs(side - own * scale) < step or side == step


def test_what_is_to_cover_the_box_leaves_nothing_of_it_free():
    for size in SIZES:
        fitted = fit_size(size, (224, 336), step=2, enlarge=True, cover=True)
        assert fitted[0] >= 224 and fitted[1] >= 336
        assert fitted[0] == 224 or fitted[1] == 336


def test_a_small_picture_grows_only_where_that_is_asked_for():
    assert fit_size((40, 30), 100) == (40, 30)
    assert fit_size((40, 30), 100, enlarge=True) == (100, 75)
    assert fit_size((41, 31), 100, step=2) == (40, 30)


def test_a_picture_of_that_size_is_the_same_one():
    picture = np.zeros((4, 6, 3), np.uint8)
    assert resized(picture, (6, 4)) is picture
    assert resized(picture, (3, 2)).shape == (2, 3, 3)
