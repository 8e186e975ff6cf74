"""The measures see what a viewer sees, and the command prints them."""

import math

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from brushflow.scripts.lab import evaluate_sphere
from brushflow.spherical import Cube, Overlaps, Panorama
from brushflow.spherical.cube import facing
from brushflow.spherical.panorama import EquirectSampler, equirect_rays
from brushflow.spherical.seams import SeamMeasure, perspective
from brushflow.video import read_image, write_image


@pytest.fixture(scope="module")
def rays():
    return equirect_rays(256, 128)


@pytest.fixture(scope="module")
def measure():
    return SeamMeasure(256, 128)


def test_a_function_of_direction_has_no_border(measure, smooth, rays):
    seams = measure(smooth(rays))
    assert seams.borders == pytest.approx(1, abs=0.1)
    assert seams.line == pytest.approx(1, abs=0.15)
    assert seams.steps < 1.4
    assert seams.border_error < 1.4 * seams.inner_error


def test_each_measure_finds_its_own_border(measure, smooth, rays):
    picture = smooth(rays)
    clean = measure(picture)
    cube = torch.where(facing(rays) == 2, picture + 60, picture)
    line = picture + torch.linspace(-40, 40, 256)
    angle = torch.atan2(rays[..., 0], rays[..., 2])
    pinched = picture + 40 * (6 * angle).sin().float()
    for changed, name in ((cube, "borders"), (line, "line"), (pinched, "poles")):
        seams = measure(changed)
        assert getattr(seams, name) > 1.3 * getattr(clean, name), name
    assert measure(cube).border_error > 5 * clean.border_error


@pytest.mark.parametrize("fault", ["light", "contrast", "texture"])
def test_a_face_that_differs_is_seen_even_where_its_border_is_soft(measure, smooth, rays, fault):
    """One face of a grey ground is darker, has more contrast, or is rougher, and fades out at its
    edge: no line is there, but a square."""
    random = torch.Generator().manual_seed(0)
    picture = smooth(rays) * 0.1 + 120
    inside = (facing(rays) == 2).float()[None, None]
    inside = torch.nn.functional.avg_pool2d(inside, 5, 1, 2)
    rough = torch.rand(1, 3, 16, 32, generator=random) - 0.5
    if fault == "light":
        change = torch.full_like(picture, -50.0)
    elif fault == "contrast":
        change = 200 * torch.nn.functional.interpolate(rough, picture.shape[-2:], mode="bicubic")
    else:
        change = 60 * (torch.rand(picture.shape, generator=random) - 0.5)
    clean, seen = measure(picture), measure(picture + change * inside)
    assert seen.steps > 2 * clean.steps
    assert seen.steps > 2


def test_blending_takes_borders_away(measure, rays):
    """Six faces with nothing in common, seen as a frame."""
    torch.manual_seed(0)
    cube = Cube(96, 32)
    rough = torch.nn.functional.interpolate(torch.rand(6, 3, 24, 24) * 255, 96, mode="bicubic")
    panorama = Panorama(256, 128, "equirect", cube)
    apart = measure(panorama.frame(rough))
    joined = measure(panorama.frame(Overlaps(cube).blend(rough)))
    assert apart.borders > 2
    assert abs(joined.borders - 1) < abs(apart.borders - 1) / 4


def test_views_look_where_they_say():
    for yaw, pitch, expected in (
        (0, 0, (0, 0, 1)),
        (90, 0, (1, 0, 0)),
        (0, 90, (0, -1, 0)),
        (180, -45, (0, math.sqrt(0.5), -math.sqrt(0.5))),
    ):
        rays = perspective(yaw, pitch, 3)
        middle = rays[1, 1] / rays[1, 1].norm()
        assert torch.allclose(middle, torch.tensor(expected).double(), atol=1e-6), (yaw, pitch)
    # The middle of the left edge of the view lies to the left.
    assert perspective(0, 0, 3)[1, 0, 0] < 0 and perspective(0, 0, 3)[0, 1, 1] < 0


def test_samplers_wrap_around_and_over_the_poles(smooth, rays):
    for yaw, pitch in ((180, 0), (0, 90), (30, -90)):
        view = perspective(yaw, pitch, 32, 60)
        seen = EquirectSampler(256, 128, view)(smooth(rays))
        assert (seen - smooth(view)).abs().max() < 1


def test_the_command_prints_a_row_per_video_and_shows_views(spheres, tmp_path):
    for name, change in (("source", 0), ("painted", 60)):
        (tmp_path / name).mkdir()
        for i, frame in enumerate(spheres(3)):
            picture = frame.astype(int)
            picture[:, 112:] += change
            picture[:, :16] += change
            write_image(tmp_path / name / f"{i:03d}.png", picture.clip(0, 255).astype(np.uint8))
    arguments = [tmp_path / "source", tmp_path / "painted", "--views", tmp_path / "views.png"]
    result = CliRunner().invoke(evaluate_sphere.command, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    header, source, painted, _ = result.output.strip().splitlines()
    assert "borders" in header and source.startswith("source")
    assert float(painted.split()[1]) > 1.2 * float(source.split()[1])
    assert float(source.split()[-1]) < 1  # E_warp of what turns without changing
    assert read_image(tmp_path / "views.png").shape[0] > 600
