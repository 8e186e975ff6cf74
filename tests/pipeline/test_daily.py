"""What people type day after day in one folder: names, what was there, and one rule for all."""

import re
import shlex
import shutil
import threading
from dataclasses import fields, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import brushflow
from brushflow.cli.sources import default_output, find_videos, is_video_folder, output_folder
from brushflow.common.errors import BrushflowError, UsageError
from brushflow.models import StyleModel, build
from brushflow.pipeline import StylizeOptions, stylize_video
from brushflow.pipeline.preview import preview, stylize_image
from brushflow.video import open_source, read_image, write_image
from brushflow.video.tags import maker

README = Path(brushflow.__file__).with_name("README.md")
SMALL = {"width": 64, "height": 48}


@pytest.fixture(scope="module")
def clips(make_clip, drifting, tmp_path_factory):
    """Two clips of 9 and 5 frames."""
    folder = tmp_path_factory.mktemp("clips")
    frames = drifting(5, **SMALL, picture="coffee")
    return make_clip(folder / "a.mp4", drifting(9, **SMALL)), make_clip(folder / "b.mp4", frames)


@pytest.fixture
def here(clips, monkeypatch, tmp_path):
    """The two in the folder where commands are typed."""
    for clip in clips:
        shutil.copy(clip, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def daily_commands():
    """The arguments of README's daily commands that paint files."""
    block = README.read_text(encoding="utf-8").split("## Every day")[1].split("```")[1]
    lines = re.findall(r"^python stylize_video\.py (.*)$", block, re.MULTILINE)
    commands = [shlex.split(line, comments=True) for line in lines]
    # What needs a window, and what learns a painting first, which training's tests see.
    others = {"camera:0", "--show", "--help", "mine.jpg"}
    return [command for command in commands if not others.intersection(command)]


def test_the_example_from_python_paints_a_masked_film(here, clips):
    example = README.read_text(encoding="utf-8").split("## From Python")[1].split("```python")[2]
    shutil.copy(clips[0], here / "clip.mp4")
    (here / "masks").mkdir()
    for index in range(9):
        write_image(here / "masks" / f"{index}.png", np.zeros((48, 64, 3), np.uint8))
    exec(example.split("```")[0], {"Path": Path})
    pairs = zip(*(open_source(name).read() for name in ("clip.mp4", "painted.mp4")), strict=True)
    for frame, painted in pairs:
        assert np.abs(frame.pixels.astype(int) - painted.pixels).mean() < 3


@pytest.mark.slow
def test_daily_commands_work_one_after_another(clips, drifting, run_command, here):
    for name in ("clip.mp4", "tour360.mp4", "film.mp4", "videos/one.mp4"):
        (here / name).parent.mkdir(exist_ok=True)
        shutil.copy(clips[0], here / name)
    for index, frame in enumerate(drifting(3, **SMALL)):
        (here / "holiday").mkdir(exist_ok=True)
        write_image(here / "holiday" / f"{index}.png", frame)
    write_image(here / "c.jpg", drifting(1, **SMALL)[0])
    for index in range(len(list(open_source(here / "clip.mp4").read()))):
        (here / "masks").mkdir(exist_ok=True)
        write_image(here / "masks" / f"{index:02d}.png", drifting(1, **SMALL)[0])
    commands = [
        ["2" if word == "auto" else word for word in command] for command in daily_commands()
    ]
    assert len(commands) > 8
    made = set(here.iterdir())
    for command in commands:
        code, _, err = run_command(*command, "--strength", 0)
        assert code == 0, (command, err)
        new = set(here.iterdir()) - made
        assert len(new) == ("--dry-run" not in command), command
        made |= new
    before = contents(here) | contents(here / "out")
    for command in commands:
        code, _, err = run_command(*command, "--strength", 0)
        assert code == 0, (command, err)
    assert contents(here) | contents(here / "out") == before


def other_value(field):
    """A value that is not the field's default."""
    special = {
        "start": Fraction(5, 4),
        "end": Fraction(30001, 1001),
        "fps": Fraction(30000, 1001),
        "max_size": 640,
        "keep": ("flow", "frames"),
        "flow": "ptlflow:raft/x",
        "cuts": "lists/my cuts.csv",
        "codec": "hevc",
        "crf": 20.5,
        "precision": "fp32",
        "image_model": Path("models/first.t7"),
        "flow_weights": Path("raft.pth"),
        "mask": "masks/cat.png",
        "style_outside": "great-wave",
        "style_at": ("1.5:great-wave",),
    }
    default = field.default
    if field.name in special:
        return special[field.name]
    if isinstance(default, bool):
        return not default
    if isinstance(default, int | float):
        return default + 0.5
    return 31 if default is None else f"{default}-other"


def test_every_option_is_told_in_the_name(here):
    for name in ("clip.mp4", "x" * 250):
        (here / name).touch()
    unnamed = ("device", "restart", "work_dir")
    usual = StylizeOptions()
    names = {default_output(Path("clip.mp4"), usual).name}
    assert names == {"clip.starry-night.mp4"}
    for field in fields(StylizeOptions):
        options = replace(usual, **{field.name: other_value(field)})
        name = default_output(Path("clip.mp4"), options).name
        assert (name in names) == (field.name in unnamed), field.name
        assert re.fullmatch(r"clip(\.[\w+-]+)+(\.\d+)?\.mp4", name), name
        names.add(name)
    everything = replace(
        usual, **{f.name: other_value(f) for f in fields(StylizeOptions) if f.name not in unnamed}
    )
    name = default_output(Path("x" * 250), everything).name
    assert len(name) <= 255 and name != default_output(Path("x" * 250), usual).name
    assert name != default_output(Path("x" * 250), replace(everything, preset="last")).name
    assert default_output(Path("clip.mp4"), usual, 6).name == "clip.starry-night.preview-6.png"


@pytest.mark.parametrize(
    ("codec", "ending"),
    [("hevc", ".mp4"), ("av1", ".mp4"), ("vp9", ".mp4"), ("prores", ".mov"), ("ffv1", ".mkv")],
)
def test_the_default_name_fits_the_codec(codec, ending, make_clip, drifting, run_command, tmp_path):
    clip = make_clip(tmp_path / "c.mp4", drifting(3))
    code, _, err = run_command(clip, "--strength", 0, "--codec", codec)
    assert code == 0, err
    made = open_source(tmp_path / f"c.starry-night.strength-0.codec-{codec}{ending}")
    assert sum(1 for _ in made.read()) == 3


@pytest.mark.parametrize("count", [1, 2])
def test_an_output_folder_is_one_for_any_number_of_sources(count, run_command, here):
    sources = ("a.mp4", "b.mp4")[:count]
    for folder in ("out/", "out"):  # the second time it is there
        code, _, err = run_command(*sources, "--strength", 0, "-o", folder)
        assert code == 0, err
        made = sorted(path.name for path in (here / "out").iterdir())
        assert made == [f"{name[0]}.starry-night.strength-0.mp4" for name in sources]
    code, _, err = run_command(*sources, "--strength", 0, "-o", "no/where/")
    assert code == 2 and "where" in err


def test_a_files_name_for_two_sources_is_refused(run_command, here):
    for name in ("all.mp4", "all.MKV", "all.png"):
        code, _, err = run_command("a.mp4", "b.mp4", "--strength", 0, "-o", name)
        assert code == 2 and "names one file" in err and "all/" in err
    assert sorted(contents(here)) == ["a.mp4", "b.mp4"]
    (here / "odd.mp4").mkdir()
    assert output_folder("odd.mp4", True) == Path("odd.mp4")
    assert output_folder("new", False) is None and output_folder("new", True) == Path("new")
    with pytest.raises(UsageError, match="names one file"):
        (here / "notes").touch()
        output_folder("notes", True)


@pytest.mark.parametrize("count", [1, 2])
def test_again_and_with_other_options_and_of_another_source(count, run_command, here):
    sources = ("a.mp4", "b.mp4")[:count]
    assert run_command(*sources, "--strength", 0)[0] == 0
    before = contents(here)
    code, out, err = run_command(*sources, "--strength", 0)
    assert code == 0 and out.count("was there") == count, err
    assert contents(here) == before
    # With other options it is another painting.
    code, out, _ = run_command(*sources, "--strength", 0, "--crf", 30)
    assert code == 0 and "was there" not in out
    assert len(contents(here)) == len(before) + count
    # Something else of the same name is neither painted nor said to be done.
    shutil.copy("b.mp4", "a.mp4")
    code, out, err = run_command(*sources, "--strength", 0)
    assert code == (2 if count == 1 else 1)
    assert "a.starry-night.strength-0.mp4 exists already" in out + err
    assert out.count("was there") == count - 1
    assert contents(here).items() >= {k: v for k, v in before.items() if k != "a.mp4"}.items()
    assert run_command(*sources, "--strength", 0, "--restart")[0] == 0
    assert run_command(*sources, "--strength", 0)[0] == 0


def test_a_model_or_list_that_has_changed_makes_another_painting(run_command, here):
    def train(kind):
        StyleModel(build(f"c3s1-{kind},d4,U2,c3s1-3").eval(), "mine").save(
            here / "mine.safetensors"
        )

    command = ("b.mp4", "--style", "mine.safetensors", "--cuts", "cuts.txt", "--device", "cpu")
    train(4)
    (here / "cuts.txt").write_text("2")
    assert run_command(*command)[0] == 0
    code, out, _ = run_command(*command)
    assert code == 0 and "was there" in out
    (here / "cuts.txt").write_text("3")
    assert run_command(*command)[0] == 2
    (here / "cuts.txt").write_text("2")
    assert run_command(*command)[0] == 0
    (here / "mine.safetensors").unlink()
    train(5)
    assert run_command(*command)[0] == 2


@pytest.mark.slow
def test_a_finished_video_is_measured(clips, run_command, here):
    command = ("a.mp4", "--strength", 0, "--cuts", "none")
    assert run_command(*command)[0] == 0
    before = contents(here)
    code, out, err = run_command(*command, "--report")
    assert code == 0 and "report.html" in out, err
    assert (here / "a.starry-night.strength-0.cuts-none.report" / "report.html").exists()
    assert contents(here) == before


@pytest.mark.parametrize("kind", ["video", "picture", "sheet"])
def test_what_comes_to_lie_there_during_a_run_is_left(kind, drifting, here, monkeypatch):
    options = StylizeOptions(strength=0)
    output = here / ("out.mp4" if kind == "video" else "out.png")
    if kind == "video":

        def come(stage, done, total):
            if stage == "stylize" and not output.exists():
                output.write_bytes(b"precious")

        def work(progress=lambda *step: None):
            return stylize_video("a.mp4", output, options, progress)

        with pytest.raises(BrushflowError, match=r"come to lie at .*out\.mp4 meanwhile"):
            work(come)
        assert output.read_bytes() == b"precious"
        with pytest.raises(UsageError, match="exists already"):
            work()
        assert output.read_bytes() == b"precious"
        output.unlink()
        assert work().painted == 0  # what was painted is kept
        return
    write_image(here / "p.png", drifting(1, **SMALL)[0])
    source = open_source("p.png" if kind == "picture" else "a.mp4")
    read = type(source).read

    def come_and_read(self, **request):
        output.write_bytes(b"precious")
        return read(self, **request)

    monkeypatch.setattr(type(source), "read", come_and_read)
    with pytest.raises(BrushflowError, match="come to lie"):
        if kind == "picture":
            stylize_image(source, output, options)
        else:
            preview(source, output, options, 2)
    assert output.read_bytes() == b"precious"


def test_a_restart_replaces_only_what_was_there(here):
    output = here / "out.mp4"
    output.write_bytes(b"old")

    def come(stage, done, total):
        output.unlink()
        output.write_bytes(b"precious")

    options = StylizeOptions(strength=0, restart=True)
    with pytest.raises(BrushflowError, match="come to lie"):
        stylize_video("a.mp4", output, options, come)
    assert output.read_bytes() == b"precious"


def test_a_file_that_came_when_all_was_painted_is_not_taken_for_the_result(here):
    output, stop = here / "out.mp4", threading.Event()

    def progress(stage, done, total):
        if stage == "assemble":
            output.write_bytes(b"precious")

    options = StylizeOptions(strength=0)
    for _ in range(2):
        with pytest.raises(BrushflowError):
            stylize_video("a.mp4", output, options, progress, stop)
        assert output.read_bytes() == b"precious"


def test_paintings_among_the_sources_are_not_painted(run_command, here):
    for _ in range(2):  # as *.mp4 is meant
        sources = sorted(path.name for path in here.glob("*.mp4"))
        code, out, err = run_command(*sources, "--strength", 0)
        assert code == 0, err
        assert len(list(here.glob("*.mp4"))) == 4
    assert out.count("was there") == 2


def test_a_folder_of_videos_may_hold_their_contact_sheets(here):
    write_image(here / "a.starry-night.preview-6.png", np.zeros((16, 16, 3), np.uint8))
    (here / "a.starry-night.max-size-320.mp4").touch()
    assert is_video_folder(str(here))
    found = find_videos([str(here)], StylizeOptions(), None)
    assert [Path(source).name for source, _ in found] == ["a.mp4", "b.mp4"]
    write_image(here / "other.png", np.zeros((16, 16, 3), np.uint8))
    with pytest.raises(UsageError, match="holds videos and pictures"):
        is_video_folder(str(here))


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv", ".webm", ".png"])
def test_outputs_tell_what_they_were_made_of(ending, drifting, here):
    output = here / f"out{ending}"
    if ending == ".png":
        frame = drifting(1, **SMALL)[0]
        write_image(output, frame, made_by="brushflow 0123456789abcdef")
        assert np.array_equal(read_image(output), frame)
        assert maker(output) == "brushflow 0123456789abcdef"
        write_image(output, frame)
    else:
        options = StylizeOptions(strength=0)
        stylize_video("b.mp4", output, options)
        mark = maker(output)
        assert re.fullmatch("brushflow [0-9a-f]{16}", mark)
        shutil.copy("b.mp4", "c.mp4")  # the same, whatever it is called
        stylize_video("c.mp4", here / f"e{ending}", replace(options, device="cpu"))
        assert maker(here / f"e{ending}") == mark
        stylize_video("b.mp4", here / f"d{ending}", replace(options, crf=30))
        assert maker(here / f"d{ending}") not in ("", mark)
        output.write_bytes(b"no video")
    assert maker(output) == "" and maker(here / "a.mp4") == "" and maker(here / "nothing.mp4") == ""
