"""The cube, its strips, and the way between frames and faces, against exact functions."""

import math
import subprocess

import cv2
import numpy as np
import pytest
import torch
from skimage import data

from brushflow.common.errors import UsageError
from brushflow.spherical import FACES, Cube, Overlaps, Panorama, default_cube
from brushflow.spherical.cube import ROTATIONS, facing, neighbours
from brushflow.spherical.panorama import equirect_positions, equirect_rays
from brushflow.video import ffmpeg, read_image, write_image

CUBE = Cube(96, 24)


def psnr(a, b):
    error = (torch.as_tensor(a).double() - torch.as_tensor(b).double()).square().mean()
    return 10 * math.log10(255**2 / error)


def test_faces_look_at_right_angles_and_none_is_mirrored():
    assert torch.equal(torch.linalg.det(ROTATIONS), torch.ones(6, dtype=torch.float64))
    forward = ROTATIONS[:, 2]
    assert len({tuple(axis.tolist()) for axis in forward}) == 6
    for face in range(6):
        around = neighbours(face)
        assert len(around) == 4 and face not in around
        assert all(face in neighbours(other) for other in around)
    up = CUBE.rays(FACES.index("up"))
    assert up[-1, 48, 2] > 0 and up[48, -1, 0] > 0  # its lower edge touches the front


def test_true_borders_lie_half_the_overlap_inside():
    # Between the 12th and the 13th of 96 pixels a face looks 45 degrees aside.
    rays = CUBE.rays(0)[48]
    angles = torch.atan2(rays[:, 0], rays[:, 2])
    assert math.isclose(float(rays[11, 0] + rays[12, 0]) / 2, -1.0)
    assert torch.equal(facing(rays) == 0, angles.abs() < math.pi / 4)


def test_positions_and_rays_are_each_others_inverse():
    place = torch.arange(96, dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(place, place, indexing="xy"), -1)
    for face in range(6):
        positions, seen = CUBE.positions(face, CUBE.rays(face) * 3.0)
        assert seen.all()
        assert torch.allclose(positions, grid, atol=1e-9)
        _, behind = CUBE.positions(face, -CUBE.rays(face))
        assert not behind.any()
    rays = equirect_rays(60, 30)
    positions = equirect_positions(60, 30, rays)
    place_x, place_y = torch.arange(60).double(), torch.arange(30).double()
    grid = torch.stack(torch.meshgrid(place_x, place_y, indexing="xy"), -1)
    assert torch.allclose(positions, grid, atol=1e-9)


def test_what_neighbours_see_is_exact(smooth):
    """Against a function of direction, which every face samples exactly."""
    overlaps = Overlaps(CUBE)
    faces = {face: smooth(CUBE.rays(face)) for face in range(6)}
    covered = 0
    for face in range(6):
        around, weights = overlaps.seen(face, faces)
        error = (around - faces[face]).abs() * (weights > 0)
        assert error.max() < 0.6  # bilinear interpolation of waves this long
        covered += float((weights > 0).float().mean())
        # Each one alone, so that no error hides behind another face's answer.
        for other in neighbours(face):
            alone, seen = overlaps.seen(face, {other: faces[other]})
            assert (seen > 0).float().mean() > 0.1
            assert ((alone - faces[face]).abs() * (seen > 0)).max() < 0.6
        assert not overlaps.seen(face, {face: faces[face]})[1].any()
        # Beyond the true border somebody else sees everything, corners included.
        _, own = CUBE.positions(face, CUBE.rays(face))
        assert own.all() and (weights[facing(CUBE.rays(face)) != face] > 0).all()
    assert covered / 6 > 0.3


@pytest.mark.parametrize(
    "cube",
    [
        Cube(72, 24, 60, 16),
        Cube(64, 24, 64, 16),
        Cube(72, 24, 60, 16, turned_poles=True),
        Cube(96, 24, turned_poles=True),
    ],
)
def test_faces_may_overlap_otherwise_down_than_across(smooth, cube):
    overlaps = Overlaps(cube.check())
    faces = torch.cat([smooth(cube.rays(face)) for face in range(6)])
    assert faces.shape[-2:] == (cube.height or cube.size, cube.size)
    for face in range(6):
        around, weights = overlaps.seen(face, dict(enumerate(faces.split(1))))
        assert (weights > 0).float().mean() > 0.3
        assert ((around - faces[face]).abs() * (weights > 0)).max() < 1.5
        assert (weights[facing(cube.rays(face)) != face] > 0).all()
    assert (overlaps.blend(faces) - faces).abs().max() < 1.5
    frame = Panorama(128, 64, "equirect", cube).frame(faces)
    assert psnr(frame, smooth(equirect_rays(128, 64))) > 40


def test_turned_poles_are_the_same_poles_the_other_way_up(smooth):
    plain, turned = Cube(48, 16), Cube(48, 16, turned_poles=True)
    for face, name in enumerate(FACES):
        expected = plain.rays(face)
        if name in ("up", "down"):
            expected = expected.flip(0, 1)
        assert torch.allclose(turned.rays(face), expected)
    assert Panorama(96, 48, "equirect", turned).faces_of(np.zeros((48, 96, 3), np.uint8)).any() == 0


def test_neighbours_count_alike_on_their_border_and_nothing_at_the_edge():
    overlaps = Overlaps(Cube(64, 16))
    ones = {face: torch.ones(1, 1, 64, 64) for face in range(6)}
    for face in range(6):
        share = overlaps.share(overlaps.seen(face, ones)[1])
        assert torch.allclose((share[30, 7] + share[30, 8]) / 2, torch.tensor(0.5), atol=0.01)
        assert share[30, 0] > 0.9 and share[30, 16:48].max() < 0.01
        assert share.max() < 1


def test_blended_faces_agree_wherever_two_see_the_same():
    """Whatever six faces hold: a border is a place like any other afterwards."""
    torch.manual_seed(0)
    rough = torch.rand(6, 3, 6, 6)
    faces = torch.nn.functional.interpolate(rough, (96, 96), mode="bicubic")
    overlaps = Overlaps(CUBE)

    def disagreement(faces):
        by_face = dict(enumerate(faces.split(1)))
        differences = []
        for face in range(6):
            for other in neighbours(face):
                seen, weights = overlaps.seen(face, {other: by_face[other]})
                differences.append((seen - by_face[face]).abs()[:, :, weights > 0].flatten())
        return torch.cat(differences)

    before, after = disagreement(faces), disagreement(overlaps.blend(faces))
    assert before.mean() > 0.15
    assert after.mean() < 0.01 and after.max() < 0.1
    assert torch.equal(overlaps.blend(faces)[..., 40:56, 40:56], faces[..., 40:56, 40:56])


@pytest.mark.parametrize("layout", ["equirect", "cubemap"])
def test_a_function_of_direction_goes_to_faces_and_back_unchanged(layout, smooth):
    width, height = (192, 96) if layout == "equirect" else (144, 96)
    panorama = Panorama(width, height, layout, CUBE)
    direct = torch.cat([smooth(CUBE.rays(face)) for face in range(6)])
    if layout == "equirect":
        frame = smooth(equirect_rays(width, height))
    else:
        rows = (("right", "left", "up"), ("down", "front", "back"))
        bare = Cube(48, 0)
        tiles = [[smooth(bare.rays(FACES.index(name))) for name in row] for row in rows]
        frame = torch.cat([torch.cat(row, 3) for row in tiles], 2)
    faces = panorama.faces(frame)
    assert (faces - direct).abs().max() < 1.5
    assert psnr(faces, direct) > 55
    assert psnr(panorama.frame(faces), frame) > 55
    # Borders and poles are not where the error is.
    assert (panorama.frame(direct) - frame).abs().max() < 1.5


def round_trip(frame):
    """Frame to faces of the same resolution, as they are painted, and back."""
    height, width = frame.shape[:2]
    panorama = Panorama(width, height, "equirect", default_cube(width, height, "equirect"))
    faces = panorama.faces_of(frame)
    assert faces.dtype == frame.dtype
    back = panorama.frame(torch.from_numpy(faces.astype(np.float32)).permute(0, 3, 1, 2))
    return back[0].permute(1, 2, 0).round().clamp(0, 255)


def test_a_photograph_survives_the_round_trip():
    """Four times around and upside down below; at the poles, where it is no picture, not."""
    photograph = data.astronaut()[:256, 100:356]
    band = np.hstack([photograph, photograph[:, ::-1]] * 2)
    frame = np.vstack([band, band[::-1]])
    assert psnr(round_trip(frame)[50:-50], frame[50:-50]) > 38


@pytest.mark.slow
def test_a_panorama_survives_the_round_trip(data_folder):
    frame = read_image(data_folder / "clips360" / "petra.jpg")
    assert psnr(round_trip(frame), frame) > 44


def test_shrinking_leaves_no_false_patterns():
    """A checkerboard of single pixels is grey from far."""
    checks = ((np.indices((256, 512)).sum(0) % 2) * 255).astype(np.uint8)
    frame = np.repeat(checks[..., None], 3, 2)
    panorama = Panorama(512, 256, "equirect", Cube(72, 16))
    faces = panorama.faces_of(frame)
    assert faces[:4, 20:-20, 20:-20].std() < 6
    back = Panorama(64, 32, "equirect", Cube(256, 32)).frame(
        torch.from_numpy(np.tile(checks[:, :256], (6, 3, 1, 1)).astype(np.float32))
    )
    assert back[..., 8:-8, :].std() < 12


def test_faces_are_those_of_py360convert():
    py360convert = pytest.importorskip("py360convert")
    frame = np.vstack([data.astronaut()[:256], data.astronaut()[:256][::-1]])
    frame = cv2.GaussianBlur(np.hstack([frame, frame[:, ::-1]]), (0, 0), 2)[::2, ::2]
    reference = py360convert.e2c(frame, face_w=160, mode="bilinear", cube_format="dict")
    # Its outermost pixels lie on the border, ours half a pixel inside: 159 pixels fill 90 degrees.
    faces = Panorama(512, 256, "equirect", Cube(192, 33)).faces_of(frame)[:, 16:-16, 16:-16]
    for face, name in zip(faces, "FLRBUD", strict=True):
        assert psnr(face, reference[name]) > 40, name


def test_cubemaps_are_those_of_ffmpeg(smooth, tmp_path):
    """Both ways, against its filter v360."""
    if "v360" not in ffmpeg.filters():
        pytest.skip("this ffmpeg has no filter v360")
    frame = smooth(equirect_rays(256, 128))[0].permute(1, 2, 0).round().byte().numpy()
    write_image(tmp_path / "sphere.png", frame)
    for source, conversion, made in (
        ("sphere", "e:c3x2:interp=cubic:w=192:h=128", "cubemap"),
        ("cubemap", "c3x2:e:interp=cubic:w=256:h=128", "back"),
    ):
        paths = (str(tmp_path / f"{name}.png") for name in (source, made))
        command = [ffmpeg.ffmpeg_binary(), "-v", "error", "-i", next(paths)]
        command += ["-vf", f"format=gbrp,v360={conversion}", next(paths)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    from_sphere = Panorama(256, 128, "equirect", CUBE).faces_of(frame)
    cubemap = read_image(tmp_path / "cubemap.png")
    from_cubemap = Panorama(192, 128, "cubemap", CUBE).faces_of(cubemap)
    assert psnr(from_cubemap, from_sphere) > 40
    back = Panorama(192, 128, "cubemap", CUBE).frame(
        torch.from_numpy(from_sphere.astype(np.float32)).permute(0, 3, 1, 2)
    )
    assert psnr(back[0].permute(1, 2, 0), cubemap) > 40
    assert psnr(read_image(tmp_path / "back.png"), frame) > 35


@pytest.mark.parametrize("size", [(150, 96), (144, 100)])
def test_a_cubemap_has_square_tiles(size):
    with pytest.raises(UsageError, match="three by two square tiles"):
        Panorama(*size, "cubemap", CUBE)


def test_faces_that_share_too_little_or_too_much_are_refused():
    for cube in (Cube(64, 8), Cube(64, 40)):
        with pytest.raises(UsageError, match="choose 16 to 32"):
            cube.check()
    for width, height in ((16, 8), (64, 32), (1920, 1080), (4096, 2048)):
        default_cube(width, height, "equirect").check()
    assert default_cube(1024, 512, "equirect").focal == pytest.approx(1024 / 2 / math.pi, rel=0.02)
