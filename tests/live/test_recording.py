"""What was recorded is kept: after a kill, beside an older file, with times as they were."""

from fractions import Fraction

import av
import pytest

from brushflow.common.errors import UsageError
from brushflow.video import EncodeSettings
from brushflow.video.recording import Recorder, finish_recording, free_name

FAST = EncodeSettings(preset="ultrafast")


def times_of(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [float(frame.pts * stream.time_base) for frame in container.decode(stream)]


def test_times_are_kept_over_pieces(drifting, tmp_path):
    moments = [100.0, 100.04, 100.5, 109.99, 110.02, 131.0, 131.0, 131.7]
    with Recorder(tmp_path / "a.mp4", 96, 64, FAST, Fraction(25)) as recorder:
        for frame, moment in zip(drifting(8), moments, strict=True):
            recorder.write(frame, moment)
    # Two frames of one moment are a tick apart.
    assert times_of(tmp_path / "a.mp4") == pytest.approx([m - 100 for m in moments], abs=2e-5)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_nothing_recorded_leaves_nothing(tmp_path):
    with Recorder(tmp_path / "a.mp4", 96, 64, FAST, Fraction(25)):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_killed_recording_is_finished_later(drifting, tmp_path, monkeypatch):
    """All but the piece at hand, which is at most ten seconds."""
    recorder = Recorder(tmp_path / "a.mp4", 96, 64, FAST, Fraction(25))
    with recorder:
        for index, frame in enumerate(drifting(7)):
            recorder.write(frame, index * 4.0)
        with pytest.raises(UsageError, match="Another run"):
            finish_recording(tmp_path / "a.mp4")
        # The kill: nothing of the end is done.
        recorder._piece.pop_all()
        recorder._writer._process._process.kill()
        recorder._writer = None
        monkeypatch.setattr("brushflow.video.recording.join_pieces", lambda *_: None)
    monkeypatch.undo()
    (tmp_path / "a.mp4").write_bytes(b"an older one")
    assert finish_recording(tmp_path / "a.mp4") == tmp_path / "a-2.mp4"
    assert times_of(tmp_path / "a-2.mp4") == pytest.approx([0, 4, 8, 12, 16, 20])
    assert (tmp_path / "a.mp4").read_bytes() == b"an older one"
    assert finish_recording(tmp_path / "a.mp4") is None
    assert free_name(tmp_path / "a.mp4") == tmp_path / "a-3.mp4"
