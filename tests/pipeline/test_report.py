"""``--report``: the page about a run, from the run's own options."""

import json
import signal

import pytest

from brushflow.evaluation import of_run


@pytest.mark.slow
def test_a_run_is_measured_at_its_own_size_and_cuts(
    two_shots, tiny_model_file, run_command, tmp_path
):
    output = tmp_path / "out.mp4"
    options = ("--style", tiny_model_file, "--max-size", 50, "--end", 0.8, "-o", output)
    code, out, _ = run_command(two_shots, *options, "--report")
    assert code == 0 and "out.report/report.html" in out
    measured = json.loads((tmp_path / "out.report/metrics.json").read_text(encoding="utf-8"))
    assert measured["frames"] == 20 and measured["settings"]["cuts"] == [14]
    assert [video["role"] for video in measured["videos"]] == ["floor", "result"]
    assert "<video" in (tmp_path / "out.report/report.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_part_is_measured_against_the_same_part_of_the_source(two_shots, run_command, tmp_path):
    options = ("--strength", 0, "--crf", 4, "--start", "0.4", "--end", "0.8")
    code, _, _ = run_command(two_shots, *options, "-o", tmp_path / "out.mp4", "--report")
    assert code == 0
    measured = json.loads((tmp_path / "out.report/metrics.json").read_text(encoding="utf-8"))
    assert measured["frames"] == 10
    assert measured["videos"][1]["means"]["fdb"] < 1e-3  # as it is the source


@pytest.mark.slow
def test_an_interrupted_measurement_is_repeated_without_painting_again(
    two_shots, tiny_model_file, run_command, tmp_path, monkeypatch
):
    output = tmp_path / "out.mp4"
    command = (two_shots, "--style", tiny_model_file, "--end", 0.8, "-o", output, "--report")
    measure = of_run.evaluate

    def interrupted(*arguments, **options):
        signal.raise_signal(signal.SIGINT)
        raise AssertionError

    monkeypatch.setattr(of_run, "evaluate", interrupted)
    code, out, error = run_command(*command)
    assert code == 130 and "measures, and paints nothing" in error
    assert f"Wrote {output}: 20 frames in" in out
    painted = output.read_bytes()
    left = [path.name for path in (tmp_path / "out.mp4.brushflow").iterdir()]
    assert sorted(left) == ["brushflow.txt", "lock", "run.json"]
    code, _, error = run_command(*command, "--crf", 20)
    assert code == 2 and "out.mp4 exists already" in error
    monkeypatch.setattr(of_run, "evaluate", measure)
    code, out, _ = run_command(*command)
    assert code == 0 and "20 frames, 0 of them now" in out and "report.html" in out
    assert output.read_bytes() == painted
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.mp4", "out.report"]


@pytest.mark.parametrize(
    ("options", "told"),
    [(("--compare",), "--compare"), (("--preview", 2), "picture")],
)
def test_what_cannot_be_compared_is_said_before_the_work(
    two_shots, tiny_model_file, run_command, tmp_path, options, told
):
    output = tmp_path / ("out.png" if "--preview" in options else "out.mp4")
    code, _, error = run_command(
        *(two_shots, "--style", tiny_model_file, "-o", output, "--report", *options)
    )
    assert code == 2 and told in error
    assert not output.exists() and not list(tmp_path.iterdir())
