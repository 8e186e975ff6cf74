"""The original tool's way of working on a sphere: faces, flows and maps in files."""

import csv

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from skimage import data

from brushflow.common.errors import BrushflowError
from brushflow.evaluation.face_scores import NAMES
from brushflow.flow import load_estimator, read_flo, write_flo
from brushflow.models import deprocess, preprocess
from brushflow.occlusion import read_pgm, reliability, write_pgm
from brushflow.occlusion.motion import Motion
from brushflow.pipeline.spherical_stylizer import FaceAfterFace
from brushflow.pipeline.stylizer import Stylizer
from brushflow.scripts.original import stylize_frames_vr
from brushflow.spherical import Cube, Overlaps, Panorama
from brushflow.video import read_image, write_image

# As transform360 numbers them, for a viewer who looks at number 6; 3 and 4 are upside down to him.
NUMBERS = (6, 1, 2, 5, 3, 4)
UPSIDE_DOWN = (3, 4)


def turned(picture, number):
    return np.rot90(picture, 2).copy() if number in UPSIDE_DOWN else picture


@pytest.fixture(scope="module")
def place(tiny_model_file, spheres, tmp_path_factory):
    """A folder with the faces of four frames, their flow and their maps."""
    folder = tmp_path_factory.mktemp("faces")
    panorama = Panorama(128, 64, "equirect", Cube(48, 16))
    estimator = load_estimator("dis")
    before = None
    for i, frame in enumerate(spheres(4), 1):
        if i == 1:
            write_image(folder / "scene.png", frame)
        faces = dict(zip(NUMBERS, panorama.faces_of(frame), strict=True))
        for number, face in faces.items():
            faces[number] = face = turned(face, number)
            write_image(folder / f"frame_{i:05d}-{number}.png", face)
            if before:
                flow, reverse = estimator(face, before[number]), estimator(before[number], face)
                write_flo(folder / f"backward_{i}_{i - 1}-{number}.flo", flow)
                known = reliability(flow, reverse, face)
                write_pgm(folder / f"reliable_{i}_{i - 1}-{number}.pgm", known)
        before = faces
    return folder


@pytest.fixture
def run(place, tiny_model_file, tmp_path):
    def run(*options, prefix="out"):
        arguments = [
            *("--model-vid", tiny_model_file, "--input-pattern", place / "frame_%05d-%d.png"),
            *("--flow-pattern", place / "backward_[%d]_{%d}-%d.flo", "--overlap-pixel-w", 16),
            *("--occlusions-pattern", place / "reliable_[%d]_{%d}-%d.pgm"),
            *("--overlap-pixel-h", 16, "--output-prefix", tmp_path / prefix, "--device", "cpu"),
            *options,
        ]
        result = CliRunner().invoke(stylize_frames_vr.command, list(map(str, arguments)))
        if isinstance(result.exception, BrushflowError):
            return result.exception.exit_code, str(result.exception)
        return result.exit_code, result.output

    return run


def written(folder, prefix="out"):
    return {p.name.removeprefix(prefix): read_image(p) for p in folder.glob(f"{prefix}-0*.png")}


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def test_files_give_what_the_recurrence_gives(place, run, tiny_model, tmp_path):
    def motion(faces, previous, i, pool):
        return [
            Motion(
                read_flo(place / f"backward_{i}_{i - 1}-{number}.flo"),
                read_pgm(place / f"reliable_{i}_{i - 1}-{number}.pgm"),
            )
            for number in NUMBERS
        ]

    frames = [
        np.stack([read_image(place / f"frame_{i:05d}-{n}.png") for n in NUMBERS])
        for i in range(1, 5)
    ]
    stylizer = FaceAfterFace(
        tiny_model,
        motion=motion,
        overlap=16,
        turned_poles=True,
        settle=0,
        long_term=0,
        outside="black",
    )
    expected = {}
    for item in stylizer.stylize(frames, first=1):
        for number, face in zip(NUMBERS, item.output.split(1), strict=True):
            expected[f"-{item.index:05d}-{number}.png"] = deprocess(face)
    code, out = run("--median-filter", 1)
    assert code == 0, out
    assert same(written(tmp_path), expected)


def test_faces_are_painted_as_they_are_stored(place, run, tiny_model, tmp_path):
    """Poles too: a network does not paint upside down what it paints upright."""
    options = ("--create-inconsistent", "--create-inconsistent-border", "--median-filter", 1)
    code, out = run(*options, "--num-frames", 1)
    assert code == 0, out
    alone = Stylizer(tiny_model, independent=True)
    for number in range(1, 7):
        face = read_image(place / f"frame_00001-{number}.png")
        (item,) = alone.stylize([face])
        painted = written(tmp_path)[f"-00001-{number}.png"].astype(int)
        # Several faces at once are computed in another order.
        assert np.abs(painted - deprocess(item.output)).max() <= 1


def test_borders_of_poles_meet_their_neighbours(place, run, tmp_path):
    """The scene that the faces show comes back, whichever way up the poles lie in their files."""
    scene = read_image(place / "scene.png")
    faces = {f"-00001-{n}.png": read_image(place / f"frame_00001-{n}.png") for n in NUMBERS}
    cube = Cube(48, 16, turned_poles=True)
    stack = torch.cat([preprocess(faces[f"-00001-{n}.png"]) for n in NUMBERS])
    frame = deprocess(Panorama(128, 64, "equirect", cube).frame(stack)).astype(int)
    assert np.abs(frame - scene).mean() < 6
    blended = Overlaps(cube).blend(stack)
    assert (blended - stack).abs().mean() < 3


def test_overlaps_may_differ_in_width_and_height(tiny_model, spheres, run, tmp_path):
    cube = Cube(56, 24, 48, 16, turned_poles=True)
    panorama = Panorama(128, 64, "equirect", cube)
    for number, face in zip(NUMBERS, panorama.faces_of(spheres(1)[0]), strict=True):
        write_image(tmp_path / f"wide_00001-{number}.png", face)
    options = [
        *("--input-pattern", tmp_path / "wide_%05d-%d.png", "--create-inconsistent"),
        *("--overlap-pixel-w", 24, "--overlap-pixel-h", 16),
    ]
    code, out = run(*options, prefix="faces")
    assert code == 0, out
    assert {p.shape for p in written(tmp_path, "faces").values()} == {(48, 56, 3)}
    code, out = run(*options, "--out-equi", "--out-equi-w", 96, "--out-equi-h", 48, "--out-cubemap")
    assert code == 0, out
    shapes = {name: p.shape for name, p in written(tmp_path).items()}
    assert shapes == {"-00001_equi.png": (48, 96, 3), "-00001_cubemap.png": (32, 6 * 32, 3)}


def test_a_continued_run_equals_an_uninterrupted_one(run, tmp_path):
    run("--out-equi", "--out-equi-w", 96, "--out-equi-h", 48, "--out-cubemap")
    whole = written(tmp_path)
    assert len(whole) == 8
    assert whole["-00002_equi.png"].shape == (48, 96, 3)
    assert whole["-00002_cubemap.png"].shape == (32, 6 * 32, 3)
    options = ("--out-equi", "--out-equi-w", 96, "--out-equi-h", 48, "--out-cubemap")
    assert run(*options, "--num-frames", 2, prefix="part")[0] == 0
    code, out = run(*options, "--continue-with", 3, prefix="part")
    assert code == 0, out
    assert same(written(tmp_path, "part"), whole)
    code, out = run("--continue-with", 3, prefix="other")
    assert code == 2 and "other-state.safetensors of frame 2 must exist" in out


def test_pictures_show_the_faces_where_the_original_puts_them(run, place, tmp_path):
    """The strip is made of the true faces, in its order, turned as transform360 has them."""
    for number in range(1, 7):
        shade = np.full((48, 48, 3), 40 * number - 20, np.uint8)
        write_image(tmp_path / f"flat_00000-{number}.png", shade)
    code, out = run(
        *("--input-pattern", tmp_path / "flat_%05d-%d.png", "--start-frame", 0),
        *("--create-inconsistent", "--create-inconsistent-border", "--out-cubemap"),
    )
    assert code == 0, out
    run(
        *("--input-pattern", tmp_path / "flat_%05d-%d.png", "--start-frame", 0),
        *("--create-inconsistent", "--create-inconsistent-border"),
    )
    files = written(tmp_path)
    strip = np.split(files["-00000_cubemap.png"], 6, 1)
    for tile, number in zip(strip, (5, 6, 3, 4, 2, 1), strict=True):
        assert np.array_equal(tile[16, 16], files[f"-00000-{number}.png"][24, 24])


def test_what_is_missing_or_does_not_fit_is_named(run, place, tmp_path):
    code, out = run("--input-pattern", place / "absent_%05d-%d.png")
    assert code == 2 and "absent_00001-6.png" in out
    code, out = run("--input-pattern", place / "frame_%05d.png")
    assert code == 2 and "two numbers" in out
    code, out = run("--flow-pattern", place / "backward_[%d]_{%d}.flo")
    assert code == 2 and "needs one number" in out
    code, out = run("--median-filter", 4)
    assert code == 2 and "odd width" in out
    code, out = run("--overlap-pixel-w", 30, "--overlap-pixel-h", 30)
    assert code == 2 and "choose 16 to 24" in out
    code, out = run("--continue-with", 9)
    assert code == 2 and "no frame 9" in out


def scores(path):
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    return {(row.pop("frame"), row.pop("face")): row for row in rows}


def test_faces_are_scored_and_a_continued_run_completes_the_table(
    run, place, tmp_path, loss_weights
):
    write_image(tmp_path / "style.png", data.rocket())
    options = [
        *("--evaluate", "--loss-network", loss_weights, "--style-image", tmp_path / "style.png"),
        *("--content-layers", "relu2_2", "--style-layers", "relu1_2"),
        *("--flow-pattern-eval", place / "backward_[%d]_{%d}-%d.flo"),
        *("--occlusions-pattern-eval", place / "reliable_[%d]_{%d}-%d.pgm"),
    ]
    code, out = run(*options, "--evaluation-file", tmp_path / "whole.txt")
    assert code == 0, out
    whole = scores(tmp_path / "whole.txt")
    assert len(whole) == 4 * 6 + 1 and whole["2", "6"].keys() == set(NAMES)
    assert all(row["temporal"] == "" for (frame, _), row in whole.items() if frame == "1")
    errors = [float(row["temporal"]) for (frame, _), row in whole.items() if frame in "234"]
    assert len(errors) == 18 and min(errors) > 0
    assert float(whole["mean", ""]["temporal"]) == pytest.approx(np.mean(errors))

    options += ["--evaluation-file", tmp_path / "parts.txt"]
    assert run(*options, "--num-frames", 2, prefix="part")[0] == 0
    assert run(*options, "--continue-with", 3, prefix="part")[0] == 0
    assert scores(tmp_path / "parts.txt") == whole

    bad = ("--create-inconsistent-border", "--no-consistency-eval")
    code, out = run(*options, *bad, "--evaluation-file", tmp_path / "alone.txt")
    assert code == 0, out
    alone = scores(tmp_path / "alone.txt")["mean", ""]
    assert alone["temporal"] == ""
    # Painting every face alone is what the borders tell.
    assert float(alone["edge"]) > 2 * float(whole["mean", ""]["edge"])
