"""The benchmark prints a table and writes what it measured, and on what."""

import json
from functools import partial

import pytest
import torch

from brushflow.models import build
from brushflow.scripts.benchmarks import benchmark, measuring, pipeline
from brushflow.scripts.benchmarks.convolutions import _int8_task
from brushflow.scripts.benchmarks.network import count_flop, psnr, sample
from brushflow.tests import warm

SMALL = "c3s1-8,d8,R8,U2,c9s1-3"


@pytest.fixture
def run(exit_code_of):
    """Run the command; returns its exit code."""
    return partial(exit_code_of, benchmark)


def test_network_measures_every_engine(run, tmp_path, capsys):
    result = tmp_path / "new" / "network.json"
    assert run(
        "network", "--arch", SMALL, "--size", "90x60", "--repeats", 1, "--json", result
    ) == 0  # fmt: skip
    data = json.loads(result.read_text())
    assert data["machine"]["torch"] == torch.__version__
    assert (data["settings"]["width"], data["settings"]["height"]) == (90, 60)
    rows = {row["engine"]: row for row in data["network"]}
    assert {"plain", "direct"} <= rows.keys()
    assert rows["plain"]["times plain"] == 1 and rows["plain"]["PSNR dB"] is None
    assert rows["direct"]["GFLOP"] < rows["plain"]["GFLOP"]
    for row in rows.values():
        assert row["ms"] > 0 and (row["PSNR dB"] or 100) > 90
    printed = capsys.readouterr().out
    assert printed.count("\n") == len(rows) + 2 and "of product" in printed


def test_network_measures_what_is_asked_for(run, tmp_path):
    result = tmp_path / "network.json"
    options = ("--repeats", 1, "--engine", "direct", "--precision", "bf16", "--threads", 1)
    before = torch.get_num_threads()
    try:
        assert run("network", "--arch", SMALL, "--size", "70x60", *options, "--json", result) == 0
    finally:
        torch.set_num_threads(before)
    rows = json.loads(result.read_text())["network"]
    assert [row["precision"] for row in rows] == ["fp32", "bf16"]
    assert {row["times plain"] for row in rows} == {None}


def test_ways_of_computing_that_are_not_here_are_named(run, capsys):
    assert run("network", "--arch", SMALL, "--size", "70x60", "--engine", "graphed") == 2
    assert "cpu has the engines plain, direct" in capsys.readouterr().err


def test_the_compiled_network_is_the_plain_one(run, monkeypatch, tmp_path):
    # A compiler is not needed to see that the network is one for compilers.
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    result = tmp_path / "network.json"
    options = ("--size", "90x60", "--repeats", 1, "--engine", "plain", "--engine", "compiled")
    assert run("network", "--arch", SMALL, *options, "--json", result) == 0
    _, row = json.loads(result.read_text())["network"]
    assert row["engine"] == "compiled" and row["PSNR dB"] > 90
    assert row["first s"] > row["ms"] / 1000


def test_without_a_compiler_the_compiled_network_is_refused(run, monkeypatch, capsys):
    def unusable(*arguments, **options):
        raise RuntimeError("No working C++ compiler found\nand a long story")

    monkeypatch.setattr(torch, "compile", lambda network, dynamic: unusable)
    assert run("network", "--arch", SMALL, "--size", "70x60", "--engine", "compiled") == 2
    assert "No working C++ compiler found\n" in capsys.readouterr().err


@pytest.mark.parametrize("size", ["854", "854x", "x480", "0x480", "-4x5", "axb"])
def test_a_wrong_size_is_refused(run, size, capsys):
    assert run("network", "--size", size) == 2
    assert "not a size like 854x480" in capsys.readouterr().err


def test_operations_are_counted_as_in_the_published_figures():
    # 153,504 multiplications and additions per pixel, on the picture with its padding.
    network = build(padding_type="zero").eval()
    x = torch.zeros(1, 7, 64, 96)
    assert count_flop(network, x) == 2 * 153_504 * 64 * 96


def test_psnr():
    assert psnr(torch.zeros(4), torch.zeros(4)) is None
    assert psnr(torch.full((4,), 2.55), torch.zeros(4)) == pytest.approx(40)


def test_the_sample_is_the_same_every_time():
    assert torch.equal(sample(7, 40, 30), sample(7, 40, 30))
    assert sample(3, 40, 30).shape == (1, 3, 30, 40)


def test_tasks_take_turns_after_a_warm_up():
    order = []
    tasks = {"a": lambda: order.append("a"), "b": lambda: order.append("b")}
    times = measuring.interleaved(tasks, 2)
    assert order == ["a", "b"] * 3
    assert times.keys() == tasks.keys() and min(times.values()) >= 0


def test_a_table_is_markdown():
    text = measuring.table([{"name": "x", "ms": 1234.5}, {"name": "long", "ms": None}])
    assert text.splitlines() == [
        "| name |   ms |",
        "| ---- | ---: |",
        "| x    | 1234 |",
        "| long |    – |",
    ]


def test_convolutions_are_measured_one_by_one(run, tmp_path):
    result = tmp_path / "convolutions.json"
    assert run("convolutions", "--small", "--repeats", 1, "--json", result) == 0
    rows = json.loads(result.read_text())["convolutions"]
    assert len(rows) == 5 and all(row["direct ms"] > 0 for row in rows)


def test_int8_convolutions_compute_about_the_same():
    torch.manual_seed(0)
    layer = torch.nn.Conv2d(8, 8, 3).requires_grad_(False)
    x = torch.randn(1, 8, 20, 30)
    exact = layer(x)
    assert (_int8_task(layer, x)().dequantize() - exact).abs().mean() < 0.1 * exact.abs().mean()


def test_a_profile_names_what_takes_the_time(run, tmp_path, capsys):
    result = tmp_path / "profile.json"
    options = ("--model", "starry-night", "--size", "120x90", "--most", 12)
    assert run("profile", *options, "--json", result) == 0
    rows = json.loads(result.read_text())["profile"]
    assert len(rows) == 12 and rows[0]["ms"] >= rows[11]["ms"] > 0
    assert 0 < sum(row["share"] for row in rows) < 1
    assert any("conv" in row["operation"] and "64×64×3×3" in row["shapes"] for row in rows)
    assert "share" in capsys.readouterr().out


def test_flow_is_measured_against_the_truth(run, tmp_path):
    result = tmp_path / "flow.json"
    options = ("--flow", "dis", "--flow-size", 160, "--size", "320x180", "--repeats", 1)
    assert run("flow", *options, "--json", result) == 0
    rows = {row["flow"]: row for row in json.loads(result.read_text())["flow"]}
    assert set(rows) == {"dis", "dis at 160", "reliability, fast", "reliability, slow"}
    assert rows["dis"]["EPE px"] < 0.5 and rows["dis at 160"]["EPE px"] < 1
    assert rows["reliability, fast"]["EPE px"] is None
    assert min(row["ms"] for row in rows.values()) > 0


@pytest.fixture
def small_clips(monkeypatch, tiny_model):
    monkeypatch.setattr(pipeline, "load", lambda style: tiny_model)
    monkeypatch.setitem(pipeline.SIZES, "180p", (64, 48))
    monkeypatch.setattr(pipeline.multiprocessing, "get_context", lambda _: warm.context())


def test_whole_runs_are_measured_stage_by_stage(run, small_clips, tmp_path):
    result = tmp_path / "pipeline.json"
    assert run("pipeline", "--size", "180p", "--frames", 8, "--json", result) == 0
    (row,) = json.loads(result.read_text())["pipeline"]
    assert row["size"] == "180p" and row["ratio"] == pytest.approx(
        row["end to end"] / row["network"]
    )
    for stage in ("decode", "motion", "paint", "finish", "encode"):
        assert row[f"{stage} busy"] > 0
    assert 0 < row["scan"] < row["end to end"] and row["paint busy"] < row["end to end"]
    assert row["memory MiB"] > 100 and row["first frame s"] > 0


def test_lengths_are_compared(run, small_clips, tmp_path):
    result = tmp_path / "scaling.json"
    assert run("scaling", "--size", "180p", "--lengths", "3,6", "--json", result) == 0
    rows = json.loads(result.read_text())["scaling"]
    assert [row["frames"] for row in rows] == [3, 6]
    assert rows[0]["memory MiB, of the first"] == 1
