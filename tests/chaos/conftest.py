"""Real runs of a tiny model over a small film, in processes that can be killed at any moment."""

import multiprocessing
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch

from brushflow.models import StyleModel, build
from brushflow.pipeline import StylizeOptions, stylize_video
from brushflow.tests import warm
from brushflow.video.ffmpeg import ffmpeg_binary


@pytest.fixture(scope="session")
def tiny_style(tmp_path_factory):
    torch.manual_seed(0)
    model = StyleModel(build("c3s1-4,d4,U2,c3s1-3", padding_type="replicate").eval(), "tiny")
    path = tmp_path_factory.mktemp("models") / "tiny.safetensors"
    model.save(path)
    return path


@pytest.fixture(scope="session")
def film(make_clip, drifting, tmp_path_factory):
    """17 frames, 64×48, three shots of which the first takes two segments; sound, subtitles."""
    folder = tmp_path_factory.mktemp("film")
    frames = drifting(9, 64, 48) + drifting(4, 64, 48, "coffee") + drifting(4, 64, 48, "rocket")
    clip = make_clip(folder / "clip.mp4", frames, sound=True)
    words = folder / "words.srt"
    words.write_text("1\n00:00:00,200 --> 00:00:01,000\nAh!\n")
    film = folder / "film.mkv"
    command = [ffmpeg_binary(), "-v", "error", "-i", clip, "-i", words, "-c", "copy", film]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return film


@pytest.fixture(scope="session")
def choices(tiny_style):
    """The options of every run, as JSON values."""
    return {"style": str(tiny_style), "device": "cpu", "preset": "veryfast"}


@pytest.fixture(scope="module")
def undisturbed(film, choices, short_segments, tmp_path_factory):
    """The bytes that every run must end in."""
    output = tmp_path_factory.mktemp("undisturbed") / "out.mp4"
    report = stylize_video(film, output, StylizeOptions(**choices))
    assert report.frames == 17
    return output.read_bytes()


class Run:
    """One run in a process of its own."""

    def __init__(self, nursery, pid, status):
        self._nursery = nursery
        self.pid = pid
        self._status = status

    @property
    def stage(self):
        """scan, stylize or assemble; before any of them, start."""
        return self.progress[0]

    @property
    def progress(self):
        """The stage, and how far it is."""
        text = self._status.read_bytes().split() if self._status.exists() else []
        return (text[0].decode(), int(text[1])) if text else ("start", 0)

    @property
    def message(self):
        return self._status.with_suffix(".message").read_text()

    def over(self):
        return self._state() in ("Z", "")

    def wait_until_it_stops(self):
        """Return when it has stopped itself."""
        while self._state() != "T":
            assert not self.over(), self.message
            time.sleep(0.001)

    def go_on(self):
        os.kill(self.pid, signal.SIGCONT)

    def _state(self):
        try:
            return Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            return ""

    def children(self):
        """Process ids of its ffmpegs."""
        found = []
        for entry in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = entry.read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[1]) == self.pid and fields[0] != "Z":
                found.append(int(entry.parent.name))
        return found

    def wait(self):
        """Its exit code, or minus the signal that ended it."""
        return self._nursery.ask(wait=self.pid)


class Nursery:
    """Starts runs; see nursery.py."""

    def __init__(self, folder):
        self._folder = folder
        self._count = 0
        from brushflow.tests.chaos.nursery import serve

        self._line, theirs = multiprocessing.Pipe()
        self._process = warm.context().Process(target=serve, args=(theirs, folder / "errors"))
        self._process.start()
        theirs.close()

    def ask(self, **request):
        self._line.send(request)
        return self._line.recv()

    def start(self, source, output, options, limit=None, stop_at=(), killed_after=0):
        """Start a run.

        It may write files of ``limit`` bytes, stops itself (SIGSTOP) as soon as it is in each of
        the stages ``stop_at``, and kills itself when so many groups are coded and the next one
        nearly is.
        """
        self._count += 1
        status = self._folder / f"{self._count}.status"
        request = {
            "source": str(source),
            "output": str(output),
            "options": options,
            "status": str(status),
            "limit": limit,
            "stop_at": stop_at,
            "killed_after": killed_after,
        }
        return Run(self, self.ask(start=request), status)

    def close(self):
        self._line.close()
        self._process.join()


@pytest.fixture(scope="session")
def nursery(tmp_path_factory):
    if not Path("/proc/self/stat").exists():
        pytest.skip("needs Linux's /proc")
    nursery = Nursery(tmp_path_factory.mktemp("nursery"))
    yield nursery
    nursery.close()


def at_work_in(folder):
    """Processes whose command line names something in ``folder``."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes()
        except OSError:
            continue
        if os.fsencode(f"{folder}/") in words:
            found.append(int(entry.parent.name))
    return found


@pytest.fixture
def nobody_left():
    """Wait until no process works in a folder; those of a killed run end by themselves."""

    def check(folder):
        while at_work_in(folder):
            time.sleep(0.02)

    return check


@pytest.fixture
def finish(nursery, film, choices, undisturbed, nobody_left):
    """The same command again: it must end in the undisturbed file, with nothing beside it."""

    def check(output, source=film):
        run = nursery.start(source, output, choices)
        code = run.wait()
        # Stopped between the very last two steps, a run has left nothing to be done.
        assert code == 0 or (code == 2 and "exists already" in run.message), run.message
        assert output.read_bytes() == undisturbed
        nobody_left(output.parent)
        assert [path.name for path in output.parent.iterdir()] == [output.name]

    return check
