"""Names and places that a shell, a filter, a pattern or a short memory would trip over."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import av
import pytest

from brushflow.common.errors import BrushflowError, UsageError
from brushflow.pipeline import StylizeOptions, stylize_video
from brushflow.video import open_source
from brushflow.video.ffmpeg import file_url

PASS = StylizeOptions(strength=0, preset="ultrafast")
NAMES = {
    "spaces": "  a film  .mp4",
    "quotes": 'it\'s "a" `film`.mp4',
    "colons": "C:film:1.mp4",
    "percent": "%d %05d 100%.mp4",
    "newline": "two\nlines\t\r.mp4",
    "unicode": "ünï çødé 日本 🎬 e\u0301.mp4",
    "dash": "-i.mp4",
    "shell": "$(touch x);&|<>*?[a].mp4",
    "filter": "a,b;[in]'\\:=.mp4",
    "protocol": "concat:a|b.mp4",
    "long": "x" * 246 + ".mp4",
    "long-unicode": "日" * 82 + ".mp4",
    "no-text": os.fsdecode(b"\xff\xfe.mp4"),
}


@pytest.fixture(scope="module")
def clip(make_clip, drifting, tmp_path_factory):
    """Ten frames with sound."""
    return make_clip(tmp_path_factory.mktemp("names") / "clip.mp4", drifting(10), sound=True)


@pytest.fixture(scope="module")
def with_words(clip, run_ffmpeg, tmp_path_factory):
    """The same with a subtitle track, which .mp4 wants converted."""
    folder = tmp_path_factory.mktemp("words")
    (folder / "words.srt").write_text("1\n00:00:00,000 --> 00:00:00,200\nHello\n")
    inputs = ("-i", clip, "-i", folder / "words.srt")
    run_ffmpeg(*inputs, "-c", "copy", "-f", "matroska", folder / "clip.mp4")
    return folder / "clip.mp4"


def names_in(folder):
    return [path.name for path in folder.iterdir()]


def frames_in(path):
    return sum(1 for _ in open_source(path).read(size=(16, 16), gray=True))


@pytest.mark.parametrize("kind", NAMES)
def test_a_name_is_only_a_name(kind, clip, with_words, monkeypatch, tmp_path):
    name = NAMES[kind]
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    try:
        shutil.copy(clip, tmp_path / "in" / name)
    except OSError:
        pytest.skip("this file system takes no such name")
    report = stylize_video(Path(name), tmp_path / "out" / name, PASS)
    assert report.frames == frames_in(tmp_path / "out" / name) == 10
    shutil.copy(with_words, tmp_path / "in" / name)
    monkeypatch.chdir(tmp_path / "out")
    report = stylize_video(tmp_path / "in" / name, Path(name), replace(PASS, restart=True))
    with av.open(file_url(tmp_path / "out" / name)) as video:
        assert len(video.streams.subtitles) == 1
    assert names_in(tmp_path / "in") == names_in(tmp_path / "out") == [name]
    assert all("converted from subrip to mov_text" in note for note in report.notes)


@pytest.mark.parametrize("kind", NAMES)
def test_the_command_takes_it_and_names_the_result(kind, clip, run_command, monkeypatch, tmp_path):
    name = NAMES[kind]
    monkeypatch.chdir(tmp_path)
    try:
        shutil.copy(clip, tmp_path / name)
    except OSError:
        pytest.skip("this file system takes no such name")
    code, out, err = run_command("--strength", 0, "--preset", "ultrafast", "--", name)
    assert code == 0, err
    assert "10 frames" in out
    (made,) = set(names_in(tmp_path)) - {name}
    assert made.endswith(".starry-night.strength-0.preset-ultrafast.mp4")
    assert len(os.fsencode(made)) <= 255
    assert made.startswith(Path(name).stem[:60])


def test_a_folder_may_be_called_anything(clip, tmp_path):
    folder = tmp_path / "50% off: it's %d [new]\n"
    folder.mkdir()
    shutil.copy(clip, folder / "a.mp4")
    report = stylize_video(folder / "a.mp4", folder / "b.mp4", PASS)
    assert frames_in(report.output) == 10


@pytest.mark.parametrize("way", ["itself", "symbolic link", "hard link", "other spelling"])
def test_the_source_is_never_overwritten(way, clip, tmp_path):
    source = tmp_path / "a.mp4"
    shutil.copy(clip, source)
    before = source.read_bytes()
    output = tmp_path / "b.mp4"
    if way == "itself":
        output = source
    elif way == "symbolic link":
        output.symlink_to(source)
    elif way == "hard link":
        os.link(source, output)
    else:
        (tmp_path / "c").mkdir()
        output = tmp_path / "c" / ".." / "a.mp4"
    for options in (PASS, replace(PASS, restart=True)):
        with pytest.raises(UsageError, match="is the source itself"):
            stylize_video(source, output, options)
    assert source.read_bytes() == before
    link = tmp_path / "link.mp4"
    link.symlink_to(source)
    with pytest.raises(UsageError, match="is the source itself"):
        stylize_video(link, source, replace(PASS, restart=True))
    assert source.read_bytes() == before


def test_a_link_that_leads_nowhere_is_refused_before_anything_is_painted(clip, tmp_path):
    output, stages = tmp_path / "b.mp4", []
    output.symlink_to(tmp_path / "nothing")
    for options in (PASS, replace(PASS, restart=True)):
        with pytest.raises(UsageError, match="leads nowhere"):
            stylize_video(clip, output, options, lambda *step: stages.append(step))
    assert not stages and output.is_symlink() and not (tmp_path / "nothing").exists()


def test_a_link_is_read_and_a_link_is_replaced(clip, tmp_path):
    source, output, other = tmp_path / "a.mp4", tmp_path / "b.mp4", tmp_path / "other.mp4"
    source.symlink_to(clip)
    other.write_bytes(b"precious")
    output.symlink_to(other)
    with pytest.raises(UsageError, match="exists already"):
        stylize_video(source, output, PASS)
    stylize_video(source, output, replace(PASS, restart=True))
    assert frames_in(output) == 10
    assert other.read_bytes() == b"precious"
    (tmp_path / "broken.mp4").symlink_to(tmp_path / "nowhere.mp4")
    with pytest.raises(UsageError, match="There is no file"):
        stylize_video(tmp_path / "broken.mp4", tmp_path / "c.mp4", PASS)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a place nobody can write in")
def test_a_place_that_cannot_be_written_to_is_found_before_the_work(clip, tmp_path):
    stages = []
    with pytest.raises((UsageError, BrushflowError), match="/proc"):
        stylize_video(clip, Path("/proc/out.mp4"), PASS, lambda *step: stages.append(step))
    # The work could go elsewhere, the result could not.
    options = replace(PASS, work_dir=tmp_path)
    with pytest.raises((UsageError, BrushflowError), match="/proc"):
        stylize_video(clip, Path("/proc/out.mp4"), options, lambda *step: stages.append(step))
    assert not any(stage == "stylize" for stage, _, _ in stages)


def test_a_source_in_a_place_that_cannot_be_written_to(clip, tmp_path):
    folder = tmp_path / "read-only"
    folder.mkdir()
    shutil.copy(clip, folder / "a.mp4")
    (folder / "a.mp4").chmod(0o400)
    folder.chmod(0o500)
    try:
        report = stylize_video(folder / "a.mp4", tmp_path / "out.mp4", PASS)
        assert frames_in(report.output) == 10
    finally:
        folder.chmod(0o700)


def test_outputs_of_one_name_do_not_meet_in_one_work_folder(clip, tmp_path):
    for name in ("a", "b", "work"):
        (tmp_path / name).mkdir()
    options = replace(PASS, work_dir=tmp_path / "work")

    def progress(stage, done, total):
        if stage == "stylize" and not (tmp_path / "b" / "out.mp4").exists():
            stylize_video(clip, tmp_path / "b" / "out.mp4", options)

    stylize_video(clip, tmp_path / "a" / "out.mp4", options, progress)
    assert frames_in(tmp_path / "a" / "out.mp4") == frames_in(tmp_path / "b" / "out.mp4") == 10
    assert names_in(tmp_path / "work") == []
