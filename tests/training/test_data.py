"""What is drawn depends on seed and iteration alone, and everything in the folders can be drawn."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from brushflow.common.errors import BrushflowError, UsageError
from brushflow.flow import load_estimator, warp
from brushflow.training.data.batches import Shapes, TrainingData, batches, parse_mix, stack
from brushflow.training.data.clips import Clips, find_videos, scaled_size, scan_shots
from brushflow.training.data.folders import open_data
from brushflow.training.data.photographs import Photographs, find_photographs
from brushflow.training.data.prepare import PrepareSettings, prepare_video
from brushflow.training.data.windows import Strip, draw_window
from brushflow.training.schedule import Schedule, SizeSchedule


def shapes(size="48", count="4", steps="1"):
    return Shapes(
        SizeSchedule.parse(size, "x", 16),
        *(Schedule.parse(text, "x") for text in (count, steps)),
    )


def make_data(photographs, mix="shift:1,zoom_out:2,single_image:1,vr:1", seed=5, **attributes):
    pictures = Photographs(find_photographs(photographs))
    return TrainingData(parse_mix(mix), shapes(), seed, pictures, None, **attributes)


def same(a, b):
    return (
        a.source == b.source
        and all(torch.equal(x, y) for x, y in zip(a.frames, b.frames, strict=True))
        and all(torch.equal(x, y) for x, y in zip(a.flows, b.flows, strict=True))
        and all(torch.equal(x, y) for x, y in zip(a.certainties, b.certainties, strict=True))
    )


def test_batches_depend_on_seed_and_iteration_only(photographs):
    one, other = make_data(photographs), make_data(photographs)
    one.batch(0)
    assert same(one.batch(7), other.batch(7))
    assert not same(one.batch(7), make_data(photographs, seed=6).batch(7))
    assert {one.batch(i).source for i in range(30)} == {"shift", "zoom_out", "single_image", "vr"}


@pytest.mark.parametrize("workers", [1, 3])
def test_threads_load_the_same_batches_in_order(photographs, workers):
    data = make_data(photographs)
    loaded = list(batches(data, 2, 7, workers, [(0, 1)]))
    assert len(loaded) == 5
    assert all(same(batch, data.batch(i)) for i, (batch,) in enumerate(loaded, 2))


def test_shares_make_up_the_batch(photographs):
    data = make_data(photographs)
    whole = data.batch(3)
    parts = [data.batch(3, (k, 2)) for k in range(2)]
    for k, part in enumerate(parts):
        assert torch.equal(part.frames[-1], whole.frames[-1][k::2])
    with pytest.raises(UsageError, match=r"batch of 4 cannot be shared evenly by 3"):
        data.batch(3, (0, 3))


def test_sources_come_as_often_as_the_mix_says(photographs):
    data = make_data(photographs, "shift:3,zoom_out:1")
    drawn = [data.source(i) for i in range(400)]
    assert drawn.count("shift") == pytest.approx(300, abs=40)


def test_what_is_drawn_does_not_depend_on_the_source_drawn(photographs, monkeypatch):
    data = make_data(photographs, "single_image:1,vr:1")
    drawn = {"single_image": [], "vr": []}

    class Spy:
        def sequence(self, name, size, steps, random, turns):
            drawn[name].append((turns, random.integers(4)))
            raise StopIteration

    monkeypatch.setattr(data, "photographs", Spy())
    for iteration in range(400):
        with pytest.raises(StopIteration):
            data.batch(iteration)
    for name, values in drawn.items():
        for numbers in zip(*values, strict=True):
            shares = np.bincount(numbers, minlength=4) / len(values)
            assert shares.min() > 0.15, f"{name}: {shares}"


def test_single_images_first(photographs):
    data = make_data(photographs, "shift:1", single_image_until=5)
    assert [data.source(i) for i in (0, 4, 5)] == ["single_image", "single_image", "shift"]


def test_unreadable_pictures_are_skipped(photographs, caplog):
    (photographs / "broken.jpg").write_bytes(b"no picture")
    data = make_data(photographs)
    for i in range(10):
        data.batch(i)
    assert caplog.text.count("broken.jpg") == 1


def test_a_photograph_has_the_colours_that_its_profile_tells(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for one, other in ((b"rXYZ", b"...."), (b"gXYZ", b"rXYZ"), (b"....", b"gXYZ")):
        profile = profile.replace(one, other)  # its red is green, and its green is red
    picture = Image.new("RGB", (80, 80), (238, 78, 46))
    picture.save(tmp_path / "a.png", icc_profile=profile)
    photographs = Photographs(find_photographs(tmp_path))
    sequence = photographs.sequence("single_image", (48, 48), 1, np.random.default_rng(0))
    shown = sequence.frames[0].mean((1, 2)).numpy()
    assert np.abs(shown - [78, 238, 46]).max() < 3


def test_only_unreadable_pictures_are_an_error(tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    with pytest.raises(UsageError, match="Hardly any picture"):
        make_data(tmp_path).batch(0)


@pytest.mark.parametrize("mix", ["shift", "shift:0", "sideways:1", "shift:x", ""])
def test_a_wrong_mix_is_refused(mix):
    with pytest.raises(UsageError, match=r"data source|whole weight") as caught:
        parse_mix(mix)
    assert caught.value.about == "data_mix"


def test_a_mix_needs_its_folders(photographs):
    with pytest.raises(UsageError, match="no videos are given"):
        make_data(photographs, "video:1")
    with pytest.raises(UsageError, match="needs photographs"):
        TrainingData(parse_mix("shift:1"), shapes(), 0, None, None)
    with pytest.raises(UsageError, match="no video in it"):
        TrainingData(parse_mix("shift:1"), shapes(), 0, make_data(photographs).photographs, 1)


def test_empty_folders_are_refused(tmp_path):
    for find, what in ((find_photographs, "pictures"), (find_videos, "videos")):
        with pytest.raises(UsageError, match=f"holds no {what}"):
            find(tmp_path)
        with pytest.raises(UsageError, match="There is no folder"):
            find(tmp_path / "absent")


def test_windows_of_videos_carry_their_motion(videos):
    clips = Clips(find_videos(videos), (64, 64), load_estimator("dis"))
    random = np.random.default_rng(0)
    for _ in range(6):
        sequence = clips.sequence((48, 48), 2, random)
        assert [frame.shape for frame in sequence.frames] == [(3, 48, 48)] * 3
        for k in range(2):
            certain = sequence.certainties[k].expand(3, -1, -1) > 0
            assert certain.float().mean() > 0.4
            warped = warp(sequence.frames[k][None], sequence.flows[k][None])[0]
            error = (warped - sequence.frames[k + 1])[certain].abs().mean()
            still = (sequence.frames[k] - sequence.frames[k + 1])[certain].abs().mean()
            assert error < 0.5 * still


@pytest.mark.parametrize("size", [(32, 64), (64, 32)])
def test_windows_need_not_be_square(photographs, videos, size):
    text = "{}x{}".format(*size)
    clips = Clips(find_videos(videos), size, load_estimator("dis-fast"))
    pictures = Photographs(find_photographs(photographs))
    mix = parse_mix("shift:1,zoom_out:1,single_image:1,video:1")
    data = TrainingData(mix, shapes(text, "2"), 5, pictures, clips)
    for source in mix:
        batch = data.batch(0, source=source)
        assert {frame.shape for frame in batch.frames} == {(2, 3, *size)}
        for k, (flow, certainty) in enumerate(zip(batch.flows, batch.certainties, strict=True)):
            assert (flow.shape, certainty.shape) == ((2, *size, 2), (2, 1, *size))
            difference = warp(batch.frames[k], flow) - batch.frames[k + 1]
            assert (difference * certainty).abs().mean() < 8
    with pytest.raises(UsageError, match="faces are square"):
        TrainingData(parse_mix("vr:1"), shapes(text), 5, pictures, None)


def test_windows_of_videos_depend_on_the_random_numbers_only(videos):
    one, other = (Clips(find_videos(videos), (64, 64), load_estimator("dis")) for _ in range(2))
    one.sequence((48, 48), 1, np.random.default_rng(9))
    a, b = (clips.sequence((48, 48), 2, np.random.default_rng(1)) for clips in (one, other))
    assert same(stack("video", [a]), stack("video", [b]))


def test_sequences_stay_inside_shots(videos, monkeypatch):
    clips = Clips([videos / "b.mp4"], (64, 64), load_estimator("dis-fast"))
    read = []
    frame = clips._frame
    monkeypatch.setattr(clips, "_frame", lambda p, s, n: read.append(n) or frame(p, s, n))
    for seed in range(12):
        read.clear()
        clips.sequence((48, 48), 2, np.random.default_rng(seed))
        for k in range(0, len(read), 3):
            assert max(read[k : k + 3]) < 5 or min(read[k : k + 3]) >= 5


def test_shots_are_found(videos):
    assert scan_shots(videos / "b.mp4").shots == [(0, 5), (5, 7)]


def test_bad_videos_are_named_and_skipped(videos, tmp_path, caplog):
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    clips = Clips([tmp_path / "bad.mp4", videos / "a.mp4"], (64, 64), load_estimator("dis-fast"))
    for seed in range(8):
        clips.sequence((48, 48), 1, np.random.default_rng(seed))
    assert caplog.text.count("bad.mp4") == 1
    with pytest.raises(UsageError, match="None of the videos"):
        Clips([tmp_path / "bad.mp4"], (64, 64), clips.estimator).sequence(
            (48, 48), 1, np.random.default_rng(0)
        )


def test_validation_on_what_is_trained_on_is_told(options, videos, tmp_path, caplog):
    settings = PrepareSettings(length=3, side=48, per_video=1)
    prepare_video(videos / "a.mp4", tmp_path / "train" / "a", settings)
    prepared = replace(options, videos=tmp_path).resolved()
    open_data(prepared, torch.device("cpu"))
    assert "no sequences for validation" in caplog.text
    caplog.clear()
    prepare_video(videos / "c.mp4", tmp_path / "val" / "c", settings)
    open_data(prepared, torch.device("cpu"))
    assert not caplog.text


def test_still_windows_are_not_worth_learning_from():
    frame = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    ones = np.ones((64, 64), np.float32)
    for speed, useful in ((0.0, False), (2.0, True), (60.0, False)):
        flow = np.full((64, 64, 2), speed, np.float32)
        strip = Strip([frame, frame], [flow], [ones])
        assert draw_window(strip, (48, 48), np.random.default_rng(0))[1] is useful


def test_flipped_windows_have_flipped_flow():
    """Flipping before the flow is applied or after it comes to the same."""
    frame = np.arange(64 * 64 * 3, dtype=np.uint32).reshape(64, 64, 3).astype(np.uint8)
    later = np.roll(frame, 3, axis=1)
    flow = np.zeros((64, 64, 2), np.float32)
    flow[..., 0] = -3
    strip = Strip([frame, later], [flow], [np.ones((64, 64), np.float32)])
    signs = set()
    for seed in range(10):
        sequence, _ = draw_window(strip, (30, 40), np.random.default_rng(seed))
        signs.add(float(sequence.flows[0][0, 0, 0]))
        warped = warp(sequence.frames[0][None], sequence.flows[0][None])[0]
        certain = sequence.certainties[0].expand_as(warped) > 0
        inner = certain & (warped != 0)
        assert (warped - sequence.frames[1])[inner].abs().max() < 1e-3
    assert signs == {-3.0, 3.0}


def test_frames_are_scaled_to_hold_the_window():
    assert scaled_size(854, 480, (224, 224)) == (398, 224)
    assert scaled_size(480, 854, (224, 224)) == (224, 398)
    assert scaled_size(480, 480, (224, 336)) == (336, 336)


def test_damaged_files_raise_our_own_error(tmp_path):
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    with pytest.raises(BrushflowError, match=r"bad\.mp4"):
        scan_shots(tmp_path / "bad.mp4")
