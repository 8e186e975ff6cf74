"""One look at a source, which goes no further than what it is for."""

from fractions import Fraction

import pytest

from brushflow.common.errors import BrushflowError, UsageError
from brushflow.pipeline.options import StylizeOptions
from brushflow.pipeline.segments import plan_video
from brushflow.shots.scan import find_cuts, scan_source
from brushflow.video import open_source, write_image

FRAMES = 200  # 8 s, of which the look goes on 3 s beyond the end


@pytest.fixture(scope="module")
def film(make_clip, drifting, tmp_path_factory):
    """Three shots, of which the last begins where 2 s are over."""
    shots = [*drifting(20), *drifting(30, picture="coffee"), *drifting(150, picture="chelsea")]
    return make_clip(tmp_path_factory.mktemp("film") / "film.mkv", shots)


def look(path, end=None, cuts="auto"):
    end = None if end is None else Fraction(end)
    told = []
    source = open_source(path)
    scan = scan_source(source, cuts, lambda *step: told.append(step[2]), lambda: None, end)
    return scan, told[-1]


def test_a_trim_is_found_without_looking_at_all_of_the_film(film):
    whole, expected = look(film)
    assert len(whole.pts) == FRAMES and whole.cuts == [20, 50]
    for end in ("1", "1.96", "2", "2.04"):
        part, expected = look(film, end)
        assert Fraction(end) * 25 + 64 <= len(part.pts) <= 128 and expected <= 128
        assert part.pts == whole.pts[: len(part.pts)]
        options = StylizeOptions(end=Fraction(end))
        info = open_source(film).info
        assert plan_video(part, options, info) == plan_video(whole, options, info)
    assert find_cuts(open_source(film), "auto", float(end)) == part.cuts
    assert look(film, 100)[0] == whole


def test_a_list_of_cuts_is_that_of_the_whole_film(film, tmp_path):
    listed = tmp_path / "cuts.txt"
    listed.write_text("10 \n 150")
    assert look(film, 1, str(listed))[0].cuts == [10]
    listed.write_text("10 \n 200")
    with pytest.raises(BrushflowError, match="frames 0 to 199"):
        look(film, None, str(listed))


def test_damage_counts_where_it_is_looked_at(film, tmp_path):
    data = bytearray(film.read_bytes())
    late = len(data) * 9 // 10
    data[late : late + 800] = bytes(800)
    damaged = tmp_path / "late.mkv"
    damaged.write_bytes(data)
    assert look(damaged)[0].problem
    early = len(data) // 20
    data[early : early + 800] = bytes(800)
    damaged.write_bytes(data)
    (part, _), (whole, _) = look(damaged, 1), look(damaged)
    assert part.problem and len(part.pts) < len(whole.pts)
    assert part.pts == whole.pts[: len(part.pts)]
    assert part.filled == [index for index in whole.filled if index < len(part.pts)]


def test_pictures_beyond_the_end_are_not_opened(drifting, tmp_path):
    for number, frame in enumerate(drifting(100)):
        if number < 95:
            write_image(tmp_path / f"{number}.png", frame)
    (tmp_path / "99.png").write_bytes(b"no picture")
    assert 75 < len(look(tmp_path, Fraction(1, 25))[0].pts) < 95
    with pytest.raises(BrushflowError, match=r"99\.png"):
        look(tmp_path)


def test_an_end_before_the_start_is_a_sentence(film):
    scan, _ = look(film, 1)
    options = StylizeOptions(start=Fraction(2), end=Fraction(1))
    with pytest.raises(UsageError, match="The end comes first"):
        plan_video(scan, options, open_source(film).info)
