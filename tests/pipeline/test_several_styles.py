"""Masks and several styles in every way of painting: backward, alone, on a sphere, side by side."""

import os
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from brushflow.models import StyleModel, build
from brushflow.pipeline import StylizeOptions, segments, stylize_video
from brushflow.pipeline.many_runs import stylize_in_styles
from brushflow.pipeline.parallel import processes as parallel
from brushflow.pipeline.parallel.processes import PaintingProcesses
from brushflow.tests import warm
from brushflow.tests.pipeline.test_masks import disc, frames_of, grey, lossless
from brushflow.video import open_source
from brushflow.video import write_image as write

COUNT, CUT, TURN, HEIGHT = 7, 5, 3, 48
WAYS = {
    "forward": {},
    "backward": {"backward": True},
    "independent": {"independent": True},
    "backward on two spheres": {
        **{"backward": True, "spherical": "equirect", "stereo": "top-bottom"},
        **{"face_size": 32, "overlap": 16},
    },
}


@pytest.fixture(scope="module", autouse=True)
def short():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segments, "SEGMENT_FRAMES", 3)
        yield


@pytest.fixture(scope="module")
def film(tmp_path_factory, drifting):
    """7 frames of 96×48, a cut at 5, whose pixels are stored as they are."""
    frames = drifting(CUT, height=HEIGHT) + drifting(COUNT - CUT, height=HEIGHT, picture="coffee")
    return lossless(tmp_path_factory.mktemp("film") / "film.mkv", frames)


@pytest.fixture(scope="module")
def models(tiny_model_file, tmp_path_factory):
    """Three styles by their files."""
    folder, files = tmp_path_factory.mktemp("more"), [str(tiny_model_file)]
    for seed in (1, 2):
        torch.manual_seed(seed)
        network = build("c3s1-8,d8,R8,U2,c3s1-3", padding_type="replicate").eval()
        StyleModel(network, f"style {seed}").save(folder / f"{seed}.safetensors")
        files.append(str(folder / f"{seed}.safetensors"))
    return files


@pytest.fixture(scope="module")
def everything(models, tmp_path_factory):
    """A mask, a style outside of it, and inside of it one that turns to another in two frames."""
    folder = tmp_path_factory.mktemp("everything")
    (folder / "masks").mkdir()
    for index in range(COUNT):
        write(folder / "masks" / f"{index}.png", grey(disc(index, HEIGHT)))
    keys = f"[[keyframe]]\nat = {TURN / 25}\nstyle = '{models[1]}'\nblend = 0.08\n"
    (folder / "keys.toml").write_text(keys, encoding="utf-8")
    return StylizeOptions(
        style=models[0],
        mask=str(folder / "masks"),
        style_outside=models[2],
        style_at=(str(folder / "keys.toml"),),
        device="cpu",
        codec="ffv1",
        pix_fmt="bgr0",
        cuts="auto",
    )


def stopped_after(source, output, options, frames):
    stop = threading.Event()

    def end_after(stage, done, total):
        if stage == "stylize" and done >= frames:
            stop.set()

    with pytest.raises(KeyboardInterrupt):
        stylize_video(source, output, options, end_after, stop)


@pytest.mark.parametrize("way", WAYS)
def test_each_style_is_what_it_is_alone_and_all_go_on_together(
    film, models, everything, tmp_path, way, painting_threads
):
    """Whole, after a stop, and side by side: the same bytes."""
    options = replace(everything, **WAYS[way])
    stylize_video(film, tmp_path / "whole.mkv", options)
    plain = replace(options, mask=None, style_outside=None, style_at=())
    alone = []
    for number, style in enumerate(models):
        stylize_video(film, tmp_path / f"{number}.mkv", replace(plain, style=style))
        alone.append(frames_of(tmp_path / f"{number}.mkv"))
    for index, picture in enumerate(frames_of(tmp_path / "whole.mkv")):
        mask = disc(index, HEIGHT)
        assert np.array_equal(picture[mask == 0], alone[2][index][mask == 0])
        if index <= TURN:
            assert np.array_equal(picture[mask == 255], alone[0][index][mask == 255])
        if index >= CUT:  # where it begins anew, as it does when it is needed at first
            assert np.array_equal(picture[mask == 255], alone[1][index][mask == 255])
    whole = (tmp_path / "whole.mkv").read_bytes()
    stopped_after(film, tmp_path / "again.mkv", options, 5)
    report = stylize_video(film, tmp_path / "again.mkv", options)
    assert 0 < report.painted < COUNT
    assert report.output.read_bytes() == whole
    with painting_threads(2) as executor:
        stylize_video(film, tmp_path / "jobs.mkv", options, executor=executor)
    assert (tmp_path / "jobs.mkv").read_bytes() == whole


@pytest.mark.parametrize("way", ["independent", "backward on two spheres"])
def test_what_no_style_paints_is_the_source(film, everything, tmp_path, way):
    options = replace(everything, style_outside=None, style_at=(), **WAYS[way])
    stylize_video(film, tmp_path / "out.mkv", options)
    pairs = zip(frames_of(film), frames_of(tmp_path / "out.mkv"), strict=True)
    for index, (frame, picture) in enumerate(pairs):
        mask = disc(index, HEIGHT)
        assert np.array_equal(picture[mask == 0], frame[mask == 0])
        assert (picture[mask == 255] != frame[mask == 255]).mean() > 0.5


def test_all_styles_are_what_they_are_alone(film, models, everything, tmp_path):
    way = WAYS["backward on two spheres"]
    options = replace(everything, style_outside=None, style_at=(), **way)
    outputs = [(style, tmp_path / f"{number}.mkv") for number, style in enumerate(models[:2])]
    stylize_in_styles(open_source(film), outputs, options)
    for style, output in outputs:
        alone = tmp_path / f"alone-{output.name}"
        stylize_video(film, alone, replace(options, style=style))
        assert output.read_bytes() == alone.read_bytes()


@pytest.fixture
def named_from_here(everything, tmp_path, monkeypatch):
    """The same with names that mean these files in this process's working folder only."""
    (tmp_path / "here").mkdir()

    def named():
        monkeypatch.chdir(tmp_path / "here")
        here = {name: os.path.relpath(getattr(everything, name)) for name in _PATHS}
        keys = tuple(os.path.relpath(each) for each in everything.style_at)
        return replace(everything, style_at=keys, **here)

    return named


_PATHS = ("style", "mask", "style_outside")


def test_other_processes_find_all_files(film, named_from_here, tmp_path, monkeypatch):
    monkeypatch.setattr(parallel, "_SPAWN", warm.context())
    with PaintingProcesses(2, threads=2) as executor:
        executor.submit(os.getpid).result()  # one has begun elsewhere
        options = named_from_here()
        stylize_video(film, tmp_path / "jobs.mkv", options, executor=executor)
    stylize_video(film, tmp_path / "whole.mkv", options)
    assert (tmp_path / "jobs.mkv").read_bytes() == (tmp_path / "whole.mkv").read_bytes()


def test_a_cluster_paints_the_same(film, everything, tmp_path, cluster):
    executor = cluster()
    stylize_video(film, tmp_path / "cluster.mkv", everything, executor=executor)
    executor.shutdown()
    stylize_video(film, tmp_path / "whole.mkv", everything)
    assert (tmp_path / "cluster.mkv").read_bytes() == (tmp_path / "whole.mkv").read_bytes()
