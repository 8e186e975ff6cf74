"""Rows of shots, whoever paints them: the longest first, nobody twice, the same frames."""

import gc
import threading
from dataclasses import replace
from fractions import Fraction

import pytest

from brushflow.models.inference.folding import FoldedNetwork
from brushflow.pipeline import stylize_video
from brushflow.pipeline.parallel import rows as dispatch
from brushflow.pipeline.parallel.lease import RowAtWork, Turn, TurnOver

pytestmark = pytest.mark.usefixtures("short_segments")


def test_threads_are_an_executor_too_and_work_backward(film, options, tmp_path, painting_threads):
    options = replace(options, backward=True, keep=("frames",))
    stylize_video(film, tmp_path / "one.mp4", options)
    with painting_threads(3) as executor:
        report = stylize_video(film, tmp_path / "three.mp4", options, executor=executor)
    assert (tmp_path / "three.mp4").read_bytes() == (tmp_path / "one.mp4").read_bytes()
    assert len(list(report.kept.iterdir())) == 30


def test_frames_that_depend_on_no_other_are_shared_out_by_segments(
    film, options, tmp_path, painting_threads
):
    options = replace(options, strength=0.0)
    stylize_video(film, tmp_path / "one.mp4", options)
    with painting_threads(2) as executor:
        stylize_video(film, tmp_path / "two.mp4", options, executor=executor)
    assert (tmp_path / "two.mp4").read_bytes() == (tmp_path / "one.mp4").read_bytes()


def test_the_longest_row_is_begun_first(monkeypatch, film, options, tmp_path, painting_threads):
    begun = []
    paint = dispatch.paint_shots

    def watched(run, segments):
        begun.append(segments[0].first)
        return paint(run, segments)

    monkeypatch.setattr(dispatch, "paint_shots", watched)
    with painting_threads(1) as executor:
        stylize_video(film, tmp_path / "out.mp4", options, executor=executor)
    assert begun == [0, 18, 25, 14]


def test_a_turn_that_is_over_stops_its_painters_and_the_next_one_waits_for_them(tmp_path):
    with Turn(tmp_path) as first, RowAtWork(tmp_path, 7, first.mark) as row:
        row.begin(3)
        row.painted()
        assert first.count([7, 8]) == {7: 4}
        row.check()
        with Turn(tmp_path) as second:
            assert second.count([7]) == {}
            with pytest.raises(TurnOver):
                row.check()
            entered = threading.Event()

            def wait():
                with RowAtWork(tmp_path, 7, second.mark):
                    entered.set()

            thread = threading.Thread(target=wait)
            thread.start()
            assert not entered.wait(0.3)
            row.__exit__(None, None, None)
            thread.join()
            assert entered.is_set()
    with pytest.raises(TurnOver), RowAtWork(tmp_path, 7, second.mark):
        pass


@pytest.mark.parametrize("backward", [False, True])
def test_divided_shots_are_the_same_whoever_paints_them(
    backward, film, options, tmp_path, painting_threads
):
    options = replace(options, max_shot=8, backward=backward, keep=("frames",))
    options = replace(options, end=Fraction(18, 25))  # the first two of the shots
    whole = stylize_video(film, tmp_path / "whole.mp4", replace(options, max_shot=None))
    one = stylize_video(film, tmp_path / "one.mp4", options)
    with painting_threads(2) as executor:
        two = stylize_video(film, tmp_path / "two.mp4", options, executor=executor)
    assert two.output.read_bytes() == one.output.read_bytes()
    # Only the part of the first shot that is painted last can differ: it began anew at frame 7.
    same, other = [
        [(report.kept / f"out-{i + 1:05d}.png").read_bytes() for i in range(18)]
        for report in (whole, one)
    ]
    changed = {i for i in range(18) if same[i] != other[i]}
    assert changed <= (set(range(7)) if backward else set(range(7, 14)))


def test_a_process_lets_go_of_one_network_before_it_builds_the_next(
    film, options, tmp_path, painting_threads
):
    alive = []
    options = replace(options, end=Fraction(5, 25))
    for crf in (18, 19, 20):
        output = tmp_path / f"{crf}.mp4"
        with painting_threads(1) as executor:  # threads share what a process has
            stylize_video(film, output, replace(options, crf=crf), executor=executor)
        gc.collect()
        alive.append(sum(type(known) is FoldedNetwork for known in gc.get_objects()))
    assert len(set(alive)) == 1
