"""Whoever paints the shots, in whatever order, killed or not: the file is that of one process."""

import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import BrokenExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from brushflow.common.errors import BrushflowError
from brushflow.models import ModelFile, load
from brushflow.models.inference.folding import fold
from brushflow.pipeline import painter, stylize_video
from brushflow.pipeline.parallel import processes as parallel
from brushflow.pipeline.parallel.processes import PaintingProcesses
from brushflow.pipeline.parallel.worker import take_idle_threads
from brushflow.pipeline.resources import ShortOfMemory
from brushflow.tests import warm

pytestmark = pytest.mark.usefixtures("short_segments")


@pytest.fixture(scope="module")
def serial(film, options, short_segments, tmp_path_factory):
    output = tmp_path_factory.mktemp("serial") / "out.mp4"
    assert stylize_video(film, output, options).frames == 30
    return output.read_bytes()


@pytest.fixture(scope="module", autouse=True)
def warm_processes():
    """Those of this module have imported PyTorch already."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parallel, "_SPAWN", warm.context())
        yield


@pytest.fixture(scope="module")
def processes(warm_processes):
    with PaintingProcesses(2, threads=2) as executor:
        yield executor


def children(parent):
    """Process ids of the Python processes that ``parent`` has started and that live."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rsplit(")", 1)[1].split()
            words = entry.with_name("cmdline").read_bytes()
        except OSError:
            continue
        if int(fields[1]) == parent and fields[0] != "Z" and b"spawn_main" in words:
            found.append(int(entry.parent.name))
    return found


def test_two_processes_make_the_file_of_one(film, options, serial, processes, tmp_path):
    seen = []
    report = stylize_video(
        film, tmp_path / "out.mp4", options, lambda *s: seen.append(s), executor=processes
    )
    assert (report.frames, report.painted) == (30, 30)
    assert report.output.read_bytes() == serial
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
    done = [d for stage, d, total in seen if stage == "stylize"]
    assert done[-1] == 30 and len(set(done)) > 2


def test_who_has_others_paint_builds_no_network(
    film, tiny_model_file, serial, run_command, monkeypatch, tmp_path
):
    """Nor what finds motion: what weights are, is read in their file."""

    def build(*arguments):
        raise AssertionError("built where nothing is painted")

    monkeypatch.setattr(ModelFile, "model", build)
    monkeypatch.setattr(painter, "load_estimator", build)
    arguments = ("--style", tiny_model_file, "--device", "cpu", "--preset", "ultrafast")
    output = tmp_path / "out.mp4"
    code, _, err = run_command(film, "-o", output, *arguments, "--jobs", 2)
    assert code == 0, err
    assert output.read_bytes() == serial


@pytest.mark.parametrize(("fit", "count"), [(9, 4), (3, 3), (1, None), (0, None)])
def test_there_are_as_many_processes_as_processors_and_memory_allow(fit, count, monkeypatch):
    monkeypatch.setattr(parallel, "usable_cores", lambda: 4)
    monkeypatch.setattr(parallel, "available_memory", lambda: fit * 1000 + 999)
    with parallel.painting_processes("auto", "cpu", 1000) as executor:
        assert (executor and executor.count) == count


@pytest.mark.slow
def test_a_painting_process_that_is_killed_is_replaced(film, options, serial, tmp_path):
    # Processes of its own, begun here: whatever lives already is of another test.
    killed, others = [], set(multiprocessing.active_children())

    def kill(stage, done, total):
        if stage == "stylize" and done > 6 * (len(killed) + 1) and len(killed) < 2:
            victims = [each for each in multiprocessing.active_children() if each not in others]
            victims[len(killed) % len(victims)].kill()
            killed.append(done)

    with PaintingProcesses(2, threads=2) as executor:
        report = stylize_video(film, tmp_path / "out.mp4", options, kill, executor=executor)
    assert len(killed) == 2
    assert report.output.read_bytes() == serial


def test_an_interrupted_run_of_several_processes_goes_on(
    film, options, serial, processes, tmp_path
):
    stop = threading.Event()

    def progress(stage, done, total):
        if stage == "stylize" and done > 6:
            stop.set()

    output = tmp_path / "out.mp4"
    with pytest.raises(KeyboardInterrupt, match="is kept in"):
        stylize_video(film, output, options, progress, stop, executor=processes)
    assert not output.exists()
    stylize_video(film, output, options, executor=processes)
    assert output.read_bytes() == serial


@pytest.mark.slow
def test_processes_do_not_outlive_a_killed_command(film, options, serial, start_command, tmp_path):
    output = tmp_path / "out.mp4"
    arguments = (film, "-o", output, "--style", options.style, "--device", "cpu")
    process = start_command(
        *("stylize_video.py", *arguments, "--preset", "ultrafast", "--jobs", 2),
        prepare=warm.shorten_segments,
    )
    while not list(tmp_path.glob("out.mp4.brushflow/segments/0*.sha256")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    painters = children(process.pid)
    assert len(painters) == 2
    process.send_signal(signal.SIGKILL)
    _, err = process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert "Traceback" not in err
    while any(Path(f"/proc/{painter}").exists() for painter in painters):
        time.sleep(0.02)
    stylize_video(film, output, options)
    assert output.read_bytes() == serial


@pytest.fixture
def unlucky(painting_threads):
    """A maker of executors that fail with an error for some tasks, before they do them."""

    class Unlucky(painting_threads):
        def __init__(self, error, times):
            super().__init__(1)
            self.error, self.times = error, times

        def submit(self, function, *arguments):
            if self.times == 0:
                return super().submit(function, *arguments)
            self.times -= 1
            return super().submit(self.fail)

        def fail(self):
            raise self.error

    return Unlucky


def test_a_row_whose_process_dies_is_done_again_but_not_for_ever(
    film, options, serial, tmp_path, unlucky
):
    with unlucky(BrokenExecutor("gone"), 2) as executor:
        stylize_video(film, tmp_path / "out.mp4", options, executor=executor)
    assert (tmp_path / "out.mp4").read_bytes() == serial
    with (
        unlucky(BrokenExecutor("gone"), 99) as executor,
        pytest.raises(BrushflowError, match="frames 0 to 13 ended 3 times") as error,
    ):
        stylize_video(film, tmp_path / "no.mp4", options, executor=executor)
    assert error.value.about == "fewer_jobs"


def test_a_shortage_of_memory_is_met_with_smaller_motion(film, options, tmp_path, unlucky):
    options = replace(options, flow_size=256)
    memory = pytest.raises(BrushflowError, match="not enough memory")
    with unlucky(ShortOfMemory(), 1) as executor, memory:
        stylize_video(film, tmp_path / "out.mp4", options, executor=executor)
    assert not (tmp_path / "out.mp4").exists()


def short(path):
    """Memory that suffices for the second try only."""
    if path.exists():
        return os.getpid()
    path.touch()
    raise ShortOfMemory


def pid():
    return os.getpid()


def test_processes_become_fewer_and_do_not_come_back(tmp_path):
    with PaintingProcesses(2, threads=2) as executor:
        places = [tmp_path / name for name in ("first", "second")]
        both = [executor.submit(_meet, mine, places) for mine in places]
        assert len({future.result() for future in both}) == 2
        assert executor.fewer() and not executor.fewer()
        again = {executor.submit(pid).result() for _ in range(4)}
        assert len(again) == 1
        with pytest.raises(ShortOfMemory):
            executor.submit(short, tmp_path / "short").result()
        assert {executor.submit(short, tmp_path / "short").result()} == again


def _meet(mine, places):
    """Wait until all are here: so they are in different processes."""
    mine.touch()
    while not all(place.exists() for place in places):
        time.sleep(0.01)
    return os.getpid()


def _threads_while(waiting, here):
    """PyTorch's threads at first, and those when ``waiting`` is there."""
    threads = [torch.get_num_threads()]
    here.touch()
    while not waiting.exists():
        time.sleep(0.01)
    take_idle_threads()
    return [*threads, torch.get_num_threads()]


def test_the_last_one_at_work_gets_the_threads_of_the_others(tmp_path):
    """So one long shot leaves no processor idle; the result depends on no number of threads."""
    first, second, end = (tmp_path / name for name in ("first", "second", "end"))
    with PaintingProcesses(2, threads=4) as executor:
        long = executor.submit(_threads_while, end, first)
        while not first.exists():
            assert not long.done(), long.result()
            time.sleep(0.01)
        short = executor.submit(_threads_while, first, second)
        free = threading.Event()  # a moment after the result is there
        short.add_done_callback(lambda _: free.set())
        assert short.result() == [2, 2] and free.wait()
        end.touch()
        assert long.result()[-1] == 4
        first.unlink()
        second.unlink()
        pairs = (second, first), (first, second)
        again = [executor.submit(_threads_while, *pair) for pair in pairs]
        assert sorted(future.result()[0] for future in again) in ([2, 2], [2, 4])
    take_idle_threads()  # this is no painting process


def test_the_network_paints_the_same_with_any_number_of_threads():
    network = fold(load("starry-night").network.eval())
    picture = 50 * torch.randn(1, 7, 90, 160, generator=torch.Generator().manual_seed(0))
    threads = torch.get_num_threads()
    try:
        results = []
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            results.append(network(picture))
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(results[0], other) for other in results[1:])
