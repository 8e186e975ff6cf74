"""An output is put together or refused; a run changes nothing that is not its own."""

import hashlib
import threading
from fractions import Fraction

import numpy as np
import pytest

from brushflow.common.errors import BrushflowError, UsageError
from brushflow.pipeline import StylizeOptions, outputs, stylize_video
from brushflow.pipeline.many_runs import stylize_videos
from brushflow.training.data.prepare import PrepareSettings, prepare_video
from brushflow.training.loop import train
from brushflow.training.options import TrainOptions
from brushflow.video import EncodeSettings, write_image
from brushflow.video.playback import play
from brushflow.video.recording import Recorder

PLAIN = StylizeOptions(strength=0, preset="ultrafast", device="cpu")
RUN = "out.mp4.brushflow"


@pytest.fixture(scope="module")
def clip(make_clip, drifting, tmp_path_factory):
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", drifting(4))


@pytest.fixture
def precious(tmp_path):
    """A folder of somebody's, with files that are called like a run's, and what it held."""
    folder = tmp_path / "precious"
    for name in ("thesis.txt", "segments/thesis.txt", "state/00000001.safetensors", "rows/0"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("place", ["link", "folder", "link within"])
def test_a_run_leaves_a_foreign_folder_alone(place, restart, clip, precious, tmp_path):
    before = contents(precious)
    run = tmp_path / RUN
    if place == "link":
        run.symlink_to(precious)
    elif place == "folder":
        precious = precious.rename(run)
    else:
        run.mkdir()
        (run / "segments").symlink_to(precious)
    options = StylizeOptions(strength=0, preset="ultrafast", device="cpu", restart=restart)
    with pytest.raises(UsageError, match=r"would (be removed|remove files there)"):
        stylize_video(clip, tmp_path / "out.mp4", options)
    assert contents(precious) == before
    assert not (tmp_path / "out.mp4").exists()


def test_pictures_and_queues_leave_a_foreign_folder_alone(
    clip, precious, tmp_path, tiny_model_file
):
    write_image(tmp_path / "a.png", np.zeros((16, 16, 3), np.uint8))
    before = contents(precious)
    for name in ("out.png", "out.mp4"):
        (tmp_path / name).write_bytes(b"to be replaced")
        (tmp_path / f"{name}.brushflow").symlink_to(precious)
    (tmp_path / "b.png.brushflow").symlink_to(tmp_path / "nowhere")
    work = [(str(tmp_path / "a.png"), tmp_path / "out.png"), (str(clip), tmp_path / "out.mp4")]
    work += [(str(tmp_path / "a.png"), tmp_path / "b.png")]
    options = StylizeOptions(
        style=str(tiny_model_file), preset="ultrafast", device="cpu", restart=True
    )
    outcomes = stylize_videos(work, options, lambda *_: None, threading.Event())
    assert contents(precious) == before
    assert outcomes[1].failed and (tmp_path / "out.mp4").read_bytes() == b"to be replaced"


def test_what_others_put_into_a_runs_folder_stays(clip, tmp_path):
    stop = []

    def progress(stage, done, total):
        if stage == "stylize" and not stop:
            stop.append((tmp_path / RUN / "segments" / "thesis.txt").write_text("mine"))

    stylize_video(clip, tmp_path / "out.mp4", PLAIN, progress)
    assert contents(tmp_path / RUN) == {"segments/thesis.txt": b"mine"}


def test_a_link_at_the_former_temporary_name_is_not_followed(clip, tmp_path):
    digest = hashlib.sha256(b"out.mp4").hexdigest()[:16]
    precious, link = tmp_path / "precious", tmp_path / f".partial-{digest}.mp4"
    precious.write_bytes(b"precious")
    link.symlink_to(precious)
    stylize_video(clip, tmp_path / "out.mp4", PLAIN)
    assert precious.read_bytes() == b"precious" and link.is_symlink()


def test_a_recording_leaves_a_foreign_folder_alone(precious, tmp_path):
    before = contents(precious)
    for place in ("link", "folder"):
        run = tmp_path / "live.mp4.recording"
        if place == "link":
            run.symlink_to(precious)
        else:
            run.unlink()
            precious = precious.rename(run)
        with (
            pytest.raises(UsageError),
            Recorder(tmp_path / "live.mp4", 16, 16, EncodeSettings(), Fraction(25)),
        ):
            pass
        assert contents(precious) == before


def test_preparing_leaves_a_foreign_folder_alone(clip, precious, tmp_path):
    before, link = contents(precious), tmp_path / "out"
    link.symlink_to(precious)
    for folder in (precious, link):
        with pytest.raises(UsageError, match="not brushflow's"):
            prepare_video(clip, folder, PrepareSettings())
        assert contents(precious) == before


def test_training_leaves_a_foreign_folder_alone(precious, tmp_path, loss_weights):
    before = contents(precious)
    (tmp_path / "m.safetensors.training").symlink_to(precious)
    options = TrainOptions(
        style=(precious,),
        images=precious,
        output=tmp_path / "m.safetensors",
        loss_weights=loss_weights,
        device="cpu",
    )
    with pytest.raises(UsageError, match="is a link"):
        train(options)
    assert contents(precious) == before


OPTIONS = StylizeOptions(strength=0, preset="ultrafast")


def test_tracks_are_tried_before_anything_is_painted(make_clip, drifting, tmp_path, monkeypatch):
    def refuse(*_):
        raise BrushflowError("the tags are wrong")

    source = make_clip(tmp_path / "in.mp4", drifting(4), sound=True)
    monkeypatch.setattr(outputs, "settle_tracks", refuse)
    stages = []
    with pytest.raises(BrushflowError, match="tags are wrong"):
        stylize_video(source, tmp_path / "out.mp4", OPTIONS, lambda stage, *_: stages.append(stage))
    assert set(stages) == {"scan"}


def test_a_painting_that_cannot_be_put_together_is_kept(make_clip, drifting, tmp_path, monkeypatch):
    pts = [0, 3, 4, 9]
    source = make_clip(tmp_path / "in.mp4", drifting(4), pts, sound=True)
    output = tmp_path / "out.mp4"
    assemble = outputs.assemble

    def fail(segments, times, time_base, target, *rest, **trim):
        if target == output:
            raise BrushflowError(f"{target} cannot be written: no luck.")
        return assemble(segments, times, time_base, target, *rest, **trim)

    with monkeypatch.context() as patch:
        patch.setattr(outputs, "assemble", fail)
        with pytest.raises(BrushflowError, match=r"no luck\. .* without sound\.") as told:
            stylize_video(source, output, OPTIONS)
    (bare,) = tmp_path.glob("out.mp4.brushflow/segments/painting.mkv")
    assert str(bare) in str(told.value)
    assert [round(time * 25) for time in play(bare).times] == pts
    report = stylize_video(source, output, OPTIONS)
    assert (report.painted, play(output).tracks["audio"]) == (0, 1)
    assert not (tmp_path / "out.mp4.brushflow").exists()


def test_a_file_that_does_not_take_the_codec_is_told_at_once(make_clip, drifting, tmp_path):
    source = make_clip(tmp_path / "in.mp4", drifting(2))
    options = StylizeOptions(strength=0, codec="ffv1", preset=None)
    with pytest.raises(BrushflowError, match="ffv1"):
        stylize_video(source, tmp_path / "out.mov", options)
    assert not (tmp_path / "out.mov.brushflow").exists()
