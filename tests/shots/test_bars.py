import cv2
import numpy as np
import pytest

from brushflow.shots.bars import NO_BARS, BarFinder, bars_of, exact_bars
from brushflow.shots.cuts import scan_size

SIZE = (320, 180)


def boxed(frames, top=0, bottom=0, left=0, right=0, colour=0):
    """Frames at full size within bars, with a codec's noise everywhere."""
    width, height = SIZE[0] - left - right, SIZE[1] - top - bottom
    random = np.random.default_rng(1)
    result = []
    for frame in frames:
        inside = cv2.resize(frame, (width, height))
        whole = cv2.copyMakeBorder(
            inside, top, bottom, left, right, cv2.BORDER_CONSTANT, value=(colour,) * 3
        )
        grey = cv2.cvtColor(whole, cv2.COLOR_RGB2GRAY).astype(int)
        result.append(np.clip(grey + random.integers(-2, 3, grey.shape), 0, 255).astype(np.uint8))
    return result


def find(frames, cuts=()):
    finder, looked = BarFinder(), []
    for frame in frames:
        finder.add(cv2.resize(frame, scan_size(*SIZE), interpolation=cv2.INTER_AREA))

    def look(indices):
        looked.extend(set(indices))
        return {index: frames[index] for index in looked}

    return finder.find(list(cuts), look), looked


@pytest.mark.parametrize(
    "sides", [(22, 23, 0, 0), (0, 0, 41, 39), (14, 14, 30, 30), (0, 31, 0, 0), (7, 7, 0, 0)]
)
def test_bars_are_found_to_the_pixel(drifting, sides):
    found, _ = find(boxed(drifting(9), *sides))
    assert found == [(0, sides)]


@pytest.mark.parametrize("deep", [False, True])
def test_a_single_picture_has_bars_too(drifting, deep):
    picture = np.dstack([boxed(drifting(1), 22, 23, 0, 0)[0]] * 3)
    if deep:
        picture = picture.astype(np.uint16) * 257
    assert bars_of(picture) == (22, 23, 0, 0)
    assert bars_of(picture[30:-30]) == NO_BARS


def test_bars_of_any_colour_with_a_logo_and_subtitles_that_come_and_go(drifting):
    frames = boxed(drifting(12), 24, 24, colour=200)
    for index, frame in enumerate(frames):
        cv2.putText(frame, "LOGO", (250, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 40, 2)
        if index > 3:
            cv2.putText(frame, "Good evening.", (60, 175), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 20, 2)
    assert find(frames)[0] == [(0, (24, 24, 0, 0))]


def test_a_bar_is_found_below_long_subtitles_and_those_that_leave_it(drifting):
    frames = boxed(drifting(24), 24, 26)
    for frame in frames[4:]:
        cv2.putText(frame, "so much is said that", (2, 166), cv2.FONT_HERSHEY_DUPLEX, 0.5, 230, 2)
        cv2.putText(frame, "two lines are needed", (2, 178), cv2.FONT_HERSHEY_DUPLEX, 0.5, 230, 2)
    bars = (24, 26, 0, 0)
    assert find(frames)[0] == [(0, bars)]
    # And where they are there in all of a shot, as another shot tells.
    assert find([*frames[4:], *boxed(drifting(8), 24, 26)], [20])[0] == [(0, bars)]
    for frame in frames[6:]:
        cv2.putText(frame, "more than fits", (2, 157), cv2.FONT_HERSHEY_DUPLEX, 1.2, 230, 2)
    assert find(frames)[0] == [(0, bars)]


def test_what_is_no_bar(drifting):
    assert find(boxed(drifting(8)))[0] == []
    # A dark sky above the roofs has no straight edge.
    frames = boxed(drifting(8))
    x = np.arange(SIZE[0])
    skyline = (40 + 18 * np.sin(x / 17) + 9 * np.sin(x / 5)).astype(int)
    for frame in frames:
        frame[np.arange(SIZE[1])[:, None] < skyline] = 3
    assert find(frames)[0] == []
    # Nor has what is around words.
    card = np.zeros(SIZE[::-1], np.uint8)
    for row in (60, 100, 140):
        cv2.putText(card, "WORDS WORDS", (20, row), cv2.FONT_HERSHEY_DUPLEX, 1.2, 230, 2)
    assert find([card] * 8)[0] == []


def test_every_shot_has_its_own_bars_and_a_dark_one_those_of_the_others(drifting):
    wide, whole = boxed(drifting(8), 24, 24), boxed(drifting(8, picture="coffee"))
    dark = [np.zeros_like(wide[0])] * 4
    dim = [frame // 20 for frame in wide]
    for frame in dim:
        frame[80:90, 100:140] = 120  # a lamp
    found, looked = find([*wide, *whole, *dark, *dim, *wide], [8, 16, 20, 28])
    bars = (24, 24, 0, 0)
    assert found == [(0, bars), (8, (0, 0, 0, 0)), (16, bars)]
    assert len(looked) <= 9  # not in every shot


def test_without_a_sharp_edge_there_is_no_bar():
    ramp = np.repeat(np.arange(180, dtype=np.uint8)[:, None], 320, 1)
    assert exact_bars([ramp], (6, 0, 0, 0), (54, 96)) == (0, 0, 0, 0)
