"""``stylize_video.py camera:…`` from the command line, on a display that nobody sees."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import av
import cv2
import numpy as np
import pytest

from brushflow.cli.live import offered
from brushflow.common.errors import BrushflowError, UsageError
from brushflow.video import capture_devices, ffmpeg, open_source
from brushflow.video.capture_devices import is_device, open_device


@pytest.fixture
def start(start_command):
    def start(*arguments, display=""):
        return start_command("stylize_video.py", *arguments, environment={"DISPLAY": display})

    return start


def ended(process):
    out, err = process.communicate()
    return process.returncode, out, err


@pytest.fixture(scope="module")
def clip(make_clip, drifting, tmp_path_factory):
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", drifting(50))


def test_without_a_display_it_says_so_and_offers_the_page(start, tiny_style, clip):
    code, out, err = ended(start(f"camera:{clip}", "--style", tiny_style))
    assert code == 1 and out == ""
    assert err.startswith("Error: There is no display") and "brushflow serve" in err
    assert len(err.splitlines()) == 1


@pytest.mark.slow
def test_a_recorded_camera_is_painted_in_a_window(start, display, tiny_style, clip, tmp_path):
    arguments = ("--style", tiny_style, "--live-size", 64, "--record", tmp_path / "out.mp4")
    code, out, err = ended(start(f"camera:{clip}", *arguments, display=display))
    assert (code, err) == (0, "")
    assert "of 50 frames at 64x42" in out and "out.mp4" in out
    with av.open(str(tmp_path / "out.mp4")) as container:
        shown = sum(1 for _ in container.decode(video=0))
    assert f"Painted {shown} of" in out
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


@pytest.mark.slow
def test_a_file_is_shown_while_every_frame_of_it_is_kept(
    start, display, tiny_style, clip, tmp_path
):
    painted = tmp_path / "out.mp4"
    arguments = (clip, "--style", tiny_style, "--show", "-o", painted)
    code, out, err = ended(start(*arguments))
    assert code == 1 and "There is no display" in err and not painted.exists()
    code, out, err = ended(start(*arguments, display=display))
    assert code == 0 and "Wrote" in out
    assert len(list(open_source(painted).read())) == 50


@pytest.mark.slow
def test_the_window_shows_takes_keys_and_keeps_what_ctrl_c_ends(
    start, display, tiny_style, make_clip, drifting, tmp_path, monkeypatch
):
    """Looked at through the device that reads the screen."""
    xdotool = shutil.which("xdotool")
    if xdotool is None:
        pytest.skip("no xdotool")
    clip = make_clip(tmp_path / "long.mp4", drifting(3000, speed=0))
    record = tmp_path / "out.mp4"
    options = ("--style", tiny_style, "--live-size", 64, "--record", record)
    process = start(f"camera:{clip}", *options, display=display)
    monkeypatch.setenv("DISPLAY", display)
    try:
        find = [xdotool, "search", "--sync", "--onlyvisible", "--name", "^brushflow$"]
        found = subprocess.run(find, capture_output=True, text=True)
        # The source is there, as large as a panel.
        panel = cv2.resize(drifting(1)[0], (640, 427), interpolation=cv2.INTER_CUBIC)
        screen = open_device("screen:")
        likeness = 0.0
        while likeness < 0.9:
            assert process.poll() is None
            likeness = cv2.matchTemplate(screen.read(), panel, cv2.TM_CCOEFF_NORMED).max()
        screen.close()
        press = [xdotool, "windowfocus", found.stdout.split()[0], "key", "s"]
        subprocess.run(press, check=True)
        while not (tmp_path / "out.png").exists():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        code, out, err = ended(process)
    finally:
        process.kill()
    assert code == 130 and err.strip() == "Interrupted."
    assert f"Wrote {record}." in out and f"Wrote {tmp_path / 'out.png'}." in out
    with av.open(str(record)) as container:
        assert sum(1 for _ in container.decode(video=0)) > 0


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("camera:0", "--output", "a.mp4"), "--output is for files"),
        (("camera:0", "--backward"), "--backward is for videos"),
        (("camera:0", "--max-shot", "60"), "--max-shot is for videos"),
        (("camera:0", "--record", "a.txt"), "must end in"),
        (("camera:0", "--show"), "--show is for videos"),
        (("clip.mp4", "--show", "--dry-run"), "--show shows what is painted"),
        (("clip.mp4", "--show", "--jobs", "2"), "--show shows what this process paints"),
        (("a.mp4", "b.mp4", "--show"), "--show shows one video"),
        (("camera:0", "--jobs", "1"), "--jobs is for videos"),
        (("camera:0", "--fps", "25", "--overlap", "32"), "--overlap is for files"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, words, monkeypatch, capsys):
    from brushflow.stylize_video import main

    monkeypatch.setattr(sys, "argv", ["stylize_video.py", *arguments])
    handler = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as stop:
        main()
    signal.signal(signal.SIGTERM, handler)
    assert stop.value.code == 2
    assert words in capsys.readouterr().err


def test_devices_that_are_not_there(monkeypatch, tmp_path):
    with pytest.raises(BrushflowError, match="no camera 63"):
        open_device("camera:63")
    with pytest.raises(UsageError, match="names no camera"):
        open_device("camera:")
    with pytest.raises(UsageError, match="no file"):
        open_device(f"camera:{tmp_path / 'none.mp4'}")
    monkeypatch.setenv("DISPLAY", "")
    with pytest.raises(BrushflowError, match="cannot be read here"):
        open_device("screen:")


def test_a_region_of_the_screen_has_the_size_and_place_that_were_asked_for(monkeypatch):
    asked = []

    class Process:
        def __init__(self, command, **pipes):
            asked.append(command)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(ffmpeg, "FFmpegProcess", Process)
    monkeypatch.setenv("DISPLAY", ":5")
    open_device("screen:640x480+100+50").close()
    command = asked.pop()
    assert command[command.index("-video_size") + 1] == "640x480"
    assert command[command.index("-i") + 1] == ":5+100,50"
    open_device("screen:").close()
    assert "-video_size" not in asked.pop()
    for region in ("640x480", "0x480+0+0", "640x0+0+0", "640x480+-1+0", "a"):
        with pytest.raises(UsageError, match="no part of a screen"):
            open_device(f"screen:{region}")


def test_a_region_that_is_read_is_that_part_of_the_screen(display, monkeypatch):
    monkeypatch.setenv("DISPLAY", display)
    for region, size in (("", (1400, 900)), ("640x480+100+50", (640, 480)), ("31x7+9+1", (31, 7))):
        screen = open_device(f"screen:{region}")
        assert screen.read().shape == (size[1], size[0], 3)
        screen.close()
    beyond = open_device("screen:640x480+1000+50")
    with pytest.raises(BrushflowError, match="is all of it on the screen"):
        beyond.read()
    beyond.close()


def test_a_file_of_that_name_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert is_device("camera:0")
    Path("camera:0").touch()
    assert not is_device("camera:0")


def test_a_played_video_takes_as_long_as_it_lasts(clip, monkeypatch):
    """By a clock on which nothing but waiting takes time."""
    now = [1000.0]
    monkeypatch.setattr(
        capture_devices,
        "time",
        SimpleNamespace(
            monotonic=lambda: now[0],
            sleep=lambda seconds: now.append(now.pop() + seconds),
        ),
    )
    device = open_device(f"camera:{clip}")
    first = device.read()
    assert first.shape == (64, 96, 3) and first.dtype == np.uint8
    came = [now[0]] + [(device.read(), now[0])[1] for _ in range(20)]
    assert came == pytest.approx([came[0] + k / 25 for k in range(21)])  # 25 per second
    device.close()


def test_a_file_called_like_a_bundled_style_is_not_that_one():
    name, styles = offered("starry-night")
    assert name == "starry-night" and styles[name] == "starry-night"
    name, styles = offered("mine/starry-night.safetensors")
    assert styles[name] == "mine/starry-night.safetensors" and styles["starry-night"]
    assert offered("mine/waves.safetensors")[0] == "waves"
