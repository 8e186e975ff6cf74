"""Damaged files are read or refused in a sentence: no other error, no memory, no waiting.

BRUSHFLOW_FUZZ=50000 gives every reader that many inputs; otherwise each gets 500.
"""

import io
import json
import pickletools
import struct
import zipfile

import numpy as np
import pytest
import torch
from torch import nn

from brushflow.flow import read_flo, write_flo
from brushflow.models import StyleModel, build, load
from brushflow.occlusion import read_pgm, write_pgm
from brushflow.pipeline.folder import RunFolder, Scan
from brushflow.shots.cuts import read_cuts

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]  # as many inputs as asked for

NUMBERS = [b"0", b"-1", b"1e999", b"NaN", b"3.5", b"99999999999999999999", b"9" * 5000, b"\xd9\xa3"]
JSON = [b"[", b"{", b"}", b'"', b",", b"null", b"true", b'{"a":', b'"\\ud800"', b"[" * 10**5]
NETWORK = [b"arch", b"c9s1-3", b"R4096,", b"U4096", b"d3", b"N2", b",", b"in_channels", b"margin"]


@pytest.fixture
def reader(folder):
    """Give bytes as a file of some name to a function of its path."""

    def make(name, function):
        path = folder / name

        def read(data):
            path.write_bytes(data)
            function(path)

        return read

    return make


@pytest.fixture
def network():
    """A network that is as small as can be, so that damage hits what describes it."""
    return build("c3s1-2,d2,R2,U2,c3s1-3", 3).eval()


def test_flo(fuzz, mutate, reader, tmp_path):
    files = []
    for width, height in ((4, 3), (1, 1), (9, 2)):
        write_flo(tmp_path / "x.flo", np.ones((height, width, 2), np.float32))
        files.append((tmp_path / "x.flo").read_bytes())
    fuzz(mutate.Mutator(files, [b"PIEH"]), reader("x.flo", read_flo))


def test_pgm(fuzz, mutate, reader, tmp_path):
    write_pgm(tmp_path / "x.pgm", np.ones((3, 5), np.float32))
    files = [(tmp_path / "x.pgm").read_bytes(), b"P5 #c\n#d\n2\t2 255\n1234", b"P2\n1 1\n255\n7\n"]
    tokens = [b"P5", b"\n", b"#", b" " * 5000, b"# \n" * 2000, *NUMBERS]
    fuzz(mutate.Mutator(files, tokens), reader("x.pgm", read_pgm))


def test_t7(fuzz, mutate, reader, t7):
    files = []
    for norm, arch, channels in (("instance", "c3s1-2,d2,R2,U2,c3s1-3", 7), ("batch", "c3s1-3", 3)):
        start = 4 if "R" in arch else None
        original = t7.Maker(norm=norm).network(arch, channels, start=start)
        files.append(t7.encode({"opt": {"arch": arch}, "iter": 3, "model": original}))
    names = ["nn.Sequential", "nn.ReLU", "torch.LongStorage", "torch.FloatTensor", "weight", "V 1"]
    tokens = [struct.pack("<i", len(name)) + name.encode() for name in names]
    tokens += [struct.pack("<ii", kind, index) for kind in range(9) for index in (1, 2, 9, 10**6)]
    tokens += [b"".join(struct.pack("<iiiii", 3, i, 1, 2, 0) for i in range(500, 2000))]
    fuzz(mutate.Mutator(files, tokens), reader("x.t7", load))


def test_safetensors(fuzz, mutate, reader, tmp_path, network):
    StyleModel(network, "x", {"iterations": 5}).save(tmp_path / "x.safetensors")
    data = (tmp_path / "x.safetensors").read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    tokens = [*JSON, *NUMBERS, *NETWORK, b"F16", b"I64", b"data_offsets", b"__metadata__"]
    whole = mutate.Mutator([data], tokens)
    inside = mutate.damaged_inside(
        mutate.Mutator([data[8 : 8 + length]], tokens),
        mutate.safetensors_around(data[8 + length :]),
    )
    fuzz(mutate.alternately(whole, inside), reader("x.safetensors", load))


def example_state():
    """Weights under the names of PyTorch's example, small and plain."""
    state = {}
    sizes = {"conv1": (2, 3, 3), "conv2": (2, 2, 3), "conv3": (2, 2, 3)}
    sizes |= {"deconv1": (2, 2, 3), "deconv2": (2, 2, 3), "deconv3": (3, 2, 3)}
    for name, (filters, channels, kernel) in sizes.items():
        state[f"{name}.conv2d.weight"] = torch.ones(filters, channels, kernel, kernel)
        state[f"{name}.conv2d.bias"] = torch.ones(filters)
    for index in range(1, 6):
        state |= {f"in{index}.{name}": torch.ones(2) for name in ("weight", "bias")}
    return state


def test_pth(fuzz, mutate, reader):
    port = nn.Sequential(
        nn.ReflectionPad2d(0), nn.Conv2d(7, 2, 9), nn.InstanceNorm2d(2, affine=True), nn.ReLU(),
        nn.Conv2d(2, 3, 9),
    )  # fmt: skip
    states = [example_state(), port.state_dict()]
    zipped, old = [], []
    for state in states:
        for files, is_new in ((zipped, True), (old, False)):
            stream = io.BytesIO()
            torch.save(state, stream, _use_new_zipfile_serialization=is_new)
            files.append(stream.getvalue())
    with zipfile.ZipFile(io.BytesIO(zipped[0])) as archive:
        pickled = archive.read("archive/data.pkl")
    codes = [opcode.code.encode("latin-1") for opcode in pickletools.opcodes]
    names = [b"cbuiltins\nbytearray\n", b"cposix\nsystem\n", b"ctorch\nFloatStorage\n", b"N}]("]
    mutator = mutate.Mutator([*zipped, *old, *old], [*codes, *names, b"J\xff\xff\xff\x7f"])
    inside = mutate.damaged_inside(
        mutate.Mutator([pickled], [*codes, *names]), mutate.archive_around(zipped[0])
    )
    fuzz(mutate.alternately(mutator, inside), reader("x.pth", load))


def test_run_json(fuzz, mutate, folder):
    settings = {"version": "1", "source": {"path": "a.mp4", "size": 123}, "options": {"seed": None}}
    scan = {"pts": [0, 512, 1024], "cuts": [1], "problem": None, "filled": [2]}
    files = [json.dumps(value, indent=1).encode() for value in (settings, scan)]
    run = RunFolder(folder)
    (folder / "segments").mkdir()
    (folder / "state").mkdir()

    def read(data):
        (folder / "scan.json").write_bytes(data)
        found = run.load_scan()
        assert found is None or isinstance(found, Scan)
        assert found is None or all(type(n) is int for n in found.pts + found.cuts)
        (folder / "run.json").write_bytes(data)
        run.begin(settings, restart=False)

    damaged = mutate.Mutator(files, [*JSON, *NUMBERS, b'"pts"', b'"problem"'])
    fuzz(mutate.alternately(damaged, mutate.damaged_inside(damaged, mutate.sealed)), read)


def test_state(fuzz, mutate, folder):
    run = RunFolder(folder)
    run.states.mkdir()
    place = run.states / "00000005.safetensors"
    run.save_state(5, {"output": torch.ones(1, 3, 2, 2)})
    files = [place.read_bytes()]

    def read(data):
        place.write_bytes(data)
        found = run.load_state(5)
        assert found is None or found["output"].dtype == torch.float32

    fuzz(mutate.Mutator(files, [*JSON, *NUMBERS, b"output", b"F16", b"I64", b"F8_E4M3"]), read)


def test_cut_lists(fuzz, mutate, reader):
    files = [b"0\n17\n40\n", b"5, 6,7\r\n"]
    files += [b"Timecode List:,0:1\nScene Number,Start Frame,End Frame\n1,1,20\n2,21,40\n"]
    tokens = [b'"', b",", b"\n", b"\r", b"\0", b"Start Frame", b"\xff", b"x" * 140_000, *NUMBERS]
    fuzz(mutate.Mutator(files, tokens), reader("cuts.csv", lambda path: read_cuts(path, 1000)))
