"""The page of measurements holds what evaluation finds, for every style and clip."""

import json
from functools import partial

import pytest
from click.testing import CliRunner
from skimage import data, io

from brushflow.report.models_page import closed
from brushflow.scripts.lab import measure_models


@pytest.mark.slow
def test_every_style_is_measured_on_every_clip(
    tmp_path, make_clip, drifting, loss_weights, monkeypatch
):
    small = partial(measure_models.evaluate, style_size=96)
    monkeypatch.setattr(measure_models, "evaluate", small)
    clips = tmp_path / "clips" / "val"
    for folder in (clips, tmp_path / "styles"):
        folder.mkdir(parents=True)
    io.imsave(tmp_path / "styles" / "starry-night.jpg", data.rocket())
    make_clip(clips / "short.mp4", drifting(6, 64, 48, "coffee"))
    make_clip(clips / "long.mp4", drifting(15, 64, 48, speed=1))
    arguments = [
        *(tmp_path, "--loss-weights", loss_weights),
        *("-o", tmp_path / "results.md", "--work", tmp_path / "work", "--styles", "starry-night"),
        *("--flow", "dis-fast", "--end", "0.24"),
    ]
    result = CliRunner().invoke(measure_models.command, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    page = (tmp_path / "results.md").read_text()
    kept = {}
    for name in ("long", "short"):
        (place,) = (tmp_path / "work").glob(f"starry-night-*/{name}-0.24s-dis-fast-*.json")
        kept[name] = json.loads(place.read_text())
    for numbers in kept.values():
        assert min(numbers["e_warp_1"]) > 0
    by_clip = page.split("## Closed, 1 frame apart")[1].split("\n\n")[1].splitlines()
    names = by_clip[0].strip("| ").split(" | ")[1:]
    shares = by_clip[2].strip("| ").split(" | ")[1:]
    for name, share in zip(names, shares, strict=True):
        expected = [closed(kept[name][f"e_warp_{distance}"]) for distance in (1, 10)]
        assert share == "; ".join(expected)


def test_what_is_closed_is_a_share_of_the_way_or_a_ratio_where_there_is_none():
    assert closed([1.0, 2.0, 9.0, 5.0]) == "75 %"
    assert closed([1.0, 7.0, 9.0, 5.0]) == "-50 %"
    assert closed([4.0, 1.0, 9.0, 2.0]) == "× 0.50"
    assert closed([None, 1.0, 9.0, 2.0]) == "–"


def test_a_style_without_its_painting_is_named(tmp_path, loss_weights):
    arguments = [
        *(tmp_path, "--loss-weights", loss_weights),
        *("-o", tmp_path / "results.md", "--work", tmp_path / "work"),
    ]
    result = CliRunner().invoke(measure_models.command, [str(a) for a in arguments])
    assert "holds no painting" in str(result.exception)
