"""A file painted while somebody looks, or looks no longer."""

import threading
from contextlib import contextmanager

import numpy as np
import pytest

from brushflow.live.showing import LARGEST, show_while
from brushflow.pipeline import StylizeOptions, stylize_video
from brushflow.video import open_source


class Looking:
    """A view that remembers what it showed, and whose keys are pressed after some pictures."""

    def __init__(self, keys=()):
        self.keys = dict(keys)
        self.shown = []
        self.closed = threading.Event()
        self.seen = threading.Event()

    @contextmanager
    def __call__(self):
        yield self
        self.closed.set()

    def show(self, picture):
        assert threading.current_thread() is threading.main_thread()
        self.shown.append(picture)
        self.seen.set()

    def key(self):
        return self.keys.get(len(self.shown), "")


def pictures(view, count, hand_out):
    """Hand out one picture after the other, each when the one before was shown."""
    for number in range(count):
        view.seen.clear()
        hand_out(np.full((4, 6, 3), number, np.uint8))
        assert view.closed.is_set() or view.seen.wait()
    return "done"


def test_all_that_is_waited_for_is_shown_in_order():
    view = Looking()
    assert show_while(lambda hand_out: pictures(view, 5, hand_out), view) == "done"
    assert [picture[0, 0, 0] for picture in view.shown] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("key", ["q", "\x1b"])
def test_who_has_seen_enough_does_not_stop_the_painting(key):
    view = Looking({2: key})
    frames = []

    def paint(hand_out):
        for _ in range(2):
            view.seen.clear()
            hand_out(np.zeros((4, 6, 3), np.uint8))
            assert view.seen.wait()
        assert view.closed.wait()
        for number in range(8):
            frames.append(number)
            hand_out(np.zeros((4, 6, 3), np.uint8))
        return len(frames)

    assert show_while(paint, view) == 8
    assert len(view.shown) == 2


def test_what_painting_raises_is_raised_and_the_window_is_closed():
    view = Looking()

    def paint(hand_out):
        raise KeyboardInterrupt("Interrupted. The same command goes on.")

    with pytest.raises(KeyboardInterrupt, match="goes on"):
        show_while(paint, view)
    assert view.closed.is_set()


def test_large_and_deep_pictures_are_shown_as_they_fit():
    view = Looking()
    deep = np.full((2000, 1000, 3), 40000, np.uint16)
    show_while(lambda hand_out: hand_out(deep), view)
    (shown,) = view.shown
    assert shown.dtype == np.uint8 and shown.shape == (LARGEST[1], 360, 3)
    assert np.all(shown == 40000 >> 8)


def test_every_frame_of_a_file_is_written_and_the_last_one_seen(make_clip, drifting, tmp_path):
    clip = make_clip(tmp_path / "clip.mp4", drifting(12))
    view, output, all_seen = Looking(), tmp_path / "out.mkv", []

    def paint(hand_out):
        def watch(picture):
            all_seen.append(picture.copy())
            hand_out(picture)

        options = StylizeOptions(strength=0.0, codec="ffv1")
        return stylize_video(clip, output, options, watch=watch)

    assert show_while(paint, view).frames == 12 == len(all_seen)
    assert np.array_equal(view.shown[-1], all_seen[-1])
    assert len(list(open_source(output).read())) == 12
