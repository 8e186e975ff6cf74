"""RAFT: weights from everywhere, frames of every size."""

import threading

import numpy as np
import pytest
import torch

from brushflow.common.errors import BrushflowError
from brushflow.common.torchvision_import import import_torchvision
from brushflow.flow import bidirectional, load_estimator, raft
from brushflow.flow.raft_weights import torchvision_names

NAMES = ["raft-small", "raft-large"]


@pytest.fixture(scope="module")
def networks():
    """A torchvision network of each size with random weights, norms included."""
    torch.manual_seed(0)
    module = import_torchvision("models.optical_flow")
    made = {"raft-small": module.raft_small(), "raft-large": module.raft_large()}
    for network in made.values():
        for key, value in network.state_dict().items():
            if key.endswith(("running_mean", "running_var")):
                value.uniform_(0.5, 1.5)
        # Random updates add up to motions of hundreds of pixels; these stay in the picture.
        network.update_block.flow_head.conv2.weight.data *= 0.02
    return made


def authors_names(network):
    """The state dict of the same network as princeton-vl/RAFT builds and saves it.

    Written from the modules of the published architecture, not by undoing the renaming.
    """
    small = network.mask_predictor is None
    ours = network.state_dict()
    state = {}

    def put(theirs, name):
        for key, value in ours.items():
            if key.startswith(name + "."):
                state[f"module.{theirs}.{key.removeprefix(name + '.')}"] = value

    for theirs, name in (("fnet", "feature_encoder"), ("cnet", "context_encoder")):
        put(f"{theirs}.norm1", f"{name}.convnormrelu.1")
        put(f"{theirs}.conv1", f"{name}.convnormrelu.0")
        for layer in (1, 2, 3):
            for block in (0, 1):
                convolutions = (1, 2, 3) if small else (1, 2)
                unit = f"layer{layer}.{block}"
                for i in convolutions:
                    put(f"{theirs}.{unit}.conv{i}", f"{name}.{unit}.convnormrelu{i}.0")
                    put(f"{theirs}.{unit}.norm{i}", f"{name}.{unit}.convnormrelu{i}.1")
                if layer > 1 and block == 0:
                    last = len(convolutions) + 1
                    put(f"{theirs}.{unit}.norm{last}", f"{name}.{unit}.downsample.1")
                    put(f"{theirs}.{unit}.downsample.0", f"{name}.{unit}.downsample.0")
                    put(f"{theirs}.{unit}.downsample.1", f"{name}.{unit}.downsample.1")
        put(f"{theirs}.conv2", f"{name}.conv")
    for theirs, name in (("convc", "convcorr"), ("convf", "convflow")):
        for i in (1, 2):
            put(f"update_block.encoder.{theirs}{i}", f"update_block.motion_encoder.{name}{i}.0")
    put("update_block.encoder.conv", "update_block.motion_encoder.conv.0")
    for gate in "zrq":
        for i in (1, 2):
            theirs = f"update_block.gru.conv{gate}" + ("" if small else str(i))
            put(theirs, f"update_block.recurrent_block.convgru{i}.conv{gate}")
    put("update_block.flow_head", "update_block.flow_head")
    put("update_block.mask.0", "mask_predictor.convrelu.0")
    put("update_block.mask.2", "mask_predictor.conv")
    return state


@pytest.fixture
def small(networks, tmp_path):
    torch.save(networks["raft-small"].state_dict(), tmp_path / "small.pth")
    return load_estimator("raft-small", weights=tmp_path / "small.pth")


@pytest.mark.parametrize("name", NAMES)
def test_the_authors_names_are_understood(name, networks):
    theirs = authors_names(networks[name])
    ours = networks[name].state_dict()
    renamed = torchvision_names(theirs)
    assert renamed.keys() == ours.keys()
    assert all(torch.equal(renamed[key], ours[key]) for key in ours)
    # There the norms of the two shortcuts, five tensors each, are stored twice.
    assert name == "raft-small" or len(theirs) == len(ours) + 2 * 5


def test_the_published_file_is_understood(networks, data_folder):
    state = torch.load(data_folder / "weights/raft-small.pth", "cpu", weights_only=True)
    assert state.keys() == authors_names(networks["raft-small"]).keys()
    renamed = torchvision_names(state)
    # The tensors of both come in the same order.
    assert list(renamed) == list(networks["raft-small"].state_dict())


@pytest.mark.parametrize("name", NAMES)
def test_both_layouts_give_the_same_flow(name, networks, shifted, tmp_path):
    torch.save(networks[name].state_dict(), tmp_path / "ours.pth")
    torch.save(authors_names(networks[name]), tmp_path / "theirs.pth")
    frame, other = shifted(2, 1, 128, 128)
    flows = [load_estimator(name, weights=path)(frame, other) for path in tmp_path.iterdir()]
    assert np.array_equal(*flows) and flows[0].any()


@pytest.mark.parametrize("size", [(2, 2), (1, 150), (100, 131), (136, 129)])
def test_every_size_works(small, shifted, size):
    flow = small(*shifted(2, 1, *size))
    assert flow.shape == (*size, 2) and flow.dtype == np.float32 and np.isfinite(flow).all()


def test_equal_frames_have_no_motion_at_all(small, shifted):
    frame, _ = shifted(0, 0)
    assert not small(frame, frame.copy()).any()


def test_sixteen_bits_are_not_rounded_to_eight(small, shifted):
    frame, other = shifted(2, 1, 128, 128)
    deep_frame, deep_other = (each.astype(np.uint16) * 257 for each in (frame, other))
    flow = small(deep_frame, deep_other)
    assert np.abs(small(frame, other) - flow).max() < 0.01
    below_a_step = deep_other + (deep_other < 65000).astype(np.uint16) * 100
    assert not np.array_equal(small(deep_frame, below_a_step), flow)


def test_threads_do_not_disturb_each_other(small, shifted):
    pairs = [shifted(dx, 1, 128, 128) for dx in range(3)]
    alone = [small(*pair) for pair in pairs]
    together = [None] * 3

    def estimate(i):
        together[i] = small(*pairs[i])

    threads = [threading.Thread(target=estimate, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.allclose(a, b, atol=1e-4) for a, b in zip(alone, together, strict=True))


@pytest.mark.parametrize("max_size", [None, 132])
def test_both_directions_are_one_batch_and_equal_to_one_by_one(
    networks, shifted, tmp_path, monkeypatch, max_size
):
    torch.save(networks["raft-small"].state_dict(), tmp_path / "small.pth")
    estimator = load_estimator("raft-small", weights=tmp_path / "small.pth", max_size=max_size)
    frame, other = shifted(3, -2, 131, 150)
    alone = estimator(frame, other), estimator(other, frame)
    batches = []
    forward = type(networks["raft-small"]).forward

    def spy(self, image1, image2, *rest):
        batches.append(len(image1))
        return forward(self, image1, image2, *rest)

    monkeypatch.setattr(type(networks["raft-small"]), "forward", spy)
    together = bidirectional(estimator, frame, other)
    monkeypatch.setattr(raft, "_MOST_BYTES", 0)
    apart = bidirectional(estimator, frame, other)
    assert batches == [2, 1, 1]
    for expected, *others in zip(alone, together, apart, strict=True):
        assert expected.any() and all(np.allclose(expected, each, atol=1e-3) for each in others)


def test_equal_frames_have_no_motion_in_either_direction(small, shifted):
    frame, _ = shifted(0, 0)
    assert not np.any(bidirectional(small, frame, frame.copy()))


def test_weights_of_another_network_are_refused(networks, tmp_path):
    torch.save(networks["raft-large"].state_dict(), tmp_path / "large.pth")
    with pytest.raises(BrushflowError, match=r"large\.pth.*not hold weights of raft-small"):
        load_estimator("raft-small", weights=tmp_path / "large.pth")


@pytest.mark.parametrize("content", [b"", b"not weights", b"PK\x03\x04 broken"])
def test_files_that_are_no_weights_are_refused(tmp_path, content):
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(BrushflowError, match=r"a\.pth"):
        load_estimator("raft-small", weights=tmp_path / "a.pth")


def test_loading_runs_no_code(tmp_path):
    class Trap:
        def __reduce__(self):
            return (tmp_path.joinpath("sprung").touch, ())

    torch.save({"x": Trap()}, tmp_path / "trap.pth")
    with pytest.raises(BrushflowError, match=r"trap\.pth"):
        load_estimator("raft-small", weights=tmp_path / "trap.pth")
    assert not (tmp_path / "sprung").exists()


def test_other_contents_and_missing_files_are_named(tmp_path):
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(BrushflowError, match="more or less than tensors"):
        load_estimator("raft-small", weights=tmp_path / "list.pth")
    with pytest.raises(BrushflowError, match="absent"):
        load_estimator("raft-small", weights=tmp_path / "absent.pth")


def test_published_addresses_carry_checksums():
    module = import_torchvision("models.optical_flow")
    for weights in (module.Raft_Small_Weights, module.Raft_Large_Weights):
        assert torch.hub.HASH_REGEX.search(weights.DEFAULT.url.rsplit("/", 1)[1])
