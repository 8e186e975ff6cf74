"""Several videos in one command: one queue, one failure stops nothing, a line for each."""

import threading
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from brushflow.cli import sources as cli
from brushflow.cli.sources import find_videos, is_video_folder
from brushflow.common.errors import UsageError
from brushflow.pipeline import StylizeOptions, resources, stylize_video
from brushflow.pipeline.many_runs import stylize_videos
from brushflow.pipeline.resources import estimate_run
from brushflow.stylize_video import command
from brushflow.video import open_source, probe, write_image


@pytest.fixture
def folder(make_clip, drifting, tmp_path):
    """Three small videos, the second of which is none."""
    folder = tmp_path / "in"
    folder.mkdir()
    small = {"width": 64, "height": 48}
    make_clip(folder / "a9.mp4", drifting(9, **small))
    (folder / "b.mp4").write_text("no video")
    make_clip(folder / "a10.mkv", drifting(5, **small) + drifting(6, **small, picture="coffee"))
    return folder


def test_a_folder_is_painted_whatever_is_wrong_with_one_of_them(
    folder, run_command, tiny_model_file, tmp_path, heard
):
    arguments = (folder, "--style", tiny_model_file, "--device", "cpu", "--preset", "ultrafast")
    code, out, err = run_command(*arguments)
    assert code == 1
    assert "1 of 3 sources failed" in err and "Traceback" not in err
    lines = [line.split() for line in out.splitlines()]
    assert [Path(line[0]).name for line in lines[-4:-1]] == ["a9.mp4", "a10.mkv", "b.mp4"]
    assert [line[1:3] for line in lines[-4:-1]] == [["9", "9"], ["11", "11"], ["–", "–"]]
    assert lines[-2][-1] == "failed"
    first = folder / "a9.tiny.preset-ultrafast.mp4"
    alone = tmp_path / "alone.mp4"
    options = StylizeOptions(style=str(tiny_model_file), device="cpu", preset="ultrafast")
    stylize_video(folder / "a9.mp4", alone, options)
    assert first.read_bytes() == alone.read_bytes()
    # Once more: what is there stays, and is not taken for a source.
    (folder / "b.mp4").unlink()
    before = first.stat().st_mtime_ns
    code, out, err = run_command(*arguments)
    assert code == 0, err
    assert out.count("was there") == 2 and "tiny.tiny" not in out
    assert first.stat().st_mtime_ns == before


def test_pictures_may_be_among_them(folder, drifting, run_command, tiny_model_file, tmp_path):
    frame = drifting(1, width=64, height=48)[0]
    for name in ("p.png", "q.jpg"):
        write_image(tmp_path / name, frame)
    out = tmp_path / "out"
    places = (folder / "a9.mp4", tmp_path / "p.png", tmp_path / "q.jpg")
    arguments = ("--style", tiny_model_file, "--device", "cpu", "-o", out)
    code, said, err = run_command(*places, *arguments)
    assert code == 0, err
    names = ["a9.tiny.mp4", "p.tiny.png", "q.tiny.png"]
    assert sorted(path.name for path in out.iterdir()) == names
    alone = tmp_path / "alone.png"
    assert run_command(tmp_path / "p.png", *arguments[:-1], alone)[0] == 0
    assert (out / "p.tiny.png").read_bytes() == alone.read_bytes()
    code, said, _ = run_command(*places, *arguments)
    assert code == 0 and said.count("was there") == 3
    code, said, _ = run_command(*places, *arguments, "--dry-run")
    assert code == 0 and said.count("a picture, which takes no time") == 2
    code, _, err = run_command(*places[1:], *arguments, "--keep", "flow", "--restart")
    assert code == 2 and "--keep is for videos" in err


def test_a_folders_paintings_in_bundled_styles_are_no_sources(folder):
    for name in ("a9.great-wave.mp4", "a9.take2.mp4"):
        (folder / name).touch()
    found = [
        Path(source).name
        for source, _ in find_videos([str(folder)], StylizeOptions(style="mine.safetensors"), None)
    ]
    assert found == ["a9.mp4", "a9.take2.mp4", "a10.mkv", "b.mp4"]


def test_videos_share_an_executor_and_a_bar(folder, painting_threads, tiny_model_file, tmp_path):
    (folder / "b.mp4").unlink()
    out = tmp_path / "out"
    out.mkdir()
    options = StylizeOptions(style=str(tiny_model_file), device="cpu", preset="ultrafast")
    work = find_videos([str(folder)], options, out)
    seen = []
    with painting_threads(2) as executor:
        outcomes = stylize_videos(
            work, options, lambda *s: seen.append(s), threading.Event(), executor, 3
        )
    assert [outcome.report.frames for outcome in outcomes] == [9, 11]
    assert seen[-1] == ("stylize", 20, 20)
    assert sorted(path.name for path in out.iterdir()) == [
        f"{name}.tiny.preset-ultrafast.mp4" for name in ("a10", "a9")
    ]


def test_a_stop_ends_all(folder, tiny_model_file):
    (folder / "b.mp4").unlink()
    stop = threading.Event()
    options = StylizeOptions(style=str(tiny_model_file), device="cpu", preset="ultrafast")
    work = find_videos([str(folder)], options, None)
    with pytest.raises(KeyboardInterrupt):
        stylize_videos(work, options, lambda *step: stop.set(), stop)
    assert not any(output.exists() for _, output in work)


def test_what_inputs_stand_for(folder, tmp_path):
    names = [
        Path(source).name
        for source, _ in find_videos([str(folder)], StylizeOptions(style="s"), None)
    ]
    assert names == ["a9.mp4", "a10.mkv", "b.mp4"]
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    write_image(pictures / "1.png", np.zeros((16, 16, 3), np.uint8))
    assert not is_video_folder(str(pictures)) and not is_video_folder(str(folder / "b.mp4"))
    write_image(folder / "1.png", np.zeros((16, 16, 3), np.uint8))
    with pytest.raises(UsageError, match="holds videos and pictures"):
        is_video_folder(str(folder))
    same = [tmp_path / "a9.mp4", folder / "a9.mp4"]
    same[0].touch()
    with pytest.raises(UsageError, match="both be painted into"):
        find_videos([str(path) for path in same], StylizeOptions(style="s"), tmp_path)


@pytest.mark.parametrize("one_case", [False, True])
def test_where_case_makes_no_file_another_two_are_not_painted_into_one(
    one_case, tmp_path, monkeypatch
):
    """As on Windows and macOS: with --restart, the second would take the first one's place."""
    monkeypatch.setattr(cli, "_ONE_CASE", one_case)
    places = [str(tmp_path / place) for place in ("a/clip.mp4", "b/CLIP.mp4")]
    for place in map(Path, places):
        place.parent.mkdir()
        place.touch()
    if one_case:
        with pytest.raises(UsageError, match="would both be painted"):
            find_videos(places, StylizeOptions(style="s"), tmp_path)
    else:
        assert len(find_videos(places, StylizeOptions(style="s"), tmp_path)) == 2


def test_a_dry_run_says_what_it_takes_and_writes_nothing(folder, run_command, tiny_model_file):
    (folder / "b.mp4").unlink()
    before = sorted(folder.iterdir())
    code, out, err = run_command(folder, "--style", tiny_model_file, "--dry-run", "--device", "cpu")
    assert code == 0, err
    rows = [line.split() for line in out.splitlines()]
    assert rows[0][:4] == ["source", "shots", "longest", "frames"]
    assert rows[1][1:4] == ["1", "9", "9"]
    assert rows[2][1:4] == ["2", "6", "11"]
    assert rows[3][:4] == ["all", "3", "9", "20"]
    assert "free in" in out and Fraction(rows[1][4]) >= 0
    assert sorted(folder.iterdir()) == before


def test_shots_of_a_damaged_film_are_counted_as_those_of_a_whole_one(
    folder, tiny_model_file, monkeypatch
):
    """In it, several are painted one after another; yet each begins with a frame of its own."""
    scan_source, options = resources.scan_source, StylizeOptions(style=str(tiny_model_file))
    for problem in (None, "It ends early."):

        def scan(*arguments, problem=problem):
            found = scan_source(*arguments)
            return replace(found, cuts=[*range(1, 9)], problem=problem)

        monkeypatch.setattr(resources, "scan_source", scan)
        found = estimate_run(
            *(open_source(folder / "a9.mp4"), folder / "out.mp4", replace(options, device="cpu")),
            *(lambda *step: None, lambda: None),
        )
        assert (found.shots, found.longest) == (9, 1)


def test_each_source_is_opened_once(folder, tmp_path, monkeypatch):
    opened = []

    def counted(path):
        opened.append(Path(path).name)
        return probe(path)

    monkeypatch.setattr("brushflow.video.source.probe", counted)
    places = [str(folder / name) for name in ("a9.mp4", "a10.mkv")]
    arguments = ["--strength", "0", "--preset", "ultrafast", "--quiet", "-o", f"{tmp_path}/out/"]
    for sources in (places, places[:1]):
        opened.clear()
        command.main([*sources, *arguments, "--end", f"0.{len(sources)}"], standalone_mode=False)
        assert sorted(opened) == sorted(Path(source).name for source in sources)


def test_an_estimate_ends_when_it_is_told_to(folder, tiny_model_file):
    def check_stop():
        raise KeyboardInterrupt

    options = StylizeOptions(style=str(tiny_model_file), device="cpu", cuts="none")
    source = open_source(folder / "a9.mp4")
    scanned = []
    with pytest.raises(KeyboardInterrupt):
        estimate_run(
            source,
            folder / "out.mp4",
            options,
            lambda *step: scanned.append(step),
            lambda: check_stop() if len(scanned) == 9 else None,
        )
    assert len(scanned) == 9  # the scan was over


def test_what_cannot_be_estimated_does_not_stop_the_rest(folder, run_command, tiny_model_file):
    options = ("--style", tiny_model_file, "--dry-run", "--compare", "-o", folder / "new")
    code, out, err = run_command(folder, *options)
    assert code == 1 and "1 of 3 sources could not be estimated" in err, err
    assert "b.mp4: " in out and "free in" in out
    assert [line.split()[0] for line in out.splitlines()[-2:-1]] == ["all"]
    assert not (folder / "new").exists()


def test_an_interrupted_restart_of_many_leaves_no_old_painting(
    folder, drifting, tiny_model_file, tmp_path
):
    out = tmp_path / "out"
    out.mkdir()
    old = StylizeOptions(style=str(tiny_model_file), device="cpu", preset="ultrafast")
    for name in ("a.png", "z.png"):
        write_image(tmp_path / name, drifting(1, width=64, height=48)[0])
    places = [tmp_path / "a.png", folder, tmp_path / "z.png"]
    work = find_videos([str(place) for place in places], old, out)
    stylize_videos(work, old, lambda *step: None, threading.Event())
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    (out / "b.tiny.preset-ultrafast.mp4").write_bytes(b"of another time")
    new, stop = replace(old, keep_colors=True), threading.Event()
    with pytest.raises(KeyboardInterrupt):
        stylize_videos(work, replace(new, restart=True), lambda *step: stop.set(), stop)
    outcomes = stylize_videos(work, new, lambda *step: None, threading.Event())
    assert [outcome.error is not None for outcome in outcomes] == [False, False, False, True, False]
    for name, painting in before.items():
        assert (out / name).read_bytes() != painting
    again = stylize_videos(work, replace(new, restart=True), lambda *step: None, threading.Event())
    assert sum(outcome.failed for outcome in again) == 1
    assert not list(out.glob("a*.brushflow"))
