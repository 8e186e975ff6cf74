"""Runs killed at random moments, and their ffmpegs: the same command ends in the same file."""

import os
import random
import signal
import sys
import time
from collections import Counter
from contextlib import suppress

import pytest

KILLS = 14


def wait_for(run, stage, chance):
    """Return at a random moment of a stage, or when the run is over."""
    order = ("start", "scan", "stylize", "assemble")
    moment = (order.index(stage), chance.randrange(17 if stage in ("scan", "stylize") else 2))
    while not run.over():
        reached, done = run.progress
        if (order.index(reached), done) >= moment:
            break
        time.sleep(0.001)


@pytest.mark.slow
def test_killed_runs_end_in_the_file_of_an_undisturbed_one(
    nursery, film, choices, undisturbed, nobody_left, finish, tmp_path, capsys
):
    chance = random.Random(6)
    output = tmp_path / "out.mp4"
    killed, whole = Counter(), 0
    while sum(killed.values()) < KILLS:
        run = nursery.start(film, output, choices)
        stage = chance.choice(("start", "scan", "scan", "stylize", "stylize", "assemble"))
        wait_for(run, stage, chance)
        victims = run.children() if chance.random() < 0.35 else []
        victim = chance.choice(victims) if victims else run.pid
        place = f"{'ffmpeg' if victims else 'run'} in {run.stage}"
        last = run.stage == "assemble"
        if not run.over():
            with suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
                killed[place] += 1
        code = run.wait()
        # An ffmpeg whose work was done may be killed without harm; else the run says what happened.
        assert code in ((0, 1, 2) if victims else (-signal.SIGKILL, 0, 2)), run.message
        if code in (1, 2):
            assert "Traceback" not in run.message
            assert code == 1 or "exists already" in run.message, run.message
        nobody_left(tmp_path)
        if output.exists():
            assert output.read_bytes() == undisturbed
        if code in (0, 2):
            assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
        elif last:
            finish(output)  # so that the next ones are killed in earlier stages again
        if code in (0, 2) or last:
            output.unlink()
            whole += 1
    finish(output)
    places = ", ".join(f"{count} {place}" for place, count in sorted(killed.items()))
    with capsys.disabled():
        sys.stdout.write(
            f"\n{sum(killed.values())} kills ({places}); {whole + 1} results, all identical to "
            f"an undisturbed run's.\n"
        )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("stage", ["scan", "stylize", "assemble"])
def test_a_polite_signal_ends_the_run_and_keeps_what_is_done(
    stage, number, nursery, film, choices, finish, nobody_left, tmp_path
):
    output = tmp_path / "out.mp4"
    run = nursery.start(film, output, choices, stop_at=[stage])
    run.wait_until_it_stops()
    os.kill(run.pid, number)
    run.go_on()
    code = run.wait()
    nobody_left(tmp_path)
    assert code == (0 if stage == "assemble" and output.exists() else 130)
    if code:
        finish(output)
