"""The recurrence on a sphere: borders, state, and what it has in common with the flat one."""

import numpy as np
import pytest
import torch

from brushflow.common.errors import UsageError
from brushflow.models import StyleModel, load, to_rgb
from brushflow.occlusion.motion import Motion
from brushflow.pipeline.spherical_stylizer import FaceAfterFace, SphericalStylizer
from brushflow.spherical import FACES
from brushflow.spherical.cube import facing
from brushflow.tests.recording_network import RecordingNetwork


class Recorder(RecordingNetwork):
    """Paints every pass and face in a colour of its own."""

    def answer(self, frame):
        faces = 10.0 * torch.arange(len(frame)).reshape(-1, 1, 1, 1)
        return frame * 0 + 100.0 * len(self.inputs) + faces


def still(faces, previous, index, pool):
    size = faces.shape[1]
    flow, known = np.zeros((6, size, size, 2), np.float32), np.ones((6, size, size), np.float32)
    return [Motion(*face) for face in zip(flow, known, strict=True)]


def recorder(**options):
    network = Recorder()
    plain = {
        "motion": still,
        "min_filter_width": 1,
        "settle": 0,
        "long_term": 0,
        "face_size": 64,
        "overlap": 16,
    }
    return network, SphericalStylizer(StyleModel(network, "recorder"), **(plain | options))


def test_all_faces_are_painted_at_once_and_see_what_they_agreed_upon_before(spheres):
    network, stylizer = recorder()
    painted = list(stylizer.stylize(spheres(2)))
    first, second = network.inputs
    assert len(first) == len(second) == 6
    assert not first[:, 3:].any()
    assert second[:, 6, :-1, :-1].all()
    assert torch.allclose(second[:, 3:6], painted[0].output, atol=1e-3)


def test_without_consistency_faces_know_nothing_of_each_other(spheres):
    network, stylizer = recorder(border_consistency=False)
    (painted,) = stylizer.stylize(spheres(1))
    assert not any(x[:, 3:].any() for x in network.inputs)
    colours = [float(face.mean()) for face in painted.output]
    assert colours == [100, 110, 120, 130, 140, 150]
    frame = stylizer.as_frame(painted).output
    assert frame.shape == (1, 3, 64, 128)
    assert frame[0, 0, 32, 64] == pytest.approx(100) and frame[0, 0, 32, 0] == pytest.approx(130)


def test_the_output_is_the_blend_and_the_next_state(spheres):
    network, stylizer = recorder()
    painted = list(stylizer.stylize(spheres(2)))
    output = painted[0].output
    assert output.shape == (6, 3, 64, 64)
    assert torch.allclose(stylizer.overlaps.blend(output), output, atol=6)
    assert 108 < output[0, 0, 32, 56] < 112  # halfway between 100 and 120 on the border
    assert torch.allclose(network.inputs[1][0, 3:6], output[0])
    assert painted[0].motion is None and set(painted[1].motion) == set(FACES)
    assert painted[1].frame.shape == (64, 128, 3)


def test_a_first_frame_settles_and_a_cut_forgets(spheres):
    network, stylizer = recorder(settle=2)
    list(stylizer.stylize(spheres(3), cuts={2}))
    assert len(network.inputs) == 3 + 1 + 3
    assert not network.inputs[4][:, 3:].any()
    assert network.inputs[5][:, 6, :-1, :-1].all()


def test_an_image_model_paints_first_frames_only(spheres):
    single = Recorder(3)
    network, stylizer = recorder(first_frame_model=StyleModel(single, "image"))
    list(stylizer.stylize(spheres(2)))
    assert len(single.inputs) == 1
    assert len(network.inputs) == 1
    assert network.inputs[0][:, 6].any()


@pytest.mark.parametrize("channels", [3, 6])
def test_models_without_priors_paint_spheres_too(channels, spheres):
    network = Recorder(channels)
    stylizer = SphericalStylizer(StyleModel(network, "recorder"), face_size=64, overlap=16)
    painted = list(stylizer.stylize(spheres(2)))
    assert len(network.inputs) == 2
    if channels == 6:
        assert torch.equal(network.inputs[1][:, 3:], painted[0].output)
    # Neighbours were painted in different colours, but agree where they meet.
    frame = stylizer.as_frame(painted[1]).output
    assert frame.diff(dim=3).abs().max() < 60


def test_going_on_from_a_state_equals_going_through(tiny_model, spheres):
    frames = spheres(5)
    stylizer = SphericalStylizer(tiny_model, fill="noise")
    whole = list(stylizer.stylize(frames, first=10))
    rest = list(stylizer.stylize(frames[2:], first=12, state=whole[2].state.tensors()))
    assert [s.index for s in rest] == [13, 14]
    for a, b in zip(whole[3:], rest, strict=True):
        assert torch.equal(a.output, b.output)


class Follower(Recorder):
    """Keeps to its prior where it is certain, and paints elsewhere like a ``Recorder``."""

    def forward(self, x):
        self.painted = torch.lerp(super().forward(x), x[:, 3:6], x[:, 6:])
        return self.painted


def test_consistency_makes_neighbours_paint_alike(spheres):
    """Before they are blended, too: the priors do that."""

    def disagreement(**options):
        network = Follower()
        model = StyleModel(network, "follower")
        stylizer = SphericalStylizer(model, settle=0, motion=still, **options)
        list(stylizer.stylize(spheres(3)))
        blended = stylizer.overlaps.blend(network.painted)
        return float((blended - network.painted).abs().mean())

    assert disagreement() < 0.3 * disagreement(border_consistency=False)


def test_an_even_ground_stays_as_light_as_it_is_beside_the_scene(drifting):
    """A face without contrast of its own is none to a network that normalizes each by itself."""
    (scene,) = drifting(1, 192, 56, "coffee")
    down, inside = FACES.index("down"), np.s_[..., 12:-12, 12:-12]

    def lights(**options):
        stylizer = SphericalStylizer(load("starry-night"), **options)
        for ground in (20, 120, 230):
            noise = np.random.default_rng(0).integers(0, 2, (40, 192, 3), np.uint8)
            (painted,) = stylizer.stylize([np.vstack([scene, noise + np.uint8(ground)])])
            faces = to_rgb(painted.output).mean(1)
            yield float(faces[down][inside].mean() - faces.mean())

    dark, middle, bright = lights()
    assert dark < middle < bright and dark < -10 and bright > 10
    apart = list(lights(border_consistency=False))
    assert apart[2] - apart[0] < 0.5 * (bright - dark)


def test_the_median_filter_leaves_no_border(spheres, smooth):
    _, stylizer = recorder()
    (painted,) = stylizer.stylize(spheres(1))
    faces = torch.cat([smooth(stylizer.overlaps.cube.rays(face)) for face in range(6)])
    odd = faces.clone()
    odd[:, :, ::7, ::7] += 100
    frames = [
        stylizer.as_frame(type(painted)(0, painted.frame, output, None), width).output
        for output, width in ((faces, 1), (odd, 3))
    ]
    assert (to_rgb(frames[0]) - to_rgb(frames[1])).abs().max() < 12


def test_sizes_that_are_no_spheres_are_refused(tiny_model, spheres):
    with pytest.raises(UsageError, match="three by two"):
        list(SphericalStylizer(tiny_model, layout="cubemap").stylize(spheres(1)))
    with pytest.raises(UsageError, match="choose 16 to 32"):
        list(SphericalStylizer(tiny_model, face_size=64, overlap=40).stylize(spheres(1)))
    assert list(SphericalStylizer(tiny_model).stylize([])) == []


def test_cubemaps_come_out_as_cubemaps(spheres, smooth):
    _, stylizer = recorder(layout="cubemap", border_consistency=False)
    frame = np.zeros((64, 96, 3), np.uint8)
    (painted,) = stylizer.stylize([frame])
    picture = stylizer.as_frame(painted).output[0, 0]
    tiles = picture.unflatten(0, (2, 32)).unflatten(2, (3, 32)).permute(0, 2, 1, 3)
    colours = tiles[..., 4:-4, 4:-4].mean((2, 3)).flatten()
    # right, left, up; down, front, back
    assert torch.allclose(colours, torch.tensor([120.0, 110, 140, 150, 100, 130]))
    assert facing(stylizer.overlaps.cube.rays(2))[32, 32] == 2


def as_published(**options):
    """A recorder that paints faces of 64 pixels one after another."""
    network = Recorder()
    plain = {"overlap": 16, "settle": 0, "motion": still, "min_filter_width": 1}
    return network, FaceAfterFace(StyleModel(network, "recorder"), **(plain | options))


CUBES = [np.random.default_rng(0).integers(0, 256, (6, 64, 64, 3), np.uint8)] * 2


def test_as_published_faces_of_a_first_frame_see_the_neighbours_that_are_painted():
    network, stylizer = as_published()
    list(stylizer.stylize(CUBES[:1]))
    front, sides, back, poles = network.inputs
    assert [len(x) for x in network.inputs] == [1, 2, 1, 2]
    assert not front[:, 3:].any()
    left, right = sides
    # The front lies to the right of the left face; both see it in a strip as wide as the overlap.
    for face, strip in ((left, np.s_[..., 20:44, -14:]), (right, np.s_[..., 20:44, :14])):
        assert face[6][strip].all() and torch.allclose(face[3:6][strip], torch.tensor(100.0))
        assert 0.15 < face[6].mean() < 0.25
    assert back[0, 6, 32, :14].all() and back[0, 6, 32, -14:].all() and not back[0, 6, 32, 32]
    for pole in poles:
        assert pole[6, :14].all() and pole[6, -14:].all()
        assert not pole[6, 20:44, 20:44].any()


def test_as_published_borders_fade_into_what_is_carried_over():
    network, stylizer = as_published()
    painted = list(stylizer.stylize(CUBES))
    before = painted[0].output
    front, sides, _, _ = network.inputs[4:]
    assert front[:, 6, :-1, :-1].all()
    assert torch.allclose(front[:, 3:6, :-1, :-1], before[:1, :, :-1, :-1], atol=1e-3)
    left = sides[0]
    assert torch.allclose(left[3:6, 32, 20:44], before[1, :, 32, 20:44], atol=1e-3)
    # At its right edge the left face sees what the front was painted in just now: pass 5.
    assert left[3, 32, -1] > 480
    assert (left[3, 32, -15:].diff() > 0).all()
