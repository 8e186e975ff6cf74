"""A cluster makes the file of one process, also when it loses a worker; and is checked first."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

import brushflow
import brushflow.pipeline.parallel.dask_cluster as cluster_module
from brushflow.common.errors import BrushflowError
from brushflow.pipeline import StylizeOptions, stylize_video
from brushflow.pipeline.parallel.worker import RunDescription

ROOT = Path(brushflow.__file__).parent
get_worker = pytest.importorskip("distributed").get_worker

from distributed.cli import dask_scheduler, dask_worker  # noqa: E402


@pytest.fixture(scope="module")
def film(make_clip, drifting, tmp_path_factory):
    """73 frames, 64×48, four shots, the first of two segments."""
    small = {"width": 64, "height": 48}
    frames = drifting(52, **small) + drifting(7, **small, picture="coffee")
    frames += drifting(7, **small, picture="chelsea") + drifting(7, **small, picture="rocket")
    return make_clip(tmp_path_factory.mktemp("source") / "film.mp4", frames)


@pytest.mark.slow
def test_three_workers_of_which_one_is_killed_make_the_file_of_one_process(
    film, tiny_model_file, start_command, tmp_path
):
    place = tmp_path / "scheduler.json"
    here = ("--scheduler-file", place, "--host", "127.0.0.1", "--no-dashboard")
    scheduler = start_command(dask_scheduler.__file__, *here, "--port", 0)
    alone = ("--no-nanny", "--nthreads", 1, "--local-directory", tmp_path)
    workers = [start_command(dask_worker.__file__, *here, *alone) for _ in range(3)]
    while scheduler.said()[1].count("Register worker") < 3:
        assert scheduler.poll() is None, scheduler.said()
        time.sleep(0.02)
    output = tmp_path / "out" / "cluster.mp4"
    output.parent.mkdir()
    process = start_command(
        *("stylize_video.py", film, "-o", output, "--style", tiny_model_file, "--device", "cpu"),
        *("--preset", "ultrafast", "--cluster", json.loads(place.read_text())["address"]),
    )
    rows = output.with_name("cluster.mp4.brushflow") / "rows"
    while not any(path.stat().st_size for path in rows.glob("0*")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    # One that paints.
    victim = next((each for each in workers if _holds(each.pid, rows)), workers[0])
    victim.send_signal(signal.SIGKILL)
    said = process.communicate()
    assert process.returncode == 0, said
    assert "73 frames" in said[0]
    options = StylizeOptions(style=str(tiny_model_file), device="cpu", preset="ultrafast")
    stylize_video(film, tmp_path / "one.mp4", options)
    assert output.read_bytes() == (tmp_path / "one.mp4").read_bytes()
    assert [path.name for path in output.parent.iterdir()] == ["cluster.mp4"]


def _holds(process, folder):
    try:
        open_files = [os.readlink(path) for path in Path(f"/proc/{process}/fd").iterdir()]  # noqa: PTH115
    except OSError:
        return False
    return any(name.startswith(str(folder)) for name in open_files)


def test_the_demo_starts_a_cluster_of_three_and_leaves_nothing(tmp_path):
    """In place of the painting, what was asked for is written down."""
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\ncase "$1" in\n'
        f'*stylize_video.py) cp "$TMPDIR"/*/scheduler.log "{tmp_path}"; printf "%s\\n" "$@" ;;\n'
        f'*) exec "{sys.executable}" "$@" ;;\nesac\n'
    )
    python.chmod(0o755)
    (tmp_path / "tmp").mkdir()
    environment = {**os.environ, "PYTHON": str(python), "TMPDIR": str(tmp_path / "tmp")}
    demo = ["bash", ROOT / "scripts" / "cluster_demo.sh", "my clip.mp4", "--crf", "20"]
    said = subprocess.run(demo, env=environment, capture_output=True, text=True, check=True).stdout
    script, *given, address = said.splitlines()
    assert Path(script) == ROOT / "stylize_video.py"
    assert given == ["my clip.mp4", "--crf", "20", "--cluster"]
    log = (tmp_path / "scheduler.log").read_text()
    assert log.count("Register worker") == 3 and address in log
    assert not list((tmp_path / "tmp").glob("*/scheduler.json"))


def test_a_scheduler_that_is_not_there(film, tiny_model_file, run_command, tmp_path):
    output = tmp_path / "out.mp4"
    arguments = (film, "-o", output, "--style", tiny_model_file, "--cluster")
    code, _, err = run_command(*arguments, "tcp://127.0.0.1:9")
    assert code == 1
    assert "No Dask scheduler answers at tcp://127.0.0.1:9" in err and "Traceback" not in err
    assert not list(tmp_path.iterdir())
    code, _, err = run_command(*arguments, "tcp://127.0.0.1:9", "--jobs", 2)
    assert code == 2 and "choose one" in err


def fails_at_first(notes):
    """Say in ``notes`` which worker this is, and fail unless another one was there before."""
    with notes.open("a") as file:
        file.write(f"{get_worker().address}\n")
    if len(notes.read_text().split()) == 1:
        raise OSError("the disk of this worker is full")
    return "painted"


def test_what_fails_is_tried_on_another_worker(cluster, tmp_path):
    executor = cluster()
    assert executor.count == 2
    assert executor.submit(fails_at_first, tmp_path / "notes").result() == "painted"
    first, second = (tmp_path / "notes").read_text().split()
    assert first != second
    executor.shutdown()


def always_fails(notes):
    with notes.open("a") as file:
        file.write("tried\n")
    raise OSError("the disk is full everywhere")


def test_after_three_workers_it_is_given_up(cluster, tmp_path):
    executor = cluster()
    with pytest.raises(OSError, match="full everywhere"):
        executor.submit(always_fails, tmp_path / "notes").result()
    assert len((tmp_path / "notes").read_text().split()) == 3
    executor.shutdown()


def test_only_workers_with_a_gpu_are_used_if_there_are_some(cluster):
    executor = cluster(gpu=True)
    assert executor.count == 1
    used = {executor.submit(lambda: get_worker().address).result() for _ in range(6)}
    assert used == set(executor.workers) and len(used) == 1
    executor.shutdown()


def test_workers_that_see_or_have_something_else_are_refused(
    cluster, film, tiny_model_file, tmp_path, monkeypatch
):
    executor = cluster()
    options = StylizeOptions(style=str(tiny_model_file), device="cpu")
    run = RunDescription(str(film), tmp_path / "out.mp4", tmp_path / "run", options, "turn")
    executor.check(run)
    look_around = cluster_module.look_around

    def on_workers(change):
        def changed(run):
            # The workers of this test are threads.
            here = threading.current_thread() is threading.main_thread()
            return look_around(run) if here else change(run)

        monkeypatch.setattr(cluster_module, "look_around", changed)

    on_workers(lambda run: look_around(replace(run, source=f"{run.source}.absent")))
    with pytest.raises(BrushflowError, match=r"worker tcp.* cannot paint this: There is no file"):
        executor.check(run)
    other = replace(options, style="absent.safetensors")
    on_workers(lambda run: look_around(replace(run, options=other)))
    with pytest.raises(BrushflowError, match=r"worker tcp.* cannot paint this: .*absent"):
        executor.check(run)
    on_workers(lambda run: look_around(run) | {"numpy": "1.0"})
    with pytest.raises(BrushflowError, match=r"has numpy 1\.0, and here it is"):
        executor.check(run)
    executor.shutdown()
