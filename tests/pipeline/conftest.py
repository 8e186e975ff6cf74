"""A tiny model, moving pictures, and small clips with everything a pipeline must carry."""

import signal
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from brushflow.pipeline.parallel.dask_cluster import ClusterExecutor
from brushflow.stylize_video import main


@pytest.fixture(scope="session")
def two_shots(make_clip, drifting, tmp_path_factory):
    """22 frames, 96×64, a hard cut at 14, with sound."""
    frames = drifting(14) + drifting(8, picture="coffee")
    return make_clip(tmp_path_factory.mktemp("source") / "clip.mp4", frames, sound=True)


@pytest.fixture
def run_command(monkeypatch, capsys):
    """``python stylize_video.py ARGUMENTS`` in this process: (exit code, stdout, stderr)."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["stylize_video.py", *map(str, arguments)])
        handler = signal.getsignal(signal.SIGTERM)
        with pytest.raises(SystemExit) as stop:
            main()
        signal.signal(signal.SIGTERM, handler)
        out, err = capsys.readouterr()
        return stop.value.code, out, err

    return run


@pytest.fixture(scope="session")
def painting_threads():
    """A class of executors that paint rows in threads of this process."""

    class PaintingThreads(ThreadPoolExecutor):
        def __init__(self, count):
            super().__init__(count)
            self.count = count

        def check(self, run):
            pass

        def fewer(self):
            return False

    return PaintingThreads


@pytest.fixture
def cluster():
    """Two workers in this process; the second one has a GPU if the test says so."""
    distributed = pytest.importorskip("distributed")
    clusters = []

    def start(gpu=False):
        resources = [{}, {"GPU": 1} if gpu else {}]
        workers = {
            number: {"cls": distributed.Worker, "options": {"nthreads": 1, "resources": has}}
            for number, has in enumerate(resources)
        }
        options = {"dashboard": False, "dashboard_address": None, "host": "127.0.0.1"}
        scheduler = {"cls": distributed.Scheduler, "options": options}
        clusters.append(distributed.SpecCluster(workers, scheduler, silence_logs=False))
        return ClusterExecutor(clusters[-1].scheduler_address)

    yield start
    for each in clusters:
        each.close()
