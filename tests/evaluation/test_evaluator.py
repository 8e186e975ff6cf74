"""A whole evaluation: series and means, several results at once, what is refused."""

import json
import weakref

import cv2
import numpy as np
import pytest

from brushflow.common.errors import BrushflowError, UsageError
from brushflow.evaluation import SintelTruth, evaluate, evaluator
from brushflow.evaluation.masks import traceable
from brushflow.evaluation.stability import difference_map, e_warp
from brushflow.evaluation.truth import compose, true_flow
from brushflow.evaluation.video_pairs import Inputs
from brushflow.flow import load_estimator, write_flo
from brushflow.video.paintings import read_painting

COUNT = 14


def trembling(frames, levels=20):
    """Every second frame is brighter: flicker at the highest frequency."""
    return [
        np.clip(frame.astype(int) + levels * (i % 2), 0, 255).astype(np.uint8)
        for i, frame in enumerate(frames)
    ]


@pytest.fixture(scope="module")
def clips(drifting, save_frames, tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    frames = [np.clip(frame, 0, 200) for frame in drifting(COUNT)]
    save_frames(folder / "source", frames)
    save_frames(folder / "steady", [255 - frame for frame in frames])
    save_frames(folder / "trembling", trembling(frames))
    return folder


def run(clips, *names, **options):
    return evaluate(clips / "source", {name: clips / name for name in names}, **options)


@pytest.fixture(scope="module")
def evaluation(clips):
    return run(clips, "steady", "trembling", ceiling="trembling", distances=(1, 2, 10), every=5)


def test_floor_results_and_ceiling_are_told_apart(evaluation):
    assert [(v.name, v.role) for v in evaluation.videos] == [
        ("source", "floor"),
        ("steady", "result"),
        ("trembling", "ceiling"),
    ]
    assert evaluation.frames == COUNT and evaluation.size == (96, 64)
    assert evaluation["steady"] is evaluation.results[0]
    assert evaluation["trembling"] is evaluation.ceiling


def test_a_negative_is_as_stable_as_its_source(evaluation):
    steady, floor = evaluation["steady"], evaluation.floor
    for key in ("e_warp_1", "e_warp_10", "ruder_1", "rerevst_2"):
        assert steady.means[key] == pytest.approx(floor.means[key], rel=1e-4)
    assert steady.means["fdb"] > 0 == floor.means["fdb"]
    assert steady.means["edge_ssim"] == pytest.approx(1, abs=1e-4)


def test_trembling_is_seen_by_odd_distances_only(evaluation):
    floor, shaky = evaluation.floor.means, evaluation["trembling"].means
    step = (20 / 255) ** 2
    assert shaky["e_warp_1"] - floor["e_warp_1"] == pytest.approx(step, rel=0.1)
    assert shaky["e_warp_2"] == pytest.approx(floor["e_warp_2"], rel=0.05, abs=1e-5)
    assert shaky["fdb"] == pytest.approx(step, rel=1e-3)
    assert evaluation["trembling"].heat.mean() > 3 * evaluation.floor.heat.mean()


def test_flicker_of_a_still_scene(drifting, save_frames, tmp_path):
    frames = drifting(1) * 9
    frames = [np.clip(frame, 0, 200) for frame in frames]
    save_frames(tmp_path / "source", frames)
    save_frames(tmp_path / "trembling", trembling(frames))
    found = run(tmp_path, "trembling", distances=(1,))
    assert found["trembling"].means["flicker"] == pytest.approx(10 / 255, rel=1e-3)
    assert found.floor.means["flicker"] < 1e-6
    assert found.floor.means["e_warp_1"] < 1e-9


def test_series_belong_to_the_later_frame_of_a_pair(evaluation, clips):
    series = evaluation["trembling"].series
    for distance in (1, 2, 10):
        values = series[f"e_warp_{distance}"]
        assert len(values) == COUNT
        assert [value is None for value in values] == [i < distance for i in range(COUNT)]
    measured = [i for i, value in enumerate(series["edge_ssim"]) if value is not None]
    assert measured == [0, 5, 10]
    read = [
        cv2.imread(str(path))[..., ::-1].copy()
        for name in ("source", "trembling")
        for path in sorted((clips / name).glob("*.png"))[3:6]
    ]
    estimator = load_estimator("dis")
    forward, backward = estimator(read[0], read[2]), estimator(read[2], read[0])
    expected = e_warp(difference_map(read[3], read[5], forward), traceable(forward, backward))
    assert series["e_warp_2"][5] == pytest.approx(expected, rel=1e-6)


def test_threads_change_nothing(evaluation, clips):
    again = run(clips, "steady", "trembling", ceiling="trembling", distances=(1, 2, 10), workers=1)
    assert again.to_dict() == evaluation.to_dict()


def test_content_and_style_on_request(clips, loss_weights):
    found = run(
        clips,
        "steady",
        distances=(1,),
        every=6,
        style=clips / "source" / "frame_0001.png",
        style_size=64,
        loss_weights=loss_weights,
    )
    assert found.floor.means["content"] == 0 < found["steady"].means["content"]
    assert found.floor.means["style"] < found["steady"].means["style"]
    assert [m.key for m in found.metrics() if m.group == "Faithfulness"] == [
        "content",
        "style",
        "edge_ssim",
        "sharpness",
    ]


@pytest.mark.parametrize("kind", ["cut out", "scroll"])
def test_the_painting_is_seen_as_training_sees_it(kind, clips, tmp_path, loss_weights, monkeypatch):
    seen = {}

    def compared(weights, painting, *given):
        seen["here"] = painting
        raise InterruptedError

    monkeypatch.setattr(evaluator, "Perceptual", compared)
    picture = np.random.default_rng(0).integers(0, 256, (80, 1000, 4), np.uint8)
    if kind == "cut out":
        picture[:, ::2, 3] = 0
        picture = picture[:, :100]
    cv2.imwrite(str(tmp_path / "style.png"), picture if kind == "cut out" else picture[..., :3])
    with pytest.raises(InterruptedError):
        style = tmp_path / "style.png"
        run(clips, "steady", style=style, style_size=640, loss_weights=loss_weights)
    taught = read_painting(tmp_path / "style.png", 640)
    assert min(taught.shape[:2]) == (512 if kind == "cut out" else 64)
    assert np.array_equal(seen["here"], taught)


def test_nothing_is_measured_across_a_cut(clips):
    found = run(clips, "steady", distances=(1, 2), cuts=[6])
    series = found["steady"].series
    assert [i for i, value in enumerate(series["e_warp_1"]) if value is None] == [0, 6]
    assert [i for i, value in enumerate(series["e_warp_2"]) if value is None] == [0, 1, 6, 7]
    assert [i for i, value in enumerate(series.get("flicker", [])) if value is not None] in (
        [],
        [13],
    )


def test_files_hold_the_numbers(evaluation, tmp_path):
    evaluation.write_json(tmp_path / "metrics.json")
    evaluation.write_csv(tmp_path / "metrics.csv")
    stored = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert stored == evaluation.to_dict()
    assert stored["videos"][1]["means"]["e_warp_1"] == evaluation["steady"].means["e_warp_1"]
    header, *rows = (tmp_path / "metrics.csv").read_text(encoding="utf-8").splitlines()
    assert header.startswith("name,role,frames,e_warp_1,e_warp_2,e_warp_10,ruder_1")
    assert [row.split(",")[0] for row in rows] == ["source", "steady", "trembling"]
    assert float(rows[1].split(",")[3]) == evaluation["steady"].means["e_warp_1"]


def test_true_motion_of_a_rendered_sequence(clips, tmp_path):
    folder = tmp_path / "flow" / "source"
    folder.mkdir(parents=True)
    for number in range(1, COUNT):
        # The camera of the source moves by two pixels to the right.
        flow = np.broadcast_to(np.float32([-2, 0]), (64, 96, 2))
        write_flo(folder / f"frame_{number:04d}.flo", flow)
    truth = SintelTruth(tmp_path, "source")
    found = run(clips, "trembling", distances=(1,), truth=truth)
    assert found.floor.means["e_warp_1"] < 1e-9
    assert found["trembling"].means["e_warp_1"] == pytest.approx((20 / 255) ** 2, rel=1e-4)
    # Two of 96 columns leave the picture; they count as 0 over all pixels.
    assert found["trembling"].means["ruder_1"] == pytest.approx((20 / 255) ** 2 * 94 / 96, rel=1e-4)
    with pytest.raises(UsageError, match="96×64 but the frames are 48×32"):
        run(clips, "trembling", distances=(1,), truth=truth, max_size=48)
    (folder / f"frame_{COUNT - 1:04d}.flo").unlink()
    with pytest.raises(BrushflowError, match="ends after 12 frames"):
        run(clips, "trembling", distances=(1,), truth=SintelTruth(tmp_path, "source"))
    with pytest.raises(UsageError, match="no true flow of 'elsewhere'"):
        SintelTruth(tmp_path, "elsewhere")


def test_true_motion_is_followed_to_larger_distances(clips, tmp_path, monkeypatch):
    folder = tmp_path / "flow" / "source"
    folder.mkdir(parents=True)
    for number in range(1, COUNT):
        flow = np.broadcast_to(np.float32([-2, 0]), (64, 96, 2))
        write_flo(folder / f"frame_{number:04d}.flo", flow)
    monkeypatch.setattr(
        "brushflow.evaluation.parallel_frames.estimated_motion", None
    )  # would fail if called
    truth = SintelTruth(tmp_path, "source")
    found = run(clips, "trembling", distances=(1, 2, 5), truth=truth, result_motion=False)
    for distance in (1, 2, 5):
        assert found.floor.means[f"e_warp_{distance}"] < 1e-9
    step = (20 / 255) ** 2
    assert found["trembling"].means["e_warp_5"] == pytest.approx(step, rel=1e-4)
    assert found["trembling"].means["e_warp_2"] < 1e-9  # every second frame is as bright
    # Ten of 96 columns leave the picture in five frames; they count as 0 over all pixels.
    assert found["trembling"].means["ruder_5"] == pytest.approx(step * 86 / 96, rel=1e-4)
    assert found["trembling"].means["ruder_2"] < 1e-9
    only = run(clips, "trembling", distances=(5,), truth=truth, result_motion=False)
    assert only["trembling"].means["e_warp_5"] == found["trembling"].means["e_warp_5"]


def zoom(scale):
    """Flow of a picture that grows about its middle, everywhere known."""
    x, y = np.meshgrid(np.arange(96) - 47.5, np.arange(64) - 31.5)
    return true_flow((np.dstack([x, y]) * (scale - 1)).astype(np.float32))


def test_composed_flow_is_that_of_the_whole_way():
    way = zoom(0.97)
    for count in range(2, 9):
        way = compose(zoom(0.97), way)
        assert np.abs(way.flow - zoom(0.97**count).flow)[way.visible].max() < 0.02
    assert way.visible.all()
    grown = compose(zoom(1.1), zoom(1.1))
    assert np.array_equal(grown.visible, zoom(1.21).visible)


def test_what_is_hidden_on_the_way_is_not_visible_after_it():
    """A square of ten pixels moves right by four; the ground moves left by half a pixel."""

    def scene(left):
        flow = np.zeros((40, 60, 2), np.float32)
        flow[..., 0] = -0.5
        flow[10:20, left : left + 10, 0] = 4
        hidden = np.zeros((40, 60), bool)
        hidden[10:20, left + 10 : left + 14] = True
        return true_flow(flow, occluded=hidden)

    both = compose(scene(20), scene(24))
    ground = np.ones((40, 60), bool)
    ground[10:20, 20:30] = False
    seen = both.visible
    assert np.all(both.flow[10:20, 20:30] == (8, 0))
    assert np.all(both.flow[ground & seen] == (-1, 0))  # nothing in between two motions
    # Hidden in the first step, or in the second one.
    assert not seen[10:20, 30:34].any() and not seen[10:20, 35:38].any()
    assert seen[10:20, 40:58].all() and seen[:10, 2:].all() and not seen[:, 0].any()


def test_no_more_frames_are_held_with_length(clips, monkeypatch):
    alive, most = weakref.WeakSet(), []
    picture = np.zeros((64, 96, 3), np.uint8)

    class Frame(np.ndarray):
        """An array that can be counted."""

        __hash__ = object.__hash__

    def endless(self, size=None):
        for i in range(60):
            frames = [(picture + i % 7).view(Frame) for _ in self.all]
            for frame in frames:
                alive.add(frame)
            most.append(len(alive))
            yield frames

    monkeypatch.setattr(Inputs, "read", endless)
    found = run(clips, "steady", distances=(1, 10), workers=2)
    assert found.frames == 60
    # The last eleven pairs of frames, and those that the threads work on.
    assert max(most) <= 2 * (11 + 8)
    assert max(most[30:]) <= max(most[:30]) + 4


def test_other_counts_and_sizes_are_told(clips, drifting, save_frames, tmp_path):
    short = save_frames(tmp_path / "short", drifting(COUNT - 3))
    with pytest.raises(UsageError, match=r"short has 11 frames but .*source has 14"):
        evaluate(clips / "source", {"short": short}, distances=(1,))
    with pytest.raises(UsageError, match=r"source has 14 frames but .*short has 11"):
        evaluate(short, {"source": clips / "source"}, distances=(1,))
    assert evaluate(clips / "source", {"short": short}, distances=(1,), end=0.4).frames == 10
    wide = save_frames(tmp_path / "wide", drifting(COUNT, width=192, height=128, speed=1))
    with pytest.raises(UsageError, match=r"192×128 .* 96×64; .*at one size") as caught:
        Inputs(clips / "source", {"wide": wide})
    assert (caught.value.about, caught.value.value) == ("one_size", 96)
    assert Inputs(clips / "source", {"wide": wide}, max_size=96).size == (96, 64)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"ceiling": "absent"}, "none of the results"),
        ({"distances": (0, 1)}, "from 1 on"),
        ({"distances": ()}, "from 1 on"),
        ({"every": 0}, "at least 1"),
        ({"style": "painting.jpg"}, "needs the weights of a VGG"),
        ({"flow": "diss"}, "did you mean 'dis'"),
    ],
)
def test_wrong_requests_are_told(clips, options, message):
    with pytest.raises(UsageError, match=message):
        run(clips, "steady", **options)


def test_one_frame_is_not_enough(clips):
    with pytest.raises(UsageError, match="1 frame; stability needs"):
        run(clips, "steady", end=0.01)
    with pytest.raises(UsageError, match="nothing to evaluate"):
        evaluate(clips / "source", {})


def test_the_motion_of_results_can_be_left_out(clips, evaluation):
    without = run(clips, "steady", "trembling", distances=(1,), result_motion=False)
    assert "tof" in evaluation["steady"].means and "tof" not in without["steady"].means
    assert without["steady"].means["e_warp_1"] == evaluation["steady"].means["e_warp_1"]
