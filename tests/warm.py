"""Commands in processes of their own that have imported already what takes long.

Where the system can fork, one process imports it all and every command is a fork of that one. In
all else it is as if a shell had started it: arguments, environment, signals, exit code.
"""

import multiprocessing
import os
import runpy
import sys
from pathlib import Path

import brushflow
from brushflow.pipeline import segments

ROOT = Path(brushflow.__file__).parent
# What is flushed to the disk survives a power cut, which no test brings about. Waiting for disks
# takes a quarter of the time of the small runs of tests, and no processor.
os.fsync = lambda file: None
# The first of them is what commands import first. The last is what training imports by the way.
_IMPORTED = ["cli.start", "stylize_video", "train_video", "serve.app"]
# As tests may put this module's function in its place.
_get_context = multiprocessing.get_context
_IMPORTED = [*(f"brushflow.{name}" for name in _IMPORTED), "uvicorn", "torch._dynamo"]


def context():
    """How processes are started: as forks of the warm one, if that is possible."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return _get_context("spawn")
    forking = _get_context("forkserver")
    forking.set_forkserver_preload(_IMPORTED)
    return forking


class Command:
    """A command at work: what tests need of subprocess.Popen."""

    def __init__(self, script, arguments, folder, environment=None, prepare=None):
        self._outputs = [folder / name for name in ("stdout", "stderr")]
        for path in self._outputs:
            path.touch()
        self._process = context().Process(
            target=_run,
            args=(str(ROOT / script), arguments, self._outputs, environment or {}, prepare),
        )
        self._process.start()
        self.pid = self._process.pid

    @property
    def returncode(self):
        return self._process.exitcode

    poll = returncode.fget

    def said(self):
        """What it has written so far: (stdout, stderr)."""
        return tuple(path.read_text() for path in self._outputs)

    def communicate(self):
        self._process.join()
        return self.said()

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self):
        self._process.kill()
        self._process.join()


def shorten_segments():
    """A command's runs are divided into segments of 6 frames from here on."""
    segments.SEGMENT_FRAMES = 6


def _run(script, arguments, outputs, environment, prepare):
    os.environ.update(environment)
    for number, path in enumerate(outputs, 1):
        file = os.open(path, os.O_WRONLY | os.O_APPEND)
        os.dup2(file, number)
        os.close(file)
    if prepare is not None:
        prepare()
    sys.argv = [script, *arguments]
    runpy.run_path(script, run_name="__main__")
