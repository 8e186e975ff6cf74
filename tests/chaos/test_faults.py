"""Full disks, vanished sources, damaged parts, rivals, odd clocks; then the same file again."""

import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest

from brushflow.pipeline import StylizeOptions, stylize_video


@pytest.fixture(scope="module")
def killed(nursery, film, choices, undisturbed, tmp_path_factory):
    """What a run leaves that was killed with one group coded, and the next one in pixels."""
    output = tmp_path_factory.mktemp("killed") / "out.mp4"
    run = nursery.start(film, output, choices, killed_after=1)
    assert run.wait() == -signal.SIGKILL
    return output.with_name("out.mp4.brushflow")


@pytest.mark.parametrize("seed", range(4))
def test_a_disk_that_fills_up_at_a_random_moment(
    seed, nursery, film, choices, undisturbed, finish, nobody_left, tmp_path
):
    limit = int(len(undisturbed) * random.Random(seed).random() ** 3) + 200
    output = tmp_path / "out.mp4"
    run = nursery.start(film, output, choices, limit=limit)
    assert run.wait() == 1
    assert not output.exists()
    nobody_left(tmp_path)
    finish(output)


@pytest.mark.parametrize("stage", ["scan", "stylize", "assemble"])
def test_a_source_that_disappears(stage, nursery, film, choices, finish, nobody_left, tmp_path):
    (tmp_path / "out").mkdir()
    source, away, output = tmp_path / "film.mkv", tmp_path / "away.mkv", tmp_path / "out" / "o.mp4"
    shutil.copy2(film, source)
    run = nursery.start(source, output, choices, stop_at=[stage])
    run.wait_until_it_stops()
    source.rename(away)
    run.go_on()
    code = run.wait()
    nobody_left(tmp_path / "out")
    if code == 0:  # it was opened for the last time just before
        assert stage == "assemble"
    else:
        assert code == 1 and "film.mkv" in run.message and "Traceback" not in run.message
        run = nursery.start(source, output, choices)
        assert run.wait() == 2 and "There is no file" in run.message
    away.rename(source)
    if code:
        finish(output, source)


def test_a_source_that_changes_meanwhile(nursery, film, choices, tmp_path):
    source, output = tmp_path / "film.mkv", tmp_path / "out.mp4"
    shutil.copy2(film, source)
    run = nursery.start(source, output, choices, stop_at=["stylize"])
    run.wait_until_it_stops()
    os.utime(source, (1, 1))
    run.go_on()
    assert run.wait() == 1
    assert "has changed since the run began" in run.message
    assert not output.exists()


KINDS = [
    "0*.mkv",
    "0*.mkv.sha256",
    "0*.rgb",
    "0*.rgb.sha256",
    "*.safetensors",
    "scan.json",
    "run.json",
]


@pytest.mark.parametrize("how", ["one bit", "cut off", "gone"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_damaged_between_two_starts_is_made_again(kind, how, killed, finish, tmp_path):
    chance = random.Random(f"{kind} {how}")
    output = tmp_path / "out.mp4"
    folder = shutil.copytree(killed, tmp_path / killed.name)
    found = [path for path in sorted(folder.rglob(kind)) if path.stat().st_size]  # some just begun
    assert found
    for path in found:
        data = bytearray(path.read_bytes())
        if how == "one bit":
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        elif how == "cut off":
            data = data[: chance.randrange(len(data))]
        path.write_bytes(data)
        if how == "gone":
            path.unlink()
    finish(output)


def test_the_second_of_two_runs_is_told_so(nursery, film, choices, finish, tmp_path):
    output = tmp_path / "out.mp4"
    stages = ["scan", "stylize", "assemble"]
    first = nursery.start(film, output, choices, stop_at=stages)
    for _ in stages:
        first.wait_until_it_stops()
        second = nursery.start(film, output, choices)
        assert second.wait() == 2
        assert "Another run is writing the same output" in second.message
        first.go_on()
    assert first.wait() == 0
    output.unlink()
    finish(output)


def test_runs_started_at_the_same_moment_do_no_harm(
    nursery, film, choices, undisturbed, nobody_left, tmp_path
):
    output = tmp_path / "out.mp4"
    runs = [nursery.start(film, output, choices) for _ in range(4)]
    codes = {run.wait() for run in runs}
    assert output.read_bytes() == undisturbed
    nobody_left(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
    assert codes == {0, 2}


@pytest.mark.parametrize("date", [0, 4_000_000_000])
def test_a_clock_that_jumps_between_starts(date, killed, finish, tmp_path):
    output = tmp_path / "out.mp4"
    folder = shutil.copytree(killed, tmp_path / killed.name)
    for path in [folder, *folder.rglob("*")]:
        os.utime(path, (date, date))
    finish(output)


def test_a_clock_that_jumps_during_a_run(film, choices, undisturbed, monkeypatch, tmp_path):
    chance = random.Random(1)
    monkeypatch.setattr(time, "time", lambda: chance.uniform(0, 4e9))
    monkeypatch.setattr(time, "time_ns", lambda: chance.randrange(4 * 10**18))
    output = tmp_path / "out.mp4"
    stylize_video(film, output, StylizeOptions(**choices))
    assert output.read_bytes() == undisturbed


def test_a_place_for_the_work_on_another_file_system(
    nursery, film, choices, undisturbed, nobody_left, tmp_path
):
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs a second file system")
    work = tmp_path / "work"
    work.symlink_to(memory / f"brushflow-chaos-{os.getpid()}")
    work.resolve().mkdir()
    try:
        options = {**choices, "work_dir": str(work)}
        run = nursery.start(film, tmp_path / "out.mp4", options, stop_at=["stylize"])
        run.wait_until_it_stops()
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
        assert nursery.start(film, tmp_path / "out.mp4", options).wait() == 0
        assert (tmp_path / "out.mp4").read_bytes() == undisturbed
        assert list(work.iterdir()) == []
    finally:
        shutil.rmtree(work.resolve())
