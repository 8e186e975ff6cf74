"""Two spheres in a frame: the first eye as if alone, the other with the first one's strokes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from brushflow.common.errors import UsageError
from brushflow.models import load
from brushflow.pipeline import StylizeOptions, stylize_video
from brushflow.pipeline.painter import Painter
from brushflow.pipeline.spherical_stylizer import SphericalStylizer
from brushflow.video import open_source, probe
from brushflow.video.sphere import Sphere, new_sphere, read_sphere, write_sphere

LAYOUTS = ("top-bottom", "left-right")


def stylizer(stereo, style="starry-night", **options):
    return SphericalStylizer(load(style), face_size=48, overlap=16, stereo=stereo, **options)


def joined(stereo, eyes):
    """Frames of both eyes: what the one sees, and the same a little turned."""
    join = np.vstack if stereo == "top-bottom" else np.hstack
    return [join([eye, np.roll(eye, 3, axis=1)]) for eye in eyes]


@pytest.mark.parametrize("stereo", LAYOUTS)
def test_one_eye_is_painted_as_if_alone_and_the_other_with_its_strokes(spheres, stereo):
    eyes = spheres(2)
    both, alone = stylizer(stereo, long_term=1), stylizer("none", long_term=1)
    one = [alone.as_frame(item) for item in alone.stylize(eyes)]
    other = [alone.as_frame(item) for item in alone.stylize([np.roll(e, 3, axis=1) for e in eyes])]
    frames = [both.as_frame(item) for item in both.stylize(joined(stereo, eyes))]
    for frame, first, second in zip(frames, one, other, strict=True):
        left, right = frame.output.chunk(2, -2 if stereo == "top-bottom" else -1)
        assert torch.equal(left, first.output)
        apart, unknown = (
            float((painted.roll(-3, -1) - left).abs().mean()) for painted in (right, second.output)
        )
        assert apart < 0.7 * unknown
    assert set(frames[1].motion) == {
        f"{eye}-{face}"
        for eye in stereo.split("-")
        for face in ("front", "right", "back", "left", "up", "down")
    }


def test_a_stroke_of_one_paints_spheres_of_any_shape_at_their_size(tiny_model_file):
    """Stereo is often stored at half its height."""
    options = StylizeOptions(
        style=str(tiny_model_file), spherical="equirect", stereo="top-bottom", stroke=1.0
    )
    assert Painter(options).painted_at((3840, 2160)) == (3840, 2160)
    assert Painter(replace(options, stroke=3)).painted_at((3840, 2160)) == (720, 720)


def test_it_goes_on_from_a_state(spheres, tiny_model_file):
    frames = joined("top-bottom", spheres(4, 48))
    painter = stylizer("top-bottom", str(tiny_model_file), long_term=1)
    whole = list(painter.stylize(frames))
    rest = list(painter.stylize(frames[1:], first=1, state=whole[1].state.tensors()))
    assert [item.index for item in rest] == [2, 3]
    for item, same in zip(rest, whole[2:], strict=True):
        assert torch.equal(item.output, same.output) and np.array_equal(item.frame, same.frame)


def test_eyes_are_painted_alone_where_every_frame_is(spheres, tiny_model_file):
    painter = stylizer("top-bottom", str(tiny_model_file), independent=True)
    (painted,) = painter.stylize(joined("top-bottom", spheres(1, 48)))
    assert painted.output.shape == (12, 3, 48, 48)


@pytest.mark.parametrize("stereo", LAYOUTS)
def test_files_say_how_and_their_paintings_too(
    make_clip, spheres, tiny_model_file, tmp_path, stereo
):
    options = StylizeOptions(
        style=str(tiny_model_file), device="cpu", face_size=48, overlap=16, preset="ultrafast"
    )
    source = make_clip(tmp_path / "tour.mp4", joined(stereo, spheres(2, 32)))
    told = replace(options, spherical="equirect", stereo=stereo)
    stylize_video(source, tmp_path / "told.mp4", told)
    known = probe(tmp_path / "told.mp4")
    assert known.sphere == new_sphere("equirect", stereo)
    found = replace(options, spherical="auto").for_source(known)
    assert (found.spherical, found.stereo) == ("equirect", stereo)
    flat = replace(options, spherical="off", stereo=stereo).for_source(known)
    assert (flat.spherical, flat.stereo) == ("off", "none")
    info = open_source(source).info
    assert (known.width, known.height) == (info.width, info.height)


@pytest.mark.parametrize("stereo", ["none", *LAYOUTS])
def test_the_frames_shape_tells_where_the_file_does_not(
    make_clip, spheres, tiny_model_file, tmp_path, stereo, caplog
):
    caplog.set_level("INFO", "brushflow")
    eyes = spheres(1, 32)
    source = make_clip(tmp_path / "tour.mp4", eyes if stereo == "none" else joined(stereo, eyes))
    options = StylizeOptions(style=str(tiny_model_file), spherical="equirect", strength=0)
    stylize_video(source, tmp_path / "painted.mp4", options)
    assert probe(tmp_path / "painted.mp4").sphere == new_sphere("equirect", stereo)
    assert (f"two eyes', {stereo}" in caplog.text) == (stereo != "none")
    info = probe(source)
    mono = replace(info, sphere=new_sphere("equirect"))
    assert options.for_source(mono).stereo == "none"
    for given in (replace(options, spherical="off"), replace(options, stereo="none")):
        assert given.for_source(info).stereo == "none"


@pytest.mark.parametrize("stereo", LAYOUTS)
def test_each_generation_of_marks_tells_of_stereo(mark, stereo):
    whole = new_sphere("equirect", stereo)
    for sphere in (replace(whole, track=b""), replace(whole, entry=b""), whole):
        assert mark(sphere) == sphere
    exchanged = whole.entry.replace(b"st3d" + bytes(4) + whole.entry[12:13], b"st3d\0\0\0\0\4")
    assert mark(replace(whole, entry=exchanged, track=b"")).stereo == "left-right"
    other = whole.entry.replace(b"st3d" + bytes(4) + whole.entry[12:13], b"st3d\0\0\0\0\3")
    assert mark(replace(whole, entry=other, track=b"")) is None


@pytest.fixture
def mark(make_clip, spheres, tmp_path):
    """What is read of a file into which a sphere was written."""
    source = make_clip(tmp_path / "plain.mp4", spheres(1, 32))

    def written(sphere: Sphere) -> Sphere | None:
        path = tmp_path / "marked.mp4"
        path.write_bytes(source.read_bytes())
        assert write_sphere(path, True, sphere) == []
        return read_sphere(path, "mov,mp4")

    return written


def test_frames_that_hold_no_two_pictures_are_a_sentence():
    with pytest.raises(UsageError, match="do not hold two pictures"):
        stylizer("top-bottom").held.cube(96, 65)
