"""What is said of the borders of painted faces is what can be worked out by hand."""

import pytest
import torch

from brushflow.evaluation.face_scores import border_gradients, edge_error
from brushflow.spherical import FACES, Cube, Overlaps

CUBE = Cube(48, 16)  # true borders between pixels 7 and 8, and 39 and 40


def test_a_slope_has_no_border():
    down, right = torch.meshgrid(torch.arange(48.0), torch.arange(48.0), indexing="ij")
    slope = (3 * right + 2 * down).expand(1, 3, 48, 48)
    assert border_gradients(slope, 8, 8) == pytest.approx((1, 1, 1))


def test_a_step_at_the_left_border_is_found_across_it_only():
    face = torch.zeros(1, 3, 48, 48)
    face[..., 8:] = 10
    horizontal, vertical, length = border_gradients(face, 8, 8)
    # Two of 46 columns have a difference of 5; they are two of the four columns of borders.
    assert horizontal == pytest.approx((2 / 4) / (2 / 46))
    assert vertical == 0
    # Of 34² pixels within the borders' square 34² - 30² are of the borders; 2·34 + … have the step.
    assert length == pytest.approx((2 * 34) / (34**2 - 30**2) / (2 / 46))


def test_a_step_elsewhere_is_no_seam():
    face = torch.zeros(1, 3, 48, 48)
    face[..., 24:] = 10
    horizontal, _, length = border_gradients(face, 8, 8)
    assert horizontal == 0 and length < 1


def test_faces_that_show_one_scene_have_no_edge():
    overlaps = Overlaps(CUBE)
    rays = torch.stack([CUBE.rays(face) for face in range(len(FACES))])
    scene = torch.nn.functional.normalize(rays, dim=-1).float().movedim(-1, 1)
    for face in range(len(FACES)):
        # Neighbouring pixels lie a 32nd of two units apart: a step of 0.06 at most, over 255.
        assert edge_error(scene, face, overlaps) < (0.07 / 255) ** 2


def test_an_edge_is_the_difference_to_the_neighbour_of_each_side():
    overlaps = Overlaps(CUBE)
    faces = torch.zeros(6, 3, 48, 48)
    faces[FACES.index("left")] = 51  # a fifth of the range
    assert edge_error(faces, FACES.index("front"), overlaps) == pytest.approx(
        0.2**2 / 4, rel=0.1
    )  # corners see the upper and lower neighbour too
    assert edge_error(faces, FACES.index("left"), overlaps) == pytest.approx(0.2**2)
    assert edge_error(faces, FACES.index("right"), overlaps) < 1e-12
