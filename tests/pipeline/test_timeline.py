"""Styles over time: what keyframes make of a moment, and of a film."""

import threading
from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from brushflow.common.errors import UsageError
from brushflow.models import StyleModel, build
from brushflow.pipeline import StylizeOptions, segments, stylize_video
from brushflow.pipeline.timeline import first_moment, keyframes_of, kinds_of, moments_of
from brushflow.shots.scan import Scan
from brushflow.tests.pipeline.test_masks import frames_of, lossless

COUNT, SWITCH = 14, 6


@pytest.fixture(scope="module")
def clip(tmp_path_factory, drifting):
    return lossless(tmp_path_factory.mktemp("clip") / "clip.mkv", drifting(COUNT))


@pytest.fixture(scope="module")
def models(tiny_model_file, tmp_path_factory):
    """Two styles by their files."""
    torch.manual_seed(1)
    network = build("c3s1-8,d8,R8,U2,c3s1-3", padding_type="replicate").eval()
    path = tmp_path_factory.mktemp("other") / "other.safetensors"
    StyleModel(network, "other").save(path)
    return [str(tiny_model_file), str(path)]


@pytest.fixture
def options(models):
    return StylizeOptions(
        style=models[0], device="cpu", codec="ffv1", pix_fmt="bgr0", cuts="none", long_term=0
    )


def moments(given, count=51, cuts=()):
    options = StylizeOptions(style="starry-night", style_at=tuple(given))
    scan = Scan(list(range(count)), list(cuts), None, [])
    info = SimpleNamespace(time_base=Fraction(1, 10), path="film.mp4")
    return kinds_of(keyframes_of(options)), moments_of(options, scan, info)


def written(tmp_path, text):
    path = tmp_path / "keys.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_style_follows_another_in_a_second_or_at_once_at_a_cut():
    kinds, at = moments(["1:great-wave", "cut2:the-scream"], cuts=[5, 30])
    assert [style for style, _ in kinds] == ["starry-night", "great-wave", "the-scream"]
    assert at(10).shares == at(0).shares == (1, 0, 0)
    assert at(15).shares == (0.5, 0.5, 0)
    assert at(12).shares[1] == pytest.approx(3 * 0.2**2 - 2 * 0.2**3)
    assert at(20).shares == at(29).shares == (0, 1, 0)
    assert at(30).shares == (0, 0, 1)
    for index in range(51):
        assert sum(at(index).shares) == pytest.approx(1)
        assert sum(share > 0 for share in at(index).shares) <= 2


def test_what_is_said_at_the_beginning_takes_the_place_of_the_style():
    kinds, at = moments(["0:great-wave", "0:02:the-scream"])
    assert [style for style, _ in kinds] == ["great-wave", "the-scream"]
    assert at(0).shares == (1, 0)
    assert at(50).shares == (0, 1)


def test_a_file_of_keyframes_says_more_and_leaves_the_rest_as_it_was(tmp_path):
    text = """
        [[keyframe]]
        at = 1
        strength = 0.5
        blend = 2
        ease = "linear"
        [[keyframe]]
        at = "00:04"
        style = "mine.safetensors"
        stroke = 2.0
        keep-colors = true
        blend = 0
    """
    (tmp_path / "mine.safetensors").touch()
    kinds, at = moments([written(tmp_path, text)])
    mine = str(tmp_path / "mine.safetensors")
    assert kinds == [("starry-night", None), (mine, 2.0)]
    assert at(20).strength == pytest.approx(0.75)
    assert at(30).strength == at(50).strength == 0.5
    assert (at(39).keep_colors, at(40).keep_colors) == (0, 1)
    assert at(40).shares == (0, 1)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["great-wave"], "is no keyframe"),
        (["12.5"], "is no keyframe"),
        (["1:great-wave", "1:the-scream"], "Two keyframes are at 1 s"),
        (["cut3:great-wave"], "at cut 3, and film.mp4 has 0"),
        (["none.toml"], "cannot be read"),
        (["[[keyframe]]\nat = 1\nstrenght = 1"], "strenght is not known"),
        (["[[keyframe]]\nstyle = 'great-wave'"], "at is missing"),
        (["[[keyframe]]\nat = -1"], "at is -1"),
        (["[[keyframe]]\nat = 10\n[[keyframe]]\nat = 5"], "at 5 s stands behind the one at 10 s"),
        (["[[keyframe]]\nat = 'cut0'"], "at is 'cut0'"),
        (["[[keyframe]]\nat = 1\nstrength = 2"], "strength is 2; it is from 0 to 1"),
        (["[[keyframe]]\nat = 1\nstroke = 'wide'"], "stroke is 'wide'"),
        (["[[keyframe]]\nat = 1\nease = 'quick'"], "ease is 'quick'"),
        (["[[keyframe]]\nat = 1\nkeep-colors = 1"], "keep-colors is true or false"),
        (["keyframe = 1"], "has no keyframes"),
        (["keyframe"], "is no TOML"),
    ],
)
def test_what_is_no_keyframe_is_refused_in_a_sentence(tmp_path, monkeypatch, given, words):
    monkeypatch.chdir(tmp_path)
    if "keyframe" in given[0]:
        given = [written(tmp_path, given[0])]
    with pytest.raises(UsageError, match=words):
        moments(given)


def painted(source, output, options):
    stylize_video(source, output, options)
    return frames_of(output)


def test_a_film_of_two_styles_is_the_one_then_both_then_the_other(clip, options, models, tmp_path):
    text = f"""
        [[keyframe]]
        at = {SWITCH / 25}
        style = '{models[1]}'
        blend = {4 / 25}
        ease = "linear"
    """
    both = replace(options, style_at=(written(tmp_path, text),))
    result = painted(clip, tmp_path / "both.mkv", both)
    one = painted(clip, tmp_path / "one.mkv", options)
    start = Fraction(SWITCH + 1, 25)  # at the keyframe itself, nothing of it is seen yet
    other = painted(clip, tmp_path / "other.mkv", replace(options, style=models[1], start=start))
    for index in range(COUNT):
        share = min(1, max(0, (index - SWITCH) / 4))
        later = other[index - SWITCH - 1] if share else one[index]
        expected = one[index] * (1 - share) + later * share
        assert np.abs(result[index] - expected).max() <= 0.51


def test_a_film_that_becomes_a_painting_is_the_source_before(clip, options, models, tmp_path):
    text = f"[[keyframe]]\nat = {SWITCH / 25}\nstrength = 1\nblend = 0\n"
    rising = replace(options, strength=0.0, style_at=(written(tmp_path, text),))
    result = painted(clip, tmp_path / "rising.mkv", rising)
    source, whole = frames_of(clip), painted(clip, tmp_path / "whole.mkv", options)
    for index in range(COUNT):
        expected = source[index] if index < SWITCH else whole[index]
        assert np.array_equal(result[index], expected)


def test_a_picture_is_in_the_style_of_its_only_moment(models, tmp_path):
    options = StylizeOptions(style="starry-night", style_at=("5:great-wave", "0:the-scream"))
    assert kinds_of(keyframes_of(options))[1][0] == "the-scream"
    assert first_moment(options).shares == (0, 1)


def test_a_keyframe_that_no_frame_comes_to_is_told_of(clip, options, models, tmp_path, caplog):
    last = Fraction(SWITCH, 25)
    given = tuple(f"{float(at):g}:{models[1]}" for at in (last, last + Fraction(1, 50)))
    film = tmp_path / "film.mkv"
    report = stylize_video(
        clip, film, replace(options, style_at=given, end=Fraction(SWITCH + 1, 25))
    )
    assert report.frames == SWITCH + 1
    told = (
        f"The keyframe at 0.26 s changes nothing: the last frame of {clip} that is painted is "
        f"at 0.24 s."
    )
    assert [note for note in report.notes if "keyframe" in note] == [told]
    assert told in caplog.messages


@pytest.mark.parametrize("backward", [False, True])
def test_a_film_of_two_styles_goes_on_after_a_stop_byte_for_byte(
    clip, options, models, tmp_path, backward, monkeypatch
):
    monkeypatch.setattr(segments, "SEGMENT_FRAMES", 4)
    text = f"[[keyframe]]\nat = {SWITCH / 25}\nstyle = '{models[1]}'\nblend = {5 / 25}\n"
    both = replace(options, style_at=(written(tmp_path, text),), backward=backward, long_term=1)
    stylize_video(clip, tmp_path / "whole.mkv", both)
    again = tmp_path / "again.mkv"
    for stop_at in (5, 9):
        stop = threading.Event()

        def end_after(stage, done, total, stop=stop, stop_at=stop_at):
            if stage == "stylize" and done >= stop_at:
                stop.set()

        with pytest.raises(KeyboardInterrupt):
            stylize_video(clip, again, both, end_after, stop)
    report = stylize_video(clip, again, both)
    assert 0 < report.painted < COUNT
    assert again.read_bytes() == (tmp_path / "whole.mkv").read_bytes()


def test_another_file_of_keyframes_is_another_run(clip, options, models, tmp_path):
    text = f"[[keyframe]]\nat = 0.2\nstyle = '{models[1]}'\n"
    both = replace(options, style_at=(written(tmp_path, text),), strength=0.5)
    stylize_video(clip, tmp_path / "out.mkv", both)
    written(tmp_path, text.replace("0.2", "0.3"))
    with pytest.raises(UsageError, match="exists already"):
        stylize_video(clip, tmp_path / "out.mkv", both)
