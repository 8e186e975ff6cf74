"""The training benchmark prints both times and writes them down."""

import json

import pytest
from click.testing import CliRunner
from skimage import data, io

from brushflow.scripts.benchmarks.benchmark import command


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    for name in ("astronaut", "coffee"):
        io.imsave(folder / f"{name}.png", getattr(data, name)()[::2, ::2], check_contrast=False)
    return folder


def test_both_kinds_of_iterations_are_timed(pictures, loss_weights, tmp_path):
    result = CliRunner().invoke(
        command,
        [
            *("training", "--style", str(pictures / "coffee.png"), "--images", str(pictures)),
            *("--loss-weights", str(loss_weights), "--sizes", "32", "--iterations", "3"),
            *("--device", "cpu", "--json", str(tmp_path / "out.json")),
        ],
    )
    assert result.exit_code == 0, result.output
    rows = json.loads((tmp_path / "out.json").read_text())["training"]
    assert [row["batches"] for row in rows] == ["loaded", "in memory"]
    assert all(row["seconds"] > 0 for row in rows) and rows[1]["ratio"] == 1
    assert "| loaded" in result.output
