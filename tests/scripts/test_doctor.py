"""The page says what is true of this machine, and nothing stops it."""

import re

import pytest
import torch

import brushflow
from brushflow.common import torch_devices
from brushflow.models import styles
from brushflow.scripts import doctor
from brushflow.video import ffmpeg


@pytest.fixture
def run(exit_code_of, capsys):
    def start(*arguments):
        assert exit_code_of(doctor, *arguments) == 0
        return capsys.readouterr().out

    return start


def test_a_page_of_what_is_here(run):
    page = run("--seconds", 0.01)
    rows = dict(re.findall(r"^  (\S.{20}\S|\S.{0,20}?)\s+(\S.*)$", page, re.MULTILINE))
    assert rows["brushflow"] == brushflow.__version__
    assert rows["torch"] == torch.__version__
    assert f"  learned styles         {styles.cache()}\n" in page
    assert rows["program"] == ffmpeg.ffmpeg_binary()
    assert rows["h264"] in ffmpeg.video_encoders()
    rate = re.fullmatch(r"the processor, (\d+\.\d) frames/s of 640×360 in fp32", rows["cpu"])
    assert float(rate[1]) > 0
    assert len(page.splitlines()) < 60


def test_a_broken_gpu_and_a_broken_ffmpeg_are_what_it_tells(run, monkeypatch):
    monkeypatch.setattr(torch.xpu, "is_available", lambda: True)
    monkeypatch.setattr(torch.xpu, "device_count", lambda: 1)

    def paint(device, precision):
        raise RuntimeError("the driver is too old")

    monkeypatch.setattr(torch_devices, "_try_painting", paint)
    torch_devices._problem.cache_clear()
    monkeypatch.setenv("BRUSHFLOW_FFMPEG", "no-such-program")
    try:
        page = run("--seconds", 0)
    finally:
        torch_devices._problem.cache_clear()
    assert "xpu:0                  does not work:" in page
    assert "the driver is too old" in page
    assert "no-such-program, which is not a program" in page
    assert "cpu                    the processor" in page
