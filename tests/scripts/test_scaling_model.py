"""The bound is the longest shot, and dividing shots raises it."""

from brushflow.scripts.benchmarks import benchmark, scaling_model
from brushflow.scripts.benchmarks.scaling_model import divide, makespan


def test_longest_first_fills_the_workers():
    assert makespan([4, 3, 3, 2], 2) == 6
    assert makespan([10, 1, 1], 5) == 10
    assert makespan([5] * 7, 1) == 35


def test_parts_of_a_shot_are_equal_and_overlap():
    assert divide(100, 200, 24) == [100]
    assert divide(300, 100, 24) == [100, 124, 124]
    assert sum(divide(301, 100, 0)) == 301


def test_lengths_come_from_a_list_of_cuts(exit_code_of, capsys, tmp_path):
    (tmp_path / "cuts.txt").write_text("60\n140\n")
    arguments = ["--cuts", str(tmp_path / "cuts.txt"), "--frames", "200", "--max-shot", "40"]
    code = exit_code_of(scaling_model, *arguments)
    out = capsys.readouterr().out
    assert code == 0
    assert "3 shots, 200 frames" in out and "longest 80: at most 2 times" in out
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines()[2:]}
    assert rows["1"][0] == "1.0" and rows["1000"][0] == "2.5"
    assert float(rows["1000"][2]) > 2.5


def test_a_list_of_cuts_needs_the_length_of_its_video(exit_code_of, capsys, tmp_path):
    (tmp_path / "cuts.txt").write_text("60\n140\n")
    code = exit_code_of(scaling_model, "--cuts", str(tmp_path / "cuts.txt"))
    assert code == 2
    assert "give the video's length by --frames" in capsys.readouterr().err


def test_empty_shots_are_handed_out(exit_code_of, capsys):
    arguments = ["shots", "--shots", "20", "--jobs", "1"]
    code = exit_code_of(benchmark, *arguments)
    assert code == 0
    assert "| --jobs 1 |    20 |" in capsys.readouterr().out
