"""A cluster makes the file of one process, also when it loses a worker; and is checked first."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import brushflow
from brushflow.pipeline import StylizeOptions, stylize_video

ROOT = Path(brushflow.__file__).parent
pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def film(make_clip, drifting, tmp_path_factory):
    """160 frames, 64×48, four shots, the first of two segments."""
    small = {"width": 64, "height": 48}
    frames = drifting(70, **small) + drifting(30, **small, picture="coffee")
    frames += drifting(30, **small, picture="chelsea") + drifting(30, **small, picture="rocket")
    return make_clip(tmp_path_factory.mktemp("source") / "film.mp4", frames)


@pytest.mark.slow
def test_three_workers_of_which_one_is_killed_make_the_file_of_one_process(
    film, tiny_model_file, tmp_path
):
    pids = tmp_path / "pids"
    output = tmp_path / "out" / "cluster.mp4"
    output.parent.mkdir()
    arguments = ["--style", str(tiny_model_file), "--device", "cpu", "--preset", "ultrafast"]
    process = subprocess.Popen(
        ["bash", ROOT / "scripts" / "cluster_demo.sh", film, "-o", output, *arguments, "--verbose"],
        env={**os.environ, "PYTHON": sys.executable, "CLUSTER_DEMO_WORKERS": str(pids)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    rows = output.with_name("cluster.mp4.brushflow") / "rows"
    while not any(path.stat().st_size for path in rows.glob("0*")):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.02)
    workers = [int(line) for line in pids.read_text().split()]
    victim = next(
        (worker for worker in workers if _holds(worker, rows)), workers[0]
    )  # one that paints
    os.kill(victim, signal.SIGKILL)
    said, _ = process.communicate(timeout=500)
    assert process.returncode == 0, said
    assert "160 frames" in said
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


def test_a_scheduler_that_is_not_there(film, tiny_model_file, run_command, tmp_path):
    output = tmp_path / "out.mp4"
    arguments = (film, "-o", output, "--style", tiny_model_file, "--cluster")
    code, _, err = run_command(*arguments, "tcp://127.0.0.1:9")
    assert code == 1
    assert "No Dask scheduler answers at tcp://127.0.0.1:9" in err and "Traceback" not in err
    assert not list(tmp_path.iterdir())
    code, _, err = run_command(*arguments, "tcp://127.0.0.1:9", "--jobs", 2)
    assert code == 2 and "choose one" in err
