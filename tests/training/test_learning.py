"""A painting that nobody trained is learned, once, and from what is to be painted."""

import math
import re
import shutil
import threading

import pytest
import torch
from click.testing import CliRunner
from skimage import data, io

from brushflow import train_video
from brushflow.cli import learning as command_part
from brushflow.common.errors import UsageError
from brushflow.models import available, learned_styles, load, rename_style
from brushflow.models.model_file import BASE
from brushflow.stylize_video import command
from brushflow.tests.warm import ROOT
from brushflow.training import learning
from brushflow.training.learning import learn_style, learned_place
from brushflow.video import open_source


@pytest.fixture
def painting(tmp_path):
    path = tmp_path / "waves.jpg"
    io.imsave(path, data.chelsea()[:160, :200])
    return path


def test_efforts_have_the_names_that_the_command_offers():
    assert tuple(learning.EFFORTS) == command_part.EFFORTS


def test_a_painting_is_learned_once_and_kept(quickly, painting, loss_weights, make_clip, drifting):
    clip = painting.with_name("clip.mp4")
    make_clip(clip, drifting(12, picture="coffee"))
    steps = []
    first = learn_style(painting, clip, loss_weights=str(loss_weights), progress=steps.append)
    assert [step.iteration for step in steps] == [1, 2, 3, 4]
    # What it learned from is the clip and its motion.
    assert first.training["videos"] == "videos" and first.style == "waves"
    before = load(BASE).network.state_dict()
    assert any(
        not torch.equal(tensor, before[name].to(tensor.dtype))
        for name, tensor in first.network.state_dict().items()
    )
    again = learn_style(painting, None, loss_weights=str(loss_weights), progress=steps.append)
    assert again.digest == first.digest and len(steps) == 4
    place = learned_place([painting], loss_weights=str(loss_weights))
    assert learned_styles() == {"waves": place}
    # Only the model stays.
    assert [path.name for path in place.parent.iterdir()] == ["waves.safetensors"]


def test_another_painting_effort_or_judge_is_another_model(quickly, painting, loss_weights):
    other = painting.with_name("other.png")
    io.imsave(other, data.rocket()[:200, :200])
    places = {
        learned_place([painting]),
        learned_place([other]),
        learned_place([painting], "quick"),
        learned_place([painting], loss_weights=str(loss_weights)),
        learned_place([painting, other]),
        learned_place([painting, other], blend=(2, 1)),
    }
    assert len(places) == 6
    assert learned_place([painting, other], blend=(4, 2)) in places
    assert learned_place([painting]).stem == "waves"
    with pytest.raises(UsageError, match="no painting"):
        learned_place([painting.with_name("missing.jpg")])
    for blend in ((1,), (0, 0), (2, -1), (1, -1), (math.nan, 1), (1, math.inf), (1e308, 1e308)):
        with pytest.raises(UsageError, match="needs a share of each"):
            learned_place([painting, other], blend=blend)


def test_an_interrupted_painting_is_learned_to_its_end(quickly, painting, loss_weights):
    judge = str(loss_weights)
    stop, steps = threading.Event(), []

    def interrupt(progress):
        steps.append(progress.iteration)
        if progress.iteration == 2:
            stop.set()

    with pytest.raises(KeyboardInterrupt):
        learn_style(painting, loss_weights=judge, progress=interrupt, stop=stop)
    resumed = learn_style(
        painting, loss_weights=judge, progress=lambda p: steps.append(p.iteration)
    )
    assert steps == [1, 2, 3, 4]
    learned_place([painting], loss_weights=judge).unlink()
    whole = learn_style(painting, loss_weights=judge)
    assert whole.digest == resumed.digest


def test_an_interrupted_painting_goes_on_under_other_names(quickly, painting, loss_weights):
    stop, steps = threading.Event(), []

    def interrupt(progress):
        steps.append(progress.iteration)
        stop.set()

    with pytest.raises(KeyboardInterrupt):
        learn_style(painting, loss_weights=str(loss_weights), progress=interrupt, stop=stop)
    renamed = painting.rename(painting.with_name("painting"))  # as the page calls all
    judge = shutil.copy(loss_weights, painting.with_name("judge.safetensors"))
    learn_style(renamed, loss_weights=str(judge), name="sea", progress=interrupt)
    assert steps == [1, 2, 3, 4]


@pytest.mark.parametrize("frames", [1, 13, 30])
def test_an_interrupt_is_heard_while_material_is_gathered(
    quickly, painting, loss_weights, make_clip, drifting, frames, monkeypatch
):
    """Among the frames that are photographs, where shots are sought, where motion is found."""
    clip = make_clip(painting.with_name("clip.mp4"), drifting(12, picture="coffee"))
    kind = type(open_source(clip))
    stop, read, left = threading.Event(), kind.read, [frames]

    def counting(self, *arguments, **named):
        for frame in read(self, *arguments, **named):
            left[0] -= 1
            if left[0] == 0:
                stop.set()
            yield frame

    judge = str(loss_weights)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(kind, "read", counting)
        learn_style(painting, clip, loss_weights=judge, stop=stop)
    assert left == [0]
    assert learn_style(painting, clip, loss_weights=judge).training["videos"] == "videos"


@pytest.mark.parametrize("kind", ["CMYK", "tiny"])
def test_paintings_of_every_kind_are_learned(quickly, tmp_path, loss_weights, kind):
    from PIL import Image

    picture = Image.fromarray(data.chelsea()[:128, :128])
    path = tmp_path / "picture.tif"
    (picture.resize((100, 80)) if kind == "tiny" else picture.convert("CMYK")).save(path)
    assert learn_style(path, effort="quick", loss_weights=str(loss_weights)).style == "picture"


def test_one_command_learns_and_paints(quickly, painting, loss_weights, make_clip, drifting):
    clip = painting.with_name("clip.mp4")
    make_clip(clip, drifting(4, picture="coffee"))
    arguments = [clip, "--style", painting, "--loss-weights", loss_weights]
    arguments += ["--style-effort", "quick", "--device", "cpu"]
    first = CliRunner().invoke(command, [str(a) for a in arguments])
    assert first.exit_code == 0, first.output
    assert "waves.jpg: not known yet" in first.output and "minute here" in first.output
    made = clip.with_name("clip.waves.mp4")
    assert made.exists() and not list(clip.parent.glob("*.learning.jpg"))
    made.unlink()
    second = CliRunner().invoke(command, [str(a) for a in arguments])
    assert second.exit_code == 0, second.output
    assert "not known" not in second.output and made.exists()
    named = CliRunner().invoke(command, ["--list-styles"]).output.split()
    assert named == [*available(), "waves"]
    rename_style("waves", "Sea, at night")
    made.unlink()
    third = CliRunner().invoke(command, [str(clip), "--style", "Sea, at night", "--device", "cpu"])
    assert third.exit_code == 0, third.output
    assert clip.with_name("clip.Sea, at night.mp4").exists()
    # The painting still means it, whatever it is called now.
    fourth = CliRunner().invoke(command, [str(a) for a in arguments])
    assert "is done already" in fourth.output or "not known" not in fourth.output


def test_an_estimate_learns_nothing(quickly, painting, make_clip, drifting):
    clip = painting.with_name("clip.mp4")
    make_clip(clip, drifting(4, picture="coffee"))
    arguments = [str(clip), "--style", str(painting), "--dry-run"]
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 0, result.output
    assert "not known yet" in result.output and not learned_styles()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--style", "waves.jpg", "--style", "great-wave"], "all are paintings"),
        (["--style-blend", "1,2"], "is for paintings"),
        (["--style", "missing.jpg"], "no painting missing.jpg"),
    ],
)
def test_what_cannot_be_learned_is_said_before_anything_is_done(arguments, words):
    result = CliRunner().invoke(command, ["clip.mp4", *arguments])
    assert words in str(result.exception)


def test_where_nothing_can_be_written_nothing_is_learned(quickly, painting, make_clip, drifting):
    clip = painting.with_name("clip.mp4")
    make_clip(clip, drifting(4, picture="coffee"))
    arguments = [
        str(clip),
        "--style",
        str(painting),
        "-o",
        str(clip.with_name("missing") / "a.mp4"),
    ]
    result = CliRunner().invoke(command, arguments)
    assert "There is no folder" in str(result.exception) and "not known" not in result.output
    assert not (painting.parent / "cache").exists()


def test_several_clips_into_a_new_folder_are_painted_too(
    quickly, painting, loss_weights, make_clip, drifting
):
    broken, *clips = [painting.with_name(f"{name}.mp4") for name in "0ab"]
    broken.write_bytes(b"no video")
    for clip in clips:
        make_clip(clip, drifting(4, picture="coffee"))
    out = painting.with_name("out")
    arguments = [
        broken,
        *clips,
        "--style",
        painting,
        "--loss-weights",
        loss_weights,
        "-o",
        f"{out}/",
    ]
    result = CliRunner().invoke(command, [str(a) for a in [*arguments, "--device", "cpu"]])
    assert result.exit_code == 1 and "0.mp4" in result.output, result.output
    assert sorted(p.name for p in out.iterdir()) == ["a.waves.mp4", "b.waves.mp4"]


def test_the_readme_tells_how_long_learning_takes():
    words, efforts = {2: "two", 6: "six", 30: "thirty"}, learning.EFFORTS
    quick, normal, fine = (words[efforts[name].minutes] for name in ("quick", "normal", "fine"))
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"about {normal} minutes on two CPU cores" in text
    assert f"(`--style-effort quick` {quick}, `fine` {fine})" in text


def test_the_recipe_of_the_docs_goes_on_from_a_bundled_style():
    """Which takes minutes; from nothing, it would be the hour that is told of the usual recipe."""
    text = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    typed = text.split("python train_video.py", 1)[1].split("```")[0].replace("\\\n", " ")
    context = train_video.command.make_context("train", typed.split(), resilient_parsing=True)
    assert str(context.params["init_from"]) in available()
    assert context.params["recipe"] == "strokes"
    assert "about ten minutes on two CPU cores; without `--recipe` and `--init-from`, an" in text
    assert re.search(r"\| `quick` \|[^|]*an hour on two CPU cores", text)
