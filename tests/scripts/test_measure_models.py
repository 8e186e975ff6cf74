"""The page of measurements holds what evaluation finds, for every style and clip."""

import json
import re

import pytest
from click.testing import CliRunner
from skimage import data, io

from brushflow.scripts.lab.measure_models import command


@pytest.mark.slow
def test_every_style_is_measured_on_every_clip(tmp_path, make_clip, drifting, loss_weights):
    for name in ("clips", "paintings"):
        (tmp_path / name).mkdir()
    io.imsave(tmp_path / "paintings" / "starry-night.png", data.rocket())
    make_clip(tmp_path / "clips" / "short.mp4", drifting(12, picture="coffee"))
    make_clip(tmp_path / "clips" / "long.mp4", drifting(60, speed=1))
    arguments = [
        *(tmp_path / "clips", tmp_path / "paintings", "--loss-weights", loss_weights),
        *("-o", tmp_path / "results.md", "--work", tmp_path / "work", "--styles", "starry-night"),
        *("--flow", "dis-fast", "--end", "0.48"),
    ]
    result = CliRunner().invoke(command, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    page = (tmp_path / "results.md").read_text()
    assert "## starry-night" in page
    drifts = {line.split(" | ")[0]: line.split(" | ")[-1] for line in page.splitlines()}
    # The first table has the drift of the longest clip.
    assert drifts["| long"] == drifts["| starry-night"] != drifts["| short"]
    assert re.fullmatch(r"[-+]\d+\.\d / [-+]\d+\.\d % \|", drifts["| short"])
    (kept,) = (tmp_path / "work").glob("starry-night-*/short-0.48s-dis-fast-*.json")
    floor, ours, alone = json.loads(kept.read_text())["e_warp_1"]
    assert 0 < floor < ours and alone > 0
    assert f"{1000 * floor:.2f} / {1000 * ours:.2f} / {1000 * alone:.2f}" in page


def test_a_style_without_its_painting_is_named(tmp_path, loss_weights):
    (tmp_path / "paintings").mkdir()
    arguments = [
        *(tmp_path, tmp_path / "paintings", "--loss-weights", loss_weights),
        *("-o", tmp_path / "results.md", "--work", tmp_path / "work"),
    ]
    result = CliRunner().invoke(command, [str(a) for a in arguments])
    assert "holds no picture called" in str(result.exception)
