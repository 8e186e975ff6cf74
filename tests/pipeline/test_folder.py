"""Interrupted runs go on and end in the file of an uninterrupted one, byte for byte."""

import shutil
import signal
import threading
from dataclasses import replace

import av
import pytest

from brushflow.common.atomic_files import file_digest
from brushflow.common.errors import UsageError
from brushflow.pipeline import StylizeOptions, folder, stylize_video
from brushflow.pipeline.folder import RunFolder
from brushflow.pipeline.painter import Painter, model_digests
from brushflow.pipeline.segments import plan_segments
from brushflow.tests.warm import shorten_segments

pytestmark = pytest.mark.usefixtures("short_segments")


@pytest.fixture(scope="module")
def long_shot(make_clip, drifting, tmp_path_factory):
    """28 frames in one shot: five segments, each of which needs the state of the one before."""
    frames = drifting(14, 64, 48) + drifting(14, 64, 48)[::-1]
    return make_clip(tmp_path_factory.mktemp("source") / "long.mp4", frames, sound=True)


@pytest.fixture(scope="module")
def options(tiny_model_file):
    return StylizeOptions(style=str(tiny_model_file), device="cpu")


@pytest.fixture(scope="module")
def undisturbed(long_shot, options, short_segments, tmp_path_factory):
    output = tmp_path_factory.mktemp("whole") / "out.mp4"
    stylize_video(long_shot, output, options)
    return output.read_bytes()


class Killed(BaseException):
    """Stands for a kill at this point: nothing after it is done."""


def interrupted(source, output, options, frame):
    """A run that is stopped when this many frames are done."""
    stop = threading.Event()

    def progress(stage, done, total):
        if stage == "stylize" and done >= frame:
            stop.set()

    with pytest.raises(KeyboardInterrupt, match="is kept in"):
        stylize_video(source, output, options, progress, stop)


def test_segments_of_a_shot_do_not_begin_with_key_frames(undisturbed, tmp_path):
    # A key frame changes a calm picture more than its painting does.
    path = tmp_path / "whole.mp4"
    path.write_bytes(undisturbed)
    with av.open(path) as file:
        keys = [number for number, frame in enumerate(file.decode(video=0)) if frame.key_frame]
    assert keys == [0]


def test_stopped_runs_end_in_the_same_file(long_shot, options, undisturbed, tmp_path):
    output = tmp_path / "out.mp4"
    interrupted(long_shot, output, options, 8)
    interrupted(long_shot, output, options, 19)
    assert not output.exists()
    done = []
    report = stylize_video(long_shot, output, options, lambda s, d, t: done.append((s, d)))
    assert report.painted < 17
    assert ("scan", 1) not in done
    assert output.read_bytes() == undisturbed
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_a_backward_run_resumes_as_well(long_shot, options, tmp_path):
    options = replace(options, backward=True)
    stylize_video(long_shot, tmp_path / "whole.mp4", options)
    interrupted(long_shot, tmp_path / "out.mp4", options, 13)
    report = stylize_video(long_shot, tmp_path / "out.mp4", options)
    assert report.painted < 23
    assert (tmp_path / "out.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()


def test_damaged_or_lost_parts_are_made_again(long_shot, options, undisturbed, tmp_path):
    output = tmp_path / "out.mp4"
    interrupted(long_shot, output, options, 26)
    place = tmp_path / "out.mp4.brushflow"
    made = RunFolder(place)
    plan = plan_segments(0, 27, [], 6)
    assert made.finished(plan) == plan[:4]
    lost, *_, cut = sorted(place.glob("segments/0*[v,b]"))
    lost.unlink()  # its state is long gone
    cut.write_bytes(cut.read_bytes()[:900])
    whole = sum(map(len, made.finished(plan)))
    assert not cut.exists() and whole < 24
    for state in (place / "state").iterdir():
        state.write_bytes(b"no state")
    counted = []
    stylize_video(long_shot, output, options, watch=lambda picture: counted.append(1))
    assert len(counted) == 28 - whole  # not what is only painted again for its state
    assert output.read_bytes() == undisturbed


def test_a_segment_that_is_being_written_is_left_to_its_writer(long_shot, options, tmp_path):
    interrupted(long_shot, tmp_path / "out.mp4", options, 8)
    made, plan = RunFolder(tmp_path / "out.mp4.brushflow"), plan_segments(0, 27, [], 6)
    at_work = made.pixels_path(plan[3])
    at_work.write_bytes(b"some frames")
    assert plan[3] not in made.finished(plan)
    assert at_work.read_bytes() == b"some frames"


def test_frames_that_are_painted_alone_leave_no_states(long_shot, options, tmp_path):
    for independent in (False, True):
        place = tmp_path / f"{independent}.mp4"
        interrupted(long_shot, place, replace(options, independent=independent), 20)
        states = list((tmp_path / f"{place.name}.brushflow" / "state").iterdir())
        assert bool(states) != independent


@pytest.mark.parametrize("at_end", [False, True])
def test_what_is_there_is_read_once_to_see_whether_it_is_whole(
    two_shots, options, at_end, monkeypatch, tmp_path
):
    def kill(stage, done, total):
        if stage == "assemble":
            raise Killed

    output = tmp_path / "out.mp4"
    if at_end:
        with pytest.raises(Killed):
            stylize_video(two_shots, output, options, kill)
    else:
        interrupted(two_shots, output, options, 20)
    there = sorted((tmp_path / "out.mp4.brushflow").glob("segments/0*[v,b]"))
    read = []

    def digest(path):
        read.append(path)
        return file_digest(path)

    monkeypatch.setattr(folder, "file_digest", digest)
    stylize_video(two_shots, output, options)
    assert len(there) >= 2 and [read.count(path) for path in there] == [1] * len(there)


def test_another_request_does_not_touch_an_unfinished_run(
    long_shot, options, undisturbed, two_shots, tmp_path
):
    output = tmp_path / "out.mp4"
    interrupted(long_shot, output, options, 13)
    with pytest.raises(UsageError, match="options crf 18, and now it is 30") as error:
        stylize_video(long_shot, output, replace(options, crf=30))
    assert error.value.about == "other_run"
    with pytest.raises(UsageError, match=r"source path .*clip\.mp4"):
        stylize_video(two_shots, output, options)
    stylize_video(long_shot, output, options)
    assert output.read_bytes() == undisturbed


def test_files_that_have_changed_are_another_request(two_shots, options, tmp_path):
    cuts, output = tmp_path / "cuts.txt", tmp_path / "out.mp4"
    cuts.write_text("11")
    interrupted(two_shots, output, replace(options, cuts=str(cuts)), 12)
    cuts.write_text("10")
    with pytest.raises(UsageError, match="list of cuts"):
        stylize_video(two_shots, output, replace(options, cuts=str(cuts)))
    weights = tmp_path / "weights.pth"
    weights.write_bytes(b"some")
    named = replace(options, flow_weights=weights, independent=True)
    before = model_digests(named)
    assert before == Painter(named).digests
    weights.write_bytes(b"others")
    assert model_digests(named) != before


def test_restart_forgets_an_unfinished_run(long_shot, two_shots, options, tmp_path):
    output = tmp_path / "out.mp4"
    interrupted(long_shot, output, options, 13)
    report = stylize_video(two_shots, output, replace(options, restart=True))
    assert report.painted == report.frames == 22


def test_an_interrupted_restart_goes_on_and_replaces_the_output(
    long_shot, two_shots, options, undisturbed, tmp_path
):
    output = tmp_path / "out.mp4"
    stylize_video(two_shots, output, options)
    before = output.read_bytes()
    interrupted(long_shot, output, replace(options, restart=True), 13)
    assert output.read_bytes() == before
    report = stylize_video(long_shot, output, options)
    assert report.painted < 28
    assert output.read_bytes() == undisturbed
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_an_interrupted_restart_does_not_replace_another_file(
    long_shot, two_shots, options, tmp_path
):
    output = tmp_path / "out.mp4"
    stylize_video(two_shots, output, options)
    interrupted(long_shot, output, replace(options, restart=True), 13)
    output.write_bytes(b"precious")
    with pytest.raises(UsageError, match="exists already"):
        stylize_video(long_shot, output, options)
    assert output.read_bytes() == b"precious"


def test_a_run_that_has_painted_nothing_is_no_hindrance(two_shots, options, tmp_path):
    def fail(stage, done, total):
        if stage == "scan" and done == 10:
            raise Killed

    output = tmp_path / "out.mp4"
    with pytest.raises(Killed):
        stylize_video(two_shots, output, options, fail)
    assert (tmp_path / "out.mp4.brushflow" / "run.json").exists()
    report = stylize_video(two_shots, output, replace(options, crf=30))
    assert report.painted == report.frames == 22


def test_what_a_segment_goes_on_from_is_there_until_the_segment_is(
    long_shot, options, undisturbed, monkeypatch, tmp_path
):
    output = tmp_path / "out.mp4"
    interrupted(long_shot, output, options, 13)
    seal = RunFolder.seal

    def fail(folder, segment):
        raise Killed

    monkeypatch.setattr(RunFolder, "seal", fail)  # as on a full disk
    with pytest.raises(Killed):
        stylize_video(long_shot, output, options)
    monkeypatch.setattr(RunFolder, "seal", seal)
    written = []
    stylize_video(long_shot, output, options, watch=lambda picture: written.append(1))
    assert len(written) == 28 - 12
    assert output.read_bytes() == undisturbed


def test_two_runs_for_one_output_do_not_meet(long_shot, options, tmp_path):
    seen = []

    def progress(stage, done, total):
        if stage == "stylize" and not seen:
            with pytest.raises(UsageError, match="Another run"):
                stylize_video(long_shot, tmp_path / "out.mp4", options)
            seen.append(done)

    stylize_video(long_shot, tmp_path / "out.mp4", options, progress)
    assert seen


@pytest.mark.parametrize("moment", ["before the mark", "after the mark", "while removing", "last"])
def test_a_run_killed_after_its_output_was_in_place_is_only_tidied_up(
    moment, two_shots, options, monkeypatch, tmp_path
):
    def kill(*arguments):
        raise Killed

    def kill_halfway(self):
        for name in ("segments", "state"):
            shutil.rmtree(self.path / name)
        raise Killed

    def kill_late(self):
        self.clear()
        raise Killed

    output = tmp_path / "out.mp4"
    name, instead = {
        "before the mark": ("mark_complete", kill),
        "after the mark": ("remove", kill),
        "while removing": ("remove", kill_halfway),
        "last": ("remove", kill_late),
    }[moment]
    monkeypatch.setattr(RunFolder, name, instead)
    with pytest.raises(Killed):
        stylize_video(two_shots, output, options)
    monkeypatch.undo()
    whole = output.read_bytes()
    if moment == "last":
        with pytest.raises(UsageError, match="exists already"):
            stylize_video(two_shots, output, options)
    else:
        report = stylize_video(two_shots, output, options)
        assert (report.frames, report.painted) == (22, 0)
    assert output.read_bytes() == whole
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_a_file_that_came_in_between_is_not_overwritten(long_shot, options, tmp_path):
    output = tmp_path / "out.mp4"
    interrupted(long_shot, output, options, 13)
    output.write_bytes(b"precious")
    with pytest.raises(UsageError, match="exists already"):
        stylize_video(long_shot, output, options)
    assert output.read_bytes() == b"precious"
    output.unlink()
    assert stylize_video(long_shot, output, options).painted < 28


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_cleanly_and_says_how_to_go_on(
    number, long_shot, tiny_model_file, undisturbed, start_command, run_command, tmp_path
):
    output = tmp_path / "out.mp4"
    arguments = (long_shot, "-o", output, "--style", tiny_model_file, "--device", "cpu")
    process = start_command("stylize_video.py", *arguments, prepare=shorten_segments)
    segments = tmp_path / "out.mp4.brushflow" / "segments"
    while not list(segments.glob("0*.rgb")):
        assert process.poll() is None
    process.send_signal(number)
    _, err = process.communicate()
    assert process.returncode == 130
    assert "same command goes on from there" in err
    assert "Traceback" not in err
    assert not output.exists()
    code, out, err = run_command(*arguments)
    assert code == 0, err
    assert "28 frames" in out
    assert output.read_bytes() == undisturbed
