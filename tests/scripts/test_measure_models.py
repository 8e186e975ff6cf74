"""The page of measurements holds what evaluation finds, for every style and clip."""

import json

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
    row = next(line for line in page.splitlines() if line.startswith("| starry-night"))
    kept = {}
    for name in ("long", "short"):
        (place,) = (tmp_path / "work").glob(f"starry-night-*/{name}-0.48s-dis-fast-*.json")
        change = place.with_name(f"{name}-change.json")
        kept[name] = json.loads(place.read_text()) | json.loads(change.read_text())
    # The first table has the drift of the longest clip.
    drifts = {
        name: " | ".join(
            "{:+.1f} / {:+.1f} %".format(*numbers[key]) for key in ("luminance", "contrast")
        )
        for name, numbers in kept.items()
    }
    assert row.endswith(f"| {drifts['long']} |") and drifts["long"] != drifts["short"]
    for numbers in kept.values():
        floor, ours, alone = numbers["e_warp_1"]
        assert min(floor, ours, alone) > 0
    by_clip = page.split("## E_warp over 1 frame")[1].split("\n\n")[1].splitlines()
    names = by_clip[0].strip("| ").split(" | ")[1:]
    shares = by_clip[2].strip("| ").split(" | ")[1:]
    for name, share in zip(names, shares, strict=True):
        _, ours, alone = kept[name]["e_warp_1"]
        assert share == f"{ours / alone:.2f}"


def test_a_style_without_its_painting_is_named(tmp_path, loss_weights):
    (tmp_path / "paintings").mkdir()
    arguments = [
        *(tmp_path, tmp_path / "paintings", "--loss-weights", loss_weights),
        *("-o", tmp_path / "results.md", "--work", tmp_path / "work"),
    ]
    result = CliRunner().invoke(command, [str(a) for a in arguments])
    assert "holds no picture called" in str(result.exception)
