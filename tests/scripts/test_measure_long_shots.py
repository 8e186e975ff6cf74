"""The numbers of long and still shots are those of what is painted."""

import re

import pytest
from click.testing import CliRunner

from brushflow.scripts.lab.measure_long_shots import command


@pytest.mark.parametrize(("long_term", "restless"), [("1", False), ("0", True)])
def test_a_still_shot_is_still_with_the_long_term_prior(
    tmp_path, make_clip, drifting, tiny_model_file, long_term, restless
):
    clip = tmp_path / "clip.mp4"
    make_clip(clip, drifting(8, picture="coffee"))
    arguments = [str(clip), "--styles", str(tiny_model_file), "--frames", "48", "--side", "48"]
    arguments += ["--noise", "2", "--long-term", long_term]
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 0, result.output
    found = re.search(r"luminance ([-+.\d]+) .*strokes ([.\d]+) .*shot ([.\d]+)", result.output)
    drift, strokes, still = found.groups()
    assert 0.5 < float(strokes) < 2  # of a picture that hardly moves, by a model of random weights
    assert abs(float(drift)) < 2
    assert (float(still) > 0.3) == restless
