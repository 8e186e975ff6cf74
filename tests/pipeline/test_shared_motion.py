"""Motion that others have found: the same picture, found in time, and never a reason to fail."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from brushflow.pipeline import StylizeOptions, helpers, stylize_video
from brushflow.pipeline.folder import RunFolder
from brushflow.pipeline.motion import EstimatedMotion
from brushflow.pipeline.parallel import rows as dispatch
from brushflow.pipeline.parallel.worker import find_motion, paint_shots
from brushflow.pipeline.plan import plan_segments
from brushflow.pipeline.shared_motion import MARGIN, next_to_find


@pytest.fixture(scope="module")
def film(make_clip, drifting, tmp_path_factory):
    """110 frames, 64×48, one shot: three segments."""
    frames = drifting(110, width=64, height=48)
    return make_clip(tmp_path_factory.mktemp("source") / "film.mp4", frames)


@pytest.fixture(scope="module")
def options(tiny_model_file):
    return StylizeOptions(style=str(tiny_model_file), device="cpu", preset="ultrafast")


class Helped(ThreadPoolExecutor):
    """A thread that begins a row when all motion that others may find has been found."""

    def submit(self, function, *arguments, **keywords):
        if function is paint_shots:
            run, row = arguments
            order = row[::-1] if run.options.backward else row
            for segment in order[1:]:
                super().submit(find_motion, run, row, segment).result()
        return super().submit(function, *arguments, **keywords)


@pytest.mark.parametrize("backward", [False, True])
def test_motion_that_others_have_found_gives_the_same_file(
    backward, film, options, tmp_path, monkeypatch
):
    options = replace(options, backward=backward)
    stylize_video(film, tmp_path / "alone.mp4", options)
    calls = []
    find = EstimatedMotion.find
    monkeypatch.setattr(EstimatedMotion, "find", lambda *a: calls.append(1) or find(*a))
    taken = watch_taken(monkeypatch)
    with Helped(1) as executor:
        stylize_video(film, tmp_path / "helped.mp4", options, executor=executor)
    assert (tmp_path / "helped.mp4").read_bytes() == (tmp_path / "alone.mp4").read_bytes()
    assert len(taken) == 110 - (14 if backward else 48)
    # Of all frames but the first one, and once: the painter has looked for the others only.
    assert len(calls) == 109
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alone.mp4", "helped.mp4"]


def watch_taken(monkeypatch):
    """The frames whose motion a painter takes, as a list that grows."""
    taken = []
    take = RunFolder.take_motion

    def watched(folder, mark, index):
        known = take(folder, mark, index)
        if known is not None:
            taken.append(index)
        return known

    monkeypatch.setattr(RunFolder, "take_motion", watched)
    return taken


class Idle(ThreadPoolExecutor):
    """Two threads, of which the second one has nothing to paint."""

    finds_motion = True
    idle = 1


@pytest.fixture
def slow_painter(monkeypatch):
    """A painter that begins its row and waits for what ``while_waiting`` says."""

    def install(done_waiting):
        def slow(run, row):
            path = run.folder / "rows" / f"{row[0].first:08d}"
            path.write_text(f"{0:8d}")
            while not done_waiting(run.folder):
                time.sleep(0.01)
            return paint_shots(run, row)

        monkeypatch.setattr(dispatch, "paint_shots", slow)

    return install


def test_who_is_idle_finds_the_motion_of_the_last_row(
    film, options, slow_painter, tmp_path, monkeypatch
):
    stylize_video(film, tmp_path / "alone.mp4", options)
    taken = watch_taken(monkeypatch)
    slow_painter(lambda folder: len(list((folder / "motion").glob("*/[0-9]*"))) >= 110 - 48)
    with Idle(2) as executor:
        stylize_video(film, tmp_path / "helped.mp4", options, executor=executor)
    assert (tmp_path / "helped.mp4").read_bytes() == (tmp_path / "alone.mp4").read_bytes()
    assert sorted(taken) == list(range(48, 110))


def test_helpers_that_fail_do_no_harm(film, options, slow_painter, tmp_path, monkeypatch):
    failed = []

    def broken(run, row, segment):
        failed.append(segment)
        raise MemoryError

    monkeypatch.setattr(helpers, "find_motion", broken)
    slow_painter(lambda folder: failed)
    with Idle(2) as executor:
        report = stylize_video(film, tmp_path / "out.mp4", options, executor=executor)
    assert report.frames == 110 and len(failed) == 1


def test_no_more_is_found_than_the_disk_should_hold(
    film, options, slow_painter, tmp_path, monkeypatch
):
    monkeypatch.setattr(helpers, "MOST", 0)
    looked = []
    size = RunFolder.motion_bytes

    def watched(folder, mark):
        looked.append(size(folder, mark))
        return looked[-1]

    monkeypatch.setattr(RunFolder, "motion_bytes", watched)
    slow_painter(lambda folder: looked and looked[-1] > 0)
    with Idle(2) as executor:
        stylize_video(film, tmp_path / "out.mp4", options, executor=executor)
    # Both idle processes may have looked before either had found anything; after that, none.
    assert looked[0] == 0 and 0 < max(looked) <= 2 * 48 * (12 * 64 * 48 + 500)


def test_the_segment_of_most_use_is_not_too_near():
    row = plan_segments(0, 199, [])
    assert next_to_find(row, 1, 0, set()).first == 48
    assert next_to_find(row, 1, 0, {row[1]}).first == 96
    assert next_to_find(row, 1, 48 - MARGIN + 1, set()).first == 96
    # Backward the first one painted has 8 frames, so the next begins too near.
    assert next_to_find(row, -1, 0, set()) == row[-3]
    assert next_to_find(row, 1, 190, set()) is None


def test_damaged_motion_counts_as_not_there(tmp_path):
    folder = RunFolder(tmp_path)
    folder.motions.mkdir()
    flow, known = np.ones((4, 6, 2), np.float32), np.ones((4, 6), np.float32)
    for index in range(3):
        folder.save_motion("mark", index, flow, known)
    one, two, three = sorted((folder.motions / "mark").iterdir())
    one.write_bytes(one.read_bytes()[:-1] + b"x")
    assert folder.take_motion("mark", 0) is None
    assert folder.take_motion("other", 1) is None
    found, there = folder.take_motion("mark", 1)
    assert np.array_equal(found, flow) and np.array_equal(there, known) and not two.exists()
    folder.drop_motion("mark", 2, 2)
    assert not three.exists() and folder.take_motion("mark", 2) is None
