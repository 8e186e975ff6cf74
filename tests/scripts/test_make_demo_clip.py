"""The sample film is what the demo promises: three shots, parallax, and sound."""

import av
import numpy as np
import pytest
from click.testing import CliRunner

from brushflow.flow import load_estimator
from brushflow.scripts.make_demo_clip import SHOT_FRAMES, command
from brushflow.shots.cuts import detect_cuts, scan_size
from brushflow.video import open_source


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("demo") / "clip.mp4"
    assert CliRunner().invoke(command, [str(path)], catch_exceptions=False).exit_code == 0
    return path


def test_it_has_three_shots_and_sound(film):
    source = open_source(film)
    size = scan_size(source.info.width, source.info.height)
    small = [frame.pixels for frame in source.read(size=size, gray=True)]
    assert len(small) == 3 * SHOT_FRAMES
    assert detect_cuts(small) == [SHOT_FRAMES, 2 * SHOT_FRAMES]
    with av.open(str(film)) as video:
        assert len(video.streams.audio) == 1


def test_near_things_move_faster_than_far_ones(film):
    frames = [
        frame.pixels
        for frame in open_source(film).read()
        if frame.index in (SHOT_FRAMES + 10, SHOT_FRAMES + 16)
    ]
    flow = load_estimator("dis")(*frames)[..., 0]
    wheel, shelf = np.median(flow[250:330, 80:160]), np.median(flow[40:100, 540:620])
    assert wheel < shelf - 3
