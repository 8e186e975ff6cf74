"""Where training looks: video files, folders of frames, and the original programs' HDF5 sets."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from brushflow.common.errors import BrushflowError, UsageError
from brushflow.flow import load_estimator, warp
from brushflow.training.data.clips import Clips, find_videos, names_below, scan_shots
from brushflow.training.data.folders import open_data
from brushflow.training.data.hdf5_sets import StoredClips, StoredPhotographs, is_stored
from brushflow.training.data.photographs import find_photographs
from brushflow.training.data.prepared import is_prepared
from brushflow.video import write_image

h5py = pytest.importorskip("h5py")


def write_frames(folder, frames, name="{:05d}.png"):
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames):
        write_image(folder / name.format(number), frame)


@pytest.fixture
def davis(tmp_path, drifting):
    """Laid out as DAVIS is: frames and, beside them, masks."""
    root = tmp_path / "DAVIS"
    for name, picture in (("bear", "astronaut"), ("swan", "coffee"), ("cat", "chelsea")):
        write_frames(root / "JPEGImages" / "480p" / name, drifting(6, picture=picture))
        write_frames(root / "Annotations" / "480p" / name, drifting(6, speed=0))
    return root


def test_folders_of_frames_are_videos(davis, drifting, caplog):
    caplog.set_level("INFO", "brushflow")
    frames = davis / "JPEGImages" / "480p"
    assert (
        find_videos(davis) == find_videos(frames) == [frames / n for n in ("bear", "cat", "swan")]
    )
    assert caplog.text.count("Annotations") == 1
    assert find_videos(frames / "bear") == [frames / "bear"]
    assert scan_shots(frames / "bear").shots == [(0, 6)]
    sequence = Clips(find_videos(davis), (56, 56), load_estimator("dis")).sequence(
        (48, 48), 2, np.random.default_rng(0)
    )
    certain = sequence.certainties[0].expand(3, -1, -1) > 0
    warped = warp(sequence.frames[0][None], sequence.flows[0][None])[0]
    still = (sequence.frames[0] - sequence.frames[1])[certain].abs().mean()
    assert (warped - sequence.frames[1])[certain].abs().mean() < 0.5 * still


def test_what_lies_beside_videos_is_none(tmp_path, videos, drifting):
    root = tmp_path / "clips"
    shutil.copytree(videos, root)
    write_frames(root / "film", drifting(3), "frame_{}.jpg")
    write_frames(root / "cover", drifting(1))
    write_frames(root / ".thumbnails", drifting(3))
    write_frames(root / "mine.safetensors.training", drifting(3), "sheet-{}.jpg")
    write_frames(root / "MPI" / "training" / "flow_viz" / "alley", drifting(3))
    write_frames(root / "original", [f[..., 0] for f in drifting(3)], "reliable_{}_0.pgm")
    (root / "original" / "backward_2_1.flo").touch()
    for number, frame in enumerate(drifting(3)):  # pictures beside video files are their covers
        write_image(root / f"cover{number}.png", frame)
    expected = [root / name for name in ("a.mp4", "b.mp4", "c.mp4", "film")]
    assert find_videos(root) == expected
    with pytest.raises(UsageError, match="holds no videos"):
        find_videos(root / "MPI")


def test_photographs_are_not_masks_nor_what_runs_have_left(davis, drifting):
    frames = davis / "JPEGImages" / "480p"
    write_frames(davis / "mine.safetensors.training", drifting(2))
    (frames / "bear" / "._00000.png").write_bytes(b"what a Mac leaves")
    assert find_photographs(davis) == find_photographs(frames)
    assert len(find_photographs(frames)) == 18


def test_every_video_has_a_name_of_its_own(tmp_path):
    (tmp_path / "v1.5").mkdir()
    files = [tmp_path / name for name in ("a.mp4", "a.mov", "b.mp4")]
    assert names_below(tmp_path, files) == ["a.mp4", "a.mov", "b"]
    alike = [tmp_path / "A.mp4", tmp_path / "a.mov"]  # A and a are one folder to some systems
    assert names_below(tmp_path, alike) == ["A.mp4", "a.mov"]
    assert names_below(tmp_path, [tmp_path / "v1.5", tmp_path]) == ["v1.5", tmp_path.name]


def test_a_folder_called_train_is_not_prepared_for_that(tmp_path, drifting):
    write_frames(tmp_path / "train" / "bear", drifting(3))
    assert not is_prepared(tmp_path)
    assert find_videos(tmp_path) == [tmp_path / "train" / "bear"]
    (tmp_path / "train" / "bear" / "000").mkdir()
    (tmp_path / "train" / "bear" / "000" / "1.flow.png").touch()
    assert is_prepared(tmp_path)


H, W, LENGTH = 40, 56, 3


@pytest.fixture
def sets(tmp_path):
    """Sets as the original scripts write them: a red square moves right by 2 pixels a frame."""
    random = np.random.default_rng(0)
    frames = random.integers(0, 60, (2, LENGTH, 3, H, W), np.uint8)
    frames[:, 1:] = frames[:, :1]
    for k in range(LENGTH):
        frames[:, k, :, 8:30, 10 + 2 * k : 30 + 2 * k] = 0
        frames[:, k, 0, 8:30, 10 + 2 * k : 30 + 2 * k] = 250
    flow = np.zeros((2, LENGTH - 1, 2, H, W), np.float32)
    cert = np.full((2, LENGTH - 1, H, W), 255, np.uint8)
    for k in range(1, LENGTH):
        flow[:, k - 1, 0, 8:30, 10 + 2 * k : 30 + 2 * k] = -2
        cert[:, k - 1, 8:30, 8 + 2 * k : 10 + 2 * k] = 0
    with h5py.File(tmp_path / "video-364.h5", "w") as file:
        for part, count in (("train", 2), ("val", 1)):
            for name, data in (("frames1", frames), ("flow", flow), ("cert", cert)):
                file[f"{part}/{name}"] = data[:count]
    pictures = random.integers(0, 255, (5, 3, 64, 64), np.uint8)
    pictures[:, 0] = 250
    with h5py.File(tmp_path / "ms-coco.h5", "w") as file:
        file.create_dataset("train2014/images", data=pictures, chunks=(1, 3, 64, 64))
        file["val2014/images"] = pictures[:2]
    return tmp_path


def test_sets_in_hdf5_mean_what_they_say(sets):
    clips = StoredClips(sets / "video-364.h5", "train")
    assert len(clips.sequences) == 2
    for seed in range(4):
        sequence = clips.sequence((32, 32), 2, np.random.default_rng(seed))
        for k in range(2):
            certain = sequence.certainties[k].expand(3, -1, -1) > 0
            assert 0.5 < certain.float().mean() < 1
            warped = warp(sequence.frames[k][None], sequence.flows[k][None])[0]
            assert (warped - sequence.frames[k + 1])[certain].abs().max() < 1e-3
        assert sequence.frames[0][0].max() == 250 > sequence.frames[0][1:].max()  # red, not blue
    with pytest.raises(UsageError, match=r"video-364\.h5 are shorter than the 4 frames"):
        clips.sequence((32, 32), 3, np.random.default_rng(0))
    picture = StoredPhotographs(sets / "ms-coco.h5", "train").sequence(
        "single_image", (48, 48), 1, np.random.default_rng(0)
    )
    assert picture.frames[0].shape == (3, 48, 48) and (picture.frames[0][0] == 250).all()


def test_training_draws_from_hdf5_and_validates_with_its_other_part(options, sets, caplog):
    options = replace(
        options,
        images=sets / "ms-coco.h5",
        videos=sets / "video-364.h5",
        data_mix="single_image:1,video:1",
        size_schedule="32",
        frame_steps_schedule="2",
    )
    data = open_data(options.resolved(), torch.device("cpu"))
    assert [len(part.photographs.pictures) for part in (data.training, data.validation)] == [5, 2]
    assert [len(part.clips.sequences) for part in (data.training, data.validation)] == [2, 1]
    assert {data.training.batch(i).source for i in range(12)} == {"single_image", "video"}
    for name in ("ms-coco", "video-364"):
        shutil.copy(sets / f"{name}.h5", sets / f"{name}-train.h5")
        with h5py.File(sets / f"{name}-train.h5", "r+") as file:
            for part in [part for part in file if part.startswith("val")]:
                del file[part]
    options = replace(options, images=sets / "ms-coco-train.h5", videos=sets / "video-364-train.h5")
    data = open_data(options.resolved(), torch.device("cpu"))
    taught, held = (set(part.photographs.pictures) for part in (data.training, data.validation))
    assert taught | held == set(range(5)) and not taught & held and held
    assert "no sequences for validation" in caplog.text


def test_other_hdf5_files_are_explained(sets, tmp_path):
    cases = {
        "absent.h5": (None, "There is no file"),
        "text.h5": (lambda path: path.write_text("text"), "not a readable HDF5 file"),
        "cut.h5": (
            lambda path: path.write_bytes((sets / "ms-coco.h5").read_bytes()[:9000]),
            "not a readable HDF5 file",
        ),
    }
    for name, (make, message) in cases.items():
        if make:
            make(tmp_path / name)
        with pytest.raises(BrushflowError, match=message):
            StoredPhotographs(tmp_path / name, "train")
    with pytest.raises(BrushflowError, match=r"has no train/frames1; photographs are in"):
        StoredClips(sets / "ms-coco.h5", "train")
    with pytest.raises(BrushflowError, match=r"has no train2014/images"):
        StoredPhotographs(sets / "video-364.h5", "train")
    with h5py.File(sets / "video-364.h5", "r+") as file:
        file["other/images"] = np.zeros((1, 3, 8, 8), np.float32)
        file["train2014/images"] = h5py.SoftLink("/other/images")
        del file["train/cert"]
        file["train/cert"] = np.zeros((2, LENGTH - 1, H, W + 1), np.uint8)
    with pytest.raises(BrushflowError, match=r"images is float32 \(1, 3, 8, 8\), no set"):
        StoredPhotographs(sets / "video-364.h5", "train")
    with pytest.raises(BrushflowError, match="their cert do not fit together"):
        StoredClips(sets / "video-364.h5", "train")


def test_hdf5_files_cannot_bring_other_files_in(sets, tmp_path):
    def refused(make):
        with h5py.File(tmp_path / "x.h5", "w") as file:
            make(file)
        with pytest.raises(BrushflowError, match="names another file"):
            StoredPhotographs(tmp_path / "x.h5", "train")

    def link(file):
        file["train2014/images"] = h5py.ExternalLink(str(sets / "ms-coco.h5"), "train2014/images")

    def raw(file):
        shape = (1, 3, 8, 8)
        place = [(str(sets / "ms-coco.h5"), 0, 192)]
        file.create_dataset("train2014/images", shape, "u1", external=place)

    def virtual(file):
        layout = h5py.VirtualLayout((5, 3, 64, 64), "u1")
        layout[:] = h5py.VirtualSource(sets / "ms-coco.h5", "train2014/images", (5, 3, 64, 64))
        file.create_virtual_dataset("train2014/images", layout)

    for make in (link, raw, virtual):
        refused(make)


def test_damage_inside_is_told(sets):
    path = sets / "ms-coco.h5"
    with h5py.File(path, "r+") as file:
        pictures = file["train2014/images"][:]
        del file["train2014"]
        file.create_dataset(
            "train2014/images", data=pictures, chunks=(1, 3, 64, 64), fletcher32=True
        )
        place = file["train2014/images"].id.get_chunk_info(1).byte_offset
    data = bytearray(path.read_bytes())
    data[place + 100] ^= 255
    path.write_bytes(data)
    stored = StoredPhotographs(path, "train")
    with pytest.raises(BrushflowError, match=r"damaged: number 1 of train2014/images"):
        for seed in range(40):
            stored.sequence("single_image", (48, 48), 1, np.random.default_rng(seed))


def test_without_h5py_the_package_is_named(sets, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    assert is_stored(sets / "ms-coco.h5") and not is_stored(sets)
    with pytest.raises(BrushflowError, match="needs the package h5py: pip install h5py"):
        StoredPhotographs(sets / "ms-coco.h5", "train")
