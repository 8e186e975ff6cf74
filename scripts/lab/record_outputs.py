"""Command: fingerprints of tiny runs over every path, to see that rebuilding changed no output."""

from brushflow.cli.start import run

import contextlib
import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import click
import cv2
import numpy as np
import torch
from safetensors.torch import load_file, save_file
from skimage import data

from brushflow import stylize_video, train_video
from brushflow.cli.commands import set_up_logging
from brushflow.common.errors import BrushflowError
from brushflow.common.tensor_files import tensors_digest
from brushflow.models import StyleModel, build
from brushflow.scripts import evaluate
from brushflow.scripts.original import compute_flow, stylize_frames, stylize_frames_vr
from brushflow.video import EncodeSettings, SegmentWriter, assemble, read_image, write_image

_ARCH = "c3s1-8,d8,R8,U2,c3s1-3"
_WIDTH, _HEIGHT, _FRAMES, _CUT = 64, 48, 12, 7
_FACES = range(1, 7)

# Stylizations by name: the source, the suffix of the output, the options.
_STYLIZATIONS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "flat": ("clip.mp4", ".mp4", ()),
    "mkv": ("clip.mp4", ".mkv", ()),
    "backward": ("clip.mp4", ".mp4", ("--backward",)),
    "independent": ("clip.mp4", ".mp4", ("--independent",)),
    "no anchors": ("clip.mp4", ".mp4", ("--long-term", "0")),
    "noise": ("clip.mp4", ".mp4", ("--fill", "noise")),
    "10 bits": ("clip.mp4", ".mkv", ("--bit-depth", "10")),
    "colours and strength": ("clip.mp4", ".mp4", ("--keep-colors", "--strength", "0.6")),
    "strokes": ("clip.mp4", ".mp4", ("--stroke", "1.5")),
    "spherical": ("sphere.mp4", ".mp4", ("--spherical", "equirect")),
    "spherical noise": ("sphere.mp4", ".mp4", ("--spherical", "equirect", "--fill", "noise")),
    "jobs": ("clip.mp4", ".mp4", ("--jobs", "2", "--max-shot", "4")),
    "compare": ("clip.mp4", ".mp4", ("--compare",)),
    "keep": ("clip.mp4", ".mp4", ("--keep", "frames,flow,reliability", "--end", "0.2")),
    "folder": ("frames", ".mp4", ("--fps", "12")),
    "picture": ("frames/frame_00001.png", ".png", ()),
    "preview": ("clip.mp4", ".png", ("--preview", "3")),
}


@click.command(context_settings={"max_content_width": 100})
@click.option(
    "--against", type=click.Path(path_type=Path), help="Earlier output: say what is not the same."
)
@click.option("--only", multiple=True, help="Names of runs; all without it.")
def command(against: Path | None, only: tuple[str, ...]) -> None:
    """Make a tiny run of every kind and print a SHA-256 of what each has written.

    They are of decoded pictures, packets, tensors and numbers: not of what outputs say of the
    program and its options.
    """
    set_up_logging(quiet=True)
    known: dict[str, str] = json.loads(against.read_text(encoding="utf-8")) if against else {}
    found: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _make_sources(folder)
        for what, make in _runs(folder):
            if only and what not in only:
                continue
            place = folder / "out"
            place.mkdir()
            make(place)
            found[what] = _digest(place)
            shutil.rmtree(place)
    click.echo(json.dumps(found, indent=1))
    differ = [what for what, value in found.items() if known.get(what, value) != value]
    if differ:
        raise BrushflowError(f"Not what {against} says: {', '.join(differ)}.")


def _make_sources(folder: Path) -> None:
    """A clip with a cut and sound, frames, a turning sphere, faces, flow, a model, VGG weights."""
    frames = _drift("astronaut", _CUT) + _drift("coffee", _FRAMES - _CUT)
    _write_clip(folder / "clip.mp4", frames)
    _write_clip(folder / "painted.mp4", [255 - frame for frame in frames])
    (folder / "frames").mkdir()
    for number, frame in enumerate(frames[:5], 1):
        write_image(folder / "frames" / f"frame_{number:05d}.png", frame)
    scene = cv2.resize(data.coffee(), (128, 64), interpolation=cv2.INTER_AREA)
    _write_clip(folder / "sphere.mp4", [np.roll(scene, 2 * i, 1) for i in range(4)])
    write_image(folder / "style.png", data.coffee()[:96, :128])
    (folder / "faces").mkdir()
    for number in (1, 2):
        for face in _FACES:
            top, left = 40 * face, 60 + 2 * number
            picture = data.astronaut()[top : top + 48, left : left + 48]
            write_image(folder / "faces" / f"frame_{number:05d}-{face}.png", picture)
    torch.manual_seed(0)
    network = build(_ARCH, padding_type="replicate").eval()
    StyleModel(network, "tiny").save(folder / "tiny.safetensors")
    shapes = {0: (64, 3), 2: (64, 64), 5: (128, 64), 7: (128, 128), 10: (256, 128)}
    vgg = {}
    for layer, (out, into) in (shapes | {12: (256, 256), 14: (256, 256)}).items():
        vgg[f"features.{layer}.weight"] = torch.randn(out, into, 3, 3) * (2 / (9 * into)) ** 0.5
        vgg[f"features.{layer}.bias"] = torch.zeros(out)
    save_file(vgg, folder / "vgg.safetensors")


def _drift(picture: str, count: int) -> list[np.ndarray]:
    source = getattr(data, picture)()
    return [
        source[60 : 60 + _HEIGHT, 40 + 2 * i : 40 + 2 * i + _WIDTH].copy() for i in range(count)
    ]


def _write_clip(path: Path, frames: list[np.ndarray]) -> None:
    height, width = frames[0].shape[:2]
    bare = path.with_suffix(".bare.mkv")
    with SegmentWriter(bare, width, height, EncodeSettings(crf=5), Fraction(25)) as writer:
        for frame in frames:
            writer.write(frame)
    assemble([bare], range(len(frames)), Fraction(1, 25), path)
    bare.unlink()


def _runs(folder: Path) -> Iterator[tuple[str, Callable[[Path], None]]]:
    """Every run by name; each writes into the folder that it is given."""
    tiny, frames = folder / "tiny.safetensors", folder / "frames" / "frame_%05d.png"
    flows = folder / "flow"

    def stylize(place: Path, source: str, suffix: str, options: tuple[str, ...]) -> None:
        parts = (folder / source, "-o", place / f"out{suffix}", "--style", tiny, "--quiet")
        _call(stylize_video.command, *parts, "--device", "cpu", *options)

    for name, settings in _STYLIZATIONS.items():
        yield name, lambda place, settings=settings: stylize(place, *settings)  # type: ignore[misc]

    def find_flow(place: Path) -> None:
        _call(compute_flow.command, folder / "frames", flows, "--device", "cpu")
        shutil.copytree(flows, place / "flow")

    def of_frames(place: Path) -> None:
        if not flows.exists():
            find_flow(place)
        _call(
            stylize_frames.command,
            *("--model-vid", tiny, "--input-pattern", frames, "--device", "cpu"),
            *("--flow-pattern", flows / "backward_[%d]_{%d}.flo"),
            *("--occlusions-pattern", flows / "reliable_[%d]_{%d}.pgm"),
            *("--fill-occlusions", "uniform-random", "--output-prefix", place / "out"),
        )

    def of_faces(place: Path) -> None:
        _call(
            stylize_frames_vr.command,
            *("--model-vid", tiny, "--input-pattern", folder / "faces" / "frame_%05d-%d.png"),
            *("--create-inconsistent", "--overlap-pixel-w", 16, "--overlap-pixel-h", 16),
            *("--output-prefix", place / "out", "--device", "cpu"),
        )

    def train(place: Path, *options: object) -> None:
        _call(
            train_video.command,
            *("--style", folder / "style.png", "--images", folder / "frames"),
            *("--loss-weights", folder / "vgg.safetensors", "--arch", _ARCH, "--iterations", 3),
            *("--sizes", 48, "--batch-sizes", 2, "--num-frame-steps", 2, "--num-val-batches", 1),
            *("--identity-iterations", 1, "--style-ramp", 1, "--style-image-size", 64),
            *("--device", "cpu", "--threads", 1, "-o", place / "model.safetensors", *options),
        )

    def judge(place: Path) -> None:
        videos = (folder / "clip.mp4", folder / "painted.mp4")
        _call(evaluate.command, "video", *videos, "--no-videos", "--jobs", 1, "-o", place / "page")

    yield "compute_flow.py", find_flow
    yield "stylize_frames.py", of_frames
    yield "stylize_frames_vr.py", of_faces
    yield "train_video.py", train
    yield "train_video.py noise", lambda place: train(place, "--fill-occlusions", "noise")
    yield "evaluate.py", judge


def _call(command: click.Command, *arguments: object) -> None:
    with contextlib.redirect_stdout(sys.stderr):
        command.main([str(argument) for argument in arguments], standalone_mode=False)


def _digest(folder: Path) -> str:
    """Of all that lies in the folder, by names and contents."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        contents = _contents(path)
        if contents is not None:
            digest.update(path.relative_to(folder).as_posix().encode())
            digest.update(contents)
    return digest.hexdigest()


def _contents(path: Path) -> bytes | None:
    """What of a file has to stay as it is; None for what differs from run to run."""
    if path.suffix == ".png":
        return read_image(path).tobytes()
    if path.suffix in (".mp4", ".mkv"):
        with av.open(str(path)) as file:
            packets = [(p.stream_index, p.pts, p.duration, bytes(p)) for p in file.demux()]
        return repr(packets).encode()
    if path.suffix == ".safetensors":
        return tensors_digest(load_file(path)).encode()
    if path.name == "metrics.json":
        return json.dumps(_numbers(json.loads(path.read_text(encoding="utf-8")))).encode()
    return path.read_bytes() if path.suffix in (".flo", ".pgm") else None


def _numbers(value: Any) -> Any:
    """What was measured, without the places of files."""
    if isinstance(value, dict):
        return {name: _numbers(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_numbers(part) for part in value]
    return None if isinstance(value, str) else value


def main() -> None:
    """Entry point."""
    run(command)


if __name__ == "__main__":
    main()
