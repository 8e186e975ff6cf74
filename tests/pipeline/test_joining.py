"""What can fail when the file is put together fails before painting, or leaves the painting."""

import pytest

from brushflow.common.errors import BrushflowError
from brushflow.pipeline import StylizeOptions, joining, stylize_video
from brushflow.video.playback import play

OPTIONS = StylizeOptions(strength=0, preset="ultrafast")


def test_tracks_are_tried_before_anything_is_painted(make_clip, drifting, tmp_path, monkeypatch):
    def refuse(*_):
        raise BrushflowError("the tags are wrong")

    source = make_clip(tmp_path / "in.mp4", drifting(4), sound=True)
    monkeypatch.setattr(joining, "settle_tracks", refuse)
    stages = []
    with pytest.raises(BrushflowError, match="tags are wrong"):
        stylize_video(source, tmp_path / "out.mp4", OPTIONS, lambda stage, *_: stages.append(stage))
    assert set(stages) == {"scan"}


def test_a_painting_that_cannot_be_put_together_is_kept(make_clip, drifting, tmp_path, monkeypatch):
    pts = [0, 3, 4, 9]
    source = make_clip(tmp_path / "in.mp4", drifting(4), pts, sound=True)
    output = tmp_path / "out.mp4"
    assemble = joining.assemble

    def fail(segments, times, time_base, target, *rest, **trim):
        if target == output:
            raise BrushflowError(f"{target} cannot be written: no luck.")
        return assemble(segments, times, time_base, target, *rest, **trim)

    with monkeypatch.context() as patch:
        patch.setattr(joining, "assemble", fail)
        with pytest.raises(BrushflowError, match=r"no luck\. .* without sound; the same") as told:
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
