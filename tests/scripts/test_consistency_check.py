"""The stand-in for the original consistencyChecker."""

from functools import partial

import cv2
import numpy as np
import pytest
from skimage import data

from brushflow.flow import write_flo
from brushflow.occlusion import read_pgm, reliability
from brushflow.scripts.original import consistency_check


@pytest.fixture
def run(exit_code_of, monkeypatch, tmp_path):
    """Run the command in the folder of the files; returns its exit code."""
    monkeypatch.chdir(tmp_path)
    return partial(exit_code_of, consistency_check)


@pytest.fixture
def files(tmp_path):
    """Two flows that do not quite agree and a picture, also as a.flo, b.flo and a.ppm."""
    random = np.random.default_rng(0)
    flow, reverse = (
        cv2.GaussianBlur(random.normal(size=(60, 80, 2)), (0, 0), 5).astype(np.float32) * 20
        for _ in range(2)
    )
    frame = cv2.resize(data.astronaut(), (80, 60), interpolation=cv2.INTER_AREA)
    write_flo(tmp_path / "a.flo", flow)
    write_flo(tmp_path / "b.flo", reverse)
    cv2.imwrite(str(tmp_path / "a.ppm"), frame[..., ::-1])
    return flow, reverse, frame


@pytest.mark.parametrize("with_image", [False, True])
def test_the_map_is_that_of_the_library(run, files, with_image):
    flow, reverse, frame = files
    assert run("a.flo", "b.flo", "out.pgm", *["a.ppm"] * with_image) == 0
    expected = reliability(flow, reverse, frame if with_image else None)
    assert set(np.unique(expected)) == {0, 1}
    assert np.array_equal(read_pgm("out.pgm"), expected)


def test_rule_slow_is_soft(run, files):
    assert run("a.flo", "b.flo", "out.pgm", "--rule", "slow") == 0
    soft = read_pgm("out.pgm")
    assert ((soft > 0) & (soft < 1)).any()


def test_files_that_do_not_fit_are_named(run, files, tmp_path, capsys):
    write_flo(tmp_path / "c.flo", np.zeros((60, 81, 2), np.float32))
    assert run("a.flo", "c.flo", "out.pgm") == 2
    assert "'a.flo' is 80×60 but 'c.flo' is 81×60" in capsys.readouterr().err
    assert run("c.flo", "c.flo", "out.pgm", "a.ppm") == 2
    assert run("a.flo", "b.flo", "out.pgm", "a.ppm", "--rule", "slow") == 2
    assert not (tmp_path / "out.pgm").exists()


def test_a_damaged_flow_leaves_the_old_map(run, files, tmp_path, capsys):
    assert run("a.flo", "b.flo", "out.pgm") == 0
    before = (tmp_path / "out.pgm").read_bytes()
    (tmp_path / "b.flo").write_bytes((tmp_path / "b.flo").read_bytes()[:-1])
    assert run("a.flo", "b.flo", "out.pgm") == 1
    assert "b.flo' is damaged" in capsys.readouterr().err
    assert (tmp_path / "out.pgm").read_bytes() == before
