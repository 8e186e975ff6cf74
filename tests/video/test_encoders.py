"""A GPU's encoder is used if one works, and is asked for by its own name from then on."""

import pytest

from brushflow.cli.option_types import Codec
from brushflow.video import EncodeSettings, encoders, ffmpeg
from brushflow.video.encoders import encoder_options, hardware_encoder


@pytest.mark.parametrize(
    ("known", "working", "found"),
    [
        ({"libx264"}, set(), None),
        ({"libx264", "h264_nvenc", "h264_qsv"}, {"h264_qsv", "libx264"}, "h264_qsv"),
        ({"h264_qsv", "h264_nvenc"}, {"h264_qsv", "h264_nvenc"}, "h264_nvenc"),
        ({"libx264", "h264_nvenc"}, {"libx264"}, None),
    ],
)
def test_the_first_that_works(monkeypatch, capsys, known, working, found):
    monkeypatch.setattr(ffmpeg, "video_encoders", lambda: known)
    monkeypatch.setattr(encoders, "works", lambda name: name in working)
    assert hardware_encoder() == found
    assert Codec().convert("auto-hw", None, None) == found
    assert ("the processor encodes" in capsys.readouterr().err) == (found is None)
    assert Codec().convert("hevc", None, None) == "hevc"


def test_what_is_called_working_encodes_here():
    assert encoders.works("libx264")
    found = hardware_encoder()
    assert found is None or encoders.works(found)


@pytest.mark.parametrize("name", encoders._OF_DEVICES[:3])
def test_each_is_told_a_quality(name):
    options = encoder_options(EncodeSettings(name, crf=21))
    assert {"cq", "global_quality", "b:v"} & set(options)
