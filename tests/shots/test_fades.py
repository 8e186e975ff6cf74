import cv2
import numpy as np
import pytest

from brushflow.shots.cuts import scan_size
from brushflow.shots.fades import FadeFinder

BLACK, WHITE, RED = (0, 0, 0), (255, 255, 255), (120, 10, 20)


def faded(frames, gains, colour):
    rest = [np.array(colour) * (1 - gain) for gain in gains]
    return [
        np.rint(frame * gain + flat).astype(np.uint8)
        for frame, gain, flat in zip(frames, gains, rest, strict=True)
    ]


def find(frames, cuts=()):
    finder = FadeFinder()
    for frame in frames:
        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        size = scan_size(*grey.shape[::-1])
        finder.add(cv2.resize(grey, size, interpolation=cv2.INTER_AREA))
    return finder.find(list(cuts), lambda indices: {index: frames[index] for index in indices})


def gains_of(fades, count):
    gains = np.ones(count)
    for fade in fades:
        gains[fade.first : fade.first + len(fade.gains)] = fade.gains
    return gains


@pytest.fixture
def moving(drifting):
    def make(count, picture="coffee", speed=1):
        return drifting(count, 256, 144, picture, speed)

    return make


def course(count=40, length=24, left=3):
    return np.clip((count - left - np.arange(count)) / length, 0, 1)


@pytest.mark.parametrize("colour", [BLACK, WHITE, RED])
@pytest.mark.parametrize("picture", ["coffee", "chelsea", "astronaut"])
def test_a_fade_out_of_a_moving_picture(moving, picture, colour):
    gains = course()
    fades = find(faded(moving(40, picture=picture, speed=1), gains, colour))
    (fade,) = fades
    assert np.abs(gains_of(fades, 40)[:37] - gains[:37]).max() < 0.03
    assert fade.colour == pytest.approx(colour, abs=3)


def test_a_fade_in_with_an_easy_start(moving):
    gains = course()[::-1]
    gains = gains * gains * (3 - 2 * gains)
    fades = find(faded(moving(40, picture="coffee", speed=1), gains, BLACK))
    assert np.abs(gains_of(fades, 40) - gains)[3:].max() < 0.03


def test_out_and_in_again_and_what_lies_between_and_beyond_is_as_it_was(moving):
    gains = np.r_[np.ones(10), course(30, 20, 5), course(30, 20, 5)[::-1], np.ones(10)]
    fades = find(faded(moving(80, speed=1), gains, BLACK))
    assert len(fades) == 2
    seen = gains > 0.05
    assert np.abs(gains_of(fades, 80) - gains)[seen].max() < 0.03


def test_a_shot_that_ends_before_its_fade(moving):
    frames = moving(40, picture="coffee", speed=1)
    gains = np.clip(1 - (np.arange(30) - 5) / 30, 0.2, 1)
    (fade,) = find([*faded(frames[:30], gains, RED), *frames[30:]], cuts=[30])
    assert gains_of([fade], 30) == pytest.approx(gains, abs=0.03)
    assert fade.colour == pytest.approx(RED, abs=20)


def test_what_is_no_fade(moving):
    assert find(moving(40, speed=4)) == []
    # Something dark comes in from the side and hides the picture.
    frames = moving(40, speed=1)
    for index, frame in enumerate(frames):
        frame[:, : max(0, 4 * (index - 10))] = 5
    assert find(frames) == []
    # A picture gone at once is a cut.
    assert find(faded(moving(20), np.repeat([1.0, 0.0], 10), BLACK)) == []
    assert find([]) == []
