"""Spherical videos through the whole pipeline: what the flat path can do works here too."""

import threading
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from brushflow.common.errors import UsageError
from brushflow.pipeline import StylizeOptions, stylize_video
from brushflow.pipeline.options import FLAT, SPHERE, VIDEO
from brushflow.pipeline.preview import preview
from brushflow.stylize_video import command
from brushflow.video import EncodeSettings, SegmentWriter, assemble, open_source, probe, read_image
from brushflow.video.sphere import Sphere, new_sphere, read_sphere

pytestmark = pytest.mark.usefixtures("short_segments")


@pytest.fixture(scope="module")
def options(tiny_model_file):
    return StylizeOptions(
        style=str(tiny_model_file), device="cpu", face_size=48, overlap=16, preset="ultrafast"
    )


@pytest.fixture(scope="module")
def tour(make_clip, spheres, tmp_path_factory):
    """8 frames of 96 × 48, two segments, with sound; its file says nothing of a sphere."""
    frames = spheres(8, 48)
    return make_clip(tmp_path_factory.mktemp("source") / "tour.mp4", frames, sound=True)


@pytest.fixture(scope="module")
def marked(spheres, tmp_path_factory):
    """Write frames to a file that says that they are spherical; returns its path."""

    def make(frames, sphere, suffix=".mp4"):
        folder = tmp_path_factory.mktemp("marked")
        height, width = frames[0].shape[:2]
        with SegmentWriter(folder / "a.mkv", width, height, EncodeSettings(crf=5), 25) as writer:
            for frame in frames:
                writer.write(frame)
        output = folder / f"marked{suffix}"
        rate = open_source(folder / "a.mkv").info.time_base
        pts = [round(i / 25 / rate) for i in range(len(frames))]
        assemble([folder / "a.mkv"], pts, rate, output, sphere=sphere)
        return output

    return make


def pictures(path):
    with closing(open_source(path).read()) as frames:
        return [frame.pixels for frame in frames]


def times(path):
    with closing(open_source(path).read()) as frames:
        return [frame.pts for frame in frames]


@pytest.mark.slow
def test_an_interrupted_run_ends_in_the_same_file(tour, options, tmp_path):
    options = replace(options, spherical="equirect")
    stylize_video(tour, tmp_path / "whole.mp4", options)
    stop = threading.Event()

    def progress(stage, done, total):
        if stage == "stylize" and done >= 7:
            stop.set()

    with pytest.raises(KeyboardInterrupt):
        stylize_video(tour, tmp_path / "out.mp4", options, progress, stop)
    report = stylize_video(tour, tmp_path / "out.mp4", options)
    assert (report.frames, report.painted) == (8, 2)
    assert (tmp_path / "out.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()
    source, result = probe(tour), probe(tmp_path / "out.mp4")
    assert (result.width, result.height) == (96, 48)
    assert result.sphere == new_sphere("equirect") and source.sphere is None
    assert times(tmp_path / "out.mp4") == times(tour)


def test_spherical_files_are_recognised_and_what_they_say_is_kept(
    marked, spheres, options, tmp_path
):
    turned = new_sphere("equirect")
    pose = turned.entry.index(b"prhd") + 8
    entry = turned.entry[:pose] + bytes([0, 90, 0, 0]) + turned.entry[pose + 4 :]
    for number, sphere in enumerate((Sphere("equirect", entry, turned.track), turned)):
        source = marked(spheres(2, 48), sphere)
        assert probe(source).sphere == sphere
        output = tmp_path / f"{number}.mp4"
        stylize_video(source, output, options)
        assert probe(output).sphere == sphere
        assert len(pictures(output)) == 2


def test_each_generation_of_marks_is_enough(marked, spheres):
    both = new_sphere("equirect")
    for sphere in (replace(both, track=b""), replace(both, entry=b"")):
        for suffix in (".mp4", ".mov"):
            assert probe(marked(spheres(1), sphere, suffix)).sphere == sphere
    cubemap = new_sphere("cubemap")
    assert probe(marked([np.zeros((64, 96, 3), np.uint8)], cubemap)).sphere == cubemap


def test_other_stereo_and_projections_are_flat_pictures(marked, spheres):
    plain = new_sphere("equirect")
    stereo = plain.entry.replace(b"st3d" + bytes(5), b"st3d" + bytes(4) + b"\3")
    other = plain.entry.replace(b"equi", b"mshp")
    part = plain.track.replace(
        b"</rdf:SphericalVideo>",
        b"<GSpherical:CroppedAreaImageWidthPixels>60</GSpherical:CroppedAreaImageWidthPixels>"
        b"<GSpherical:FullPanoWidthPixels>120</GSpherical:FullPanoWidthPixels>"
        b"</rdf:SphericalVideo>",
    )
    part = len(part).to_bytes(4, "big") + part[4:]
    for entry, track in ((stereo, b""), (other, b""), (b"", part), (stereo, plain.track)):
        assert probe(marked(spheres(1), Sphere("equirect", entry, track))).sphere is None


def test_marked_files_play_as_before(marked, spheres, tmp_path):
    frames = spheres(5)
    source = marked(frames, new_sphere("equirect"))
    plain = marked(frames, None)
    assert all(map(np.array_equal, pictures(source), pictures(plain)))
    assert times(source) == times(plain)


def test_off_paints_flat_and_matroska_is_told_about(marked, spheres, options, tmp_path):
    source = marked(spheres(2, 48), new_sphere("equirect"))
    sphere = stylize_video(source, tmp_path / "a.mkv", options)
    assert any(".mkv files are not marked as spherical" in note for note in sphere.notes)
    options = replace(options, spherical="off")
    report = stylize_video(source, tmp_path / "flat.mp4", options)
    assert options.uses(open_source(source)) == {VIDEO, FLAT}
    assert replace(options, spherical="auto").uses(open_source(source)) == {VIDEO, SPHERE}
    assert report.notes == [] and probe(tmp_path / "flat.mp4").sphere is None
    flat, round_ = pictures(tmp_path / "flat.mp4"), pictures(tmp_path / "a.mkv")
    assert not np.array_equal(flat[0], round_[0])


@pytest.mark.slow
def test_compare_preview_keep_and_backward(tour, options, tmp_path):
    options = replace(options, spherical="equirect", end=0.12)
    stylize_video(tour, tmp_path / "out.mp4", replace(options, backward=True))
    kept = replace(options, compare=True, keep=("frames", "flow", "reliability"))
    report = stylize_video(tour, tmp_path / "side.mp4", kept)
    info = probe(tmp_path / "side.mp4")
    assert (info.width, info.sphere) == (192, None)
    names = {path.name for path in report.kept.iterdir()}
    assert {"out-00003.png", "backward_2_1-up.flo", "reliable_3_2-front.pgm"} <= names
    assert preview(open_source(tour), tmp_path / "sheet.png", options, 2) == 2
    assert read_image(tmp_path / "sheet.png").shape[0] == 96


def test_cubemaps_stay_cubemaps(make_clip, options, tmp_path):
    frames = [np.full((64, 96, 3), 90 + i, np.uint8) for i in range(2)]
    source = make_clip(tmp_path / "cube.mp4", frames)
    stylize_video(source, tmp_path / "out.mp4", replace(options, spherical="cubemap", max_size=64))
    info = probe(tmp_path / "out.mp4")
    assert (info.width, info.height) == (60, 40)
    assert info.sphere == new_sphere("cubemap")


def test_frames_that_are_no_cubemap_are_a_sentence(tour, options, tmp_path):
    with pytest.raises(UsageError, match="three by two square tiles"):
        stylize_video(tour, tmp_path / "out.mp4", replace(options, spherical="cubemap"))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], ("auto", True)),
        (["--spherical"], ("equirect", True)),
        (["--spherical", "--quiet"], ("equirect", True)),
        (["--spherical", "cubemap", "--no-border-consistency"], ("cubemap", False)),
    ],
)
def test_the_option_may_stand_alone(arguments, expected):
    given = command.make_context("stylize-video", ["tour.mp4", *arguments]).params
    assert (given["spherical"], given["border_consistency"]) == expected


def test_damaged_files_say_nothing_and_raise_nothing(marked, spheres, tmp_path):
    content = marked(spheres(1), new_sphere("equirect")).read_bytes()
    header = content.index(b"moov") - 4, content.index(b"mdat")
    random = np.random.default_rng(0)
    path = tmp_path / "damaged.mp4"
    found = 0
    for number in range(300):
        damaged = bytearray(content)
        if number % 3:
            for place in random.integers(*header, 4):
                damaged[place] = random.integers(256)
        else:
            del damaged[random.integers(*header) :]
        path.write_bytes(damaged)
        found += read_sphere(path, "mov,mp4,m4a") is not None
    assert 0 < found < 300
