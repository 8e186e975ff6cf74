"""Command: how well paintings that the base never saw are learned at once, in numbers."""

from brushflow.cli.start import run

import json
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from time import monotonic

import click
import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from brushflow.cli.commands import set_up_logging, stop_on_interrupt
from brushflow.cli.option_types import Pixels
from brushflow.common.atomic_files import atomic_path
from brushflow.common.sizes import fit_size, resized
from brushflow.common.torch_devices import choose_device
from brushflow.evaluation import evaluate
from brushflow.models import available, preprocess
from brushflow.models.model_file import BASE
from brushflow.pipeline import StylizeOptions, stylize_video
from brushflow.scripts.lab.train_styles import HELD_OUT, STYLES
from brushflow.training import Progress, TrainOptions, train
from brushflow.training.data.clips import find_videos
from brushflow.training.distributed import Workers
from brushflow.training.learning import EFFORTS, Effort, material, recipe_of
from brushflow.training.loop import Run
from brushflow.training.objective import Objective
from brushflow.training.places import folder_of
from brushflow.video import open_source, read_image, write_image
from brushflow.video.paintings import read_painting

_PATH = click.Path(path_type=Path)
_WAYS = {
    "quick": "`--style-effort quick`",
    "normal": "`--style-effort normal`",
    "nearest": "from the nearest bundled style",
    "norms": "of the norms alone",
    "long": "the same network, trained long",
}
_EVERY = 7  # frames between two that are judged; VGG is slow
_CRF = 6.0  # what is measured is the painting, not its compression


@click.command(context_settings={"max_content_width": 100, "show_default": True})
@click.argument("data", type=_PATH)
@click.option("--work", required=True, type=_PATH, help="Folder of all that is made, kept.")
@click.option("--painting", "names", multiple=True, default=HELD_OUT, help="Names of paintings.")
@click.option("--way", "ways", multiple=True, default=list(_WAYS), type=click.Choice(list(_WAYS)))
@click.option("--clip", default="woman", help="What is learned from, of DATA/clips/train.")
@click.option(
    "--effort",
    default="normal",
    type=click.Choice(list(EFFORTS)),
    help="That of nearest and norms.",
)
@click.option("--long", "iterations", default=6400, help="Iterations of what is trained long.")
@click.option("--max-size", default=448, type=Pixels(16), help="Longest side of what is painted.")
@click.option("--end", default=0.6, help="Seconds of every clip of DATA/clips/val.")
@click.option("--device", default="auto", help="Where to train.")
def command(
    data: Path,
    work: Path,
    names: tuple[str, ...],
    ways: tuple[str, ...],
    clip: str,
    effort: str,
    iterations: int,
    max_size: int,
    end: float,
    device: str,
) -> None:
    """Learn paintings of DATA/paintings in all ways, and judge them on the clips in DATA/clips/val.

    Writes table.md into WORK, and a picture for every painting: itself, a frame, and what becomes
    of that. The losses are those that are trained for, of the painted clips; E_warp is that of Lai
    et al. 2018, times 1000. What is there already is not done again.
    """
    set_up_logging(quiet=True)
    learned_from = data / "clips" / "train" / f"{clip}.mp4"
    learner = _Learner(data, work, learned_from, effort, iterations, device)
    for name in names:
        for way in ways:
            place = work / name / f"{learner.called(way)}.safetensors"
            if not place.exists():
                learner.learn(name, way, place)
            _judged(data, name, place, max_size, end)
            _write_table(work, names, [learner.called(each) for each in ways])
        _show(data, work, name, [learner.called(way) for way in ways], max_size)
    for style in STYLES:
        _judged(data, style.name, work / "bundled" / style.name, max_size, end, style.painting)
    _write_table(work, names, [learner.called(each) for each in ways])
    click.echo((work / "table.md").read_text(encoding="utf-8"))


class _Learner:
    """Makes models of paintings, each in several ways."""

    def __init__(
        self, data: Path, work: Path, clip: Path, effort: str, iterations: int, device: str
    ) -> None:
        self.data, self.device = data, device
        self.effort, self.iterations = effort, iterations
        self.judge = str(data / "weights" / "vgg19-caffe-conv1_1-conv3_4.safetensors")
        self.photographs, self.videos = material(work / "material" / clip.stem, clip)

    def called(self, way: str) -> str:
        """The name of the way's files."""
        of = {"long": self.iterations, "nearest": self.effort, "norms": self.effort}
        return f"{way}-{of[way]}" if way in of else way

    def learn(self, name: str, way: str, place: Path) -> None:
        """Write the model, and how long it took beside it."""
        painting = self.data / "paintings" / f"{name}.jpg"
        effort = EFFORTS[way if way in EFFORTS else self.effort]
        if way == "long":
            effort = Effort(self.iterations, self.iterations * 2 // 3, 0)
        options = TrainOptions(
            (painting,),
            place,
            images=self.data / "photos" / "train" if way == "long" else self.photographs,
            videos=self.videos,
            val_images=self.photographs,
            val_videos=self.videos,
            init_from=self._nearest(painting) if way == "nearest" else BASE,
            loss_weights=self.judge,
            device=self.device,
            **recipe_of(effort),
        )
        place.parent.mkdir(parents=True, exist_ok=True)
        began = monotonic()
        with (
            tqdm(total=effort.iterations, unit="it", desc=f"{name}, {way}") as bar,
            stop_on_interrupt() as stop,
        ):

            def show(progress: Progress) -> None:
                bar.update(progress.iteration - bar.n)

            if way == "norms":
                _learn_norms(options, bar)
            else:
                train(options, show, stop)
        text = json.dumps({"minutes": (monotonic() - began) / 60, "from": str(options.init_from)})
        place.with_suffix(".learned.json").write_text(text, encoding="utf-8")

    def _nearest(self, painting: Path) -> Path:
        """The bundled style whose painting has the most similar statistics."""
        judge = _objective(painting, self.judge).perceptual[0]

        @torch.inference_mode()
        def distance(name: str) -> float:
            (file,) = (self.data / style.painting for style in STYLES if style.name == name)
            picture = preprocess(read_painting(file, 640))
            return float(judge(picture, picture)[1])

        return Path(min(available(), key=distance))


def _learn_norms(options: TrainOptions, bar: tqdm) -> None:
    """As ``train``, but all weights stay as they are, save the norms' (Dumoulin et al. 2017)."""
    resolved = options.resolved()
    folder = folder_of(options.output)
    folder.mkdir(parents=True, exist_ok=True)
    learned = Run(resolved, Workers(choose_device(options.device)), folder)
    for parameter in learned.network.parameters():
        parameter.requires_grad_(False)
    for module in learned.network.modules():
        if isinstance(module, nn.InstanceNorm2d):
            module.requires_grad_(True)
    learned.resume()
    for parts in learned.batches():
        learned.step(parts)
        bar.update(learned.iteration - bar.n)
        if learned.due(options.checkpoint_every):
            learned.save()
    learned.model().save(options.output, torch.float16)


def _objective(painting: Path, judge: str) -> Objective:
    """What learning the painting is judged by."""
    options = TrainOptions(
        (painting,), Path("unused"), loss_weights=judge, **recipe_of(EFFORTS["normal"])
    )
    return Objective(options.resolved(), torch.device("cpu"))


def _judged(
    data: Path, name: str, model: Path, max_size: int, end: float, painting: str = ""
) -> None:
    """Paint all clips and write the numbers beside the model, if they are not there."""
    place = model.with_name(f"{model.stem}-{max_size}-{end:g}.json")
    if place.exists():
        return
    file = data / (painting or f"paintings/{name}.jpg")
    judge = str(data / "weights" / "vgg19-caffe-conv1_1-conv3_4.safetensors")
    objective = _objective(file, judge)
    losses: list[tuple[float, float]] = []
    warping: list[float] = []
    style = name if painting else str(model)
    model.parent.mkdir(parents=True, exist_ok=True)
    for source in find_videos(data / "clips" / "val"):
        output = model.with_name(f"{model.stem}-{source.stem}-{max_size}-{end:g}.mp4")
        options = StylizeOptions(
            style=style, max_size=max_size, end=Fraction(end), stroke=1.0, crf=_CRF
        )
        if not output.exists():
            stylize_video(source, output, replace(options, median_filter=1))
        found = evaluate(
            source, {"it": output}, flow="dis", distances=(1,), result_motion=False,
            max_size=max_size, end=end,
        )  # fmt: skip
        warping.append(found["it"].means["e_warp_1"] or 0.0)
        losses += _losses(objective, source, output)
    content, likeness = np.mean(losses, axis=0)
    strengths = objective.content_strength(0), objective.style_strength(0)
    values = {
        "content": strengths[0] * content,
        "style": strengths[1] * likeness,
        "e_warp": 1000 * float(np.mean(warping)),
    }
    with atomic_path(place) as partial:
        partial.write_text(json.dumps(values), encoding="utf-8")


@torch.inference_mode()
def _losses(objective: Objective, source: Path, painted: Path) -> list[tuple[float, float]]:
    """Content and style of some frames."""
    found = []
    pairs = zip(open_source(painted).read(), open_source(source).read(), strict=False)
    for number, (ours, frame) in enumerate(pairs):
        if number % _EVERY == 0:
            height, width = ours.pixels.shape[:2]
            seen = preprocess(resized(frame.pixels, (width, height)))
            content, style = objective.perceptual[0](preprocess(ours.pixels), seen)
            found.append((float(content), float(style)))
    return found


def _write_table(work: Path, names: Sequence[str], ways: Sequence[str]) -> None:
    """All numbers that are there so far."""
    lines = [
        "| painting | way | minutes | style | content | both | ÷ long | E_warp |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name in names:
        rows = {way: _numbers(work / name, way) for way in ways}
        (long,) = [row for way, row in rows.items() if way.startswith("long")] or [{}]
        for way, row in rows.items():
            if row:
                both = row["style"] + row["content"]
                share = f"{both / (long['style'] + long['content']):.2f}" if long else "–"
                lines.append(
                    f"| {name} | {_described(way)} | {row.get('minutes', 0):.1f} | "
                    f"{row['style']:.3f} | {row['content']:.3f} | {both:.3f} | {share} | "
                    f"{row['e_warp']:.2f} |"
                )
    bundled = [_numbers(work / "bundled", style.name) for style in STYLES]
    if all(bundled):
        mean = np.mean([row["e_warp"] for row in bundled])
        lines.append(f"| all bundled styles | | | | | | | {mean:.2f} |")
    with atomic_path(work / "table.md") as partial:
        partial.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _described(way: str) -> str:
    name, _, of = way.partition("-")
    return f"{_WAYS[name]}{of and f' ({of})'}"


def _numbers(folder: Path, way: str) -> dict[str, float]:
    """What is known of a model, empty if nothing."""
    judged = sorted(folder.glob(f"{way}-[0-9]*.json"))
    learned = folder / f"{way}.learned.json"
    values = json.loads(judged[0].read_text(encoding="utf-8")) if judged else {}
    if values and learned.exists():
        values |= json.loads(learned.read_text(encoding="utf-8"))
    return values


def _show(data: Path, work: Path, name: str, ways: Sequence[str], max_size: int) -> None:
    """The painting, frames, and what every way makes of them, in rows at full size."""
    painting = read_image(data / "paintings" / f"{name}.jpg")
    rows = []
    for source in find_videos(data / "clips" / "val"):
        painted = [
            next(iter(sorted((work / name).glob(f"{way}-{source.stem}-*.mp4"))), None)
            for way in ways
        ]
        pictures = [list(open_source(path).read())[-1].pixels for path in painted if path]
        if pictures:
            height, width = pictures[0].shape[:2]
            frame = next(iter(open_source(source).read())).pixels
            rows.append([resized(frame, (width, height)), *pictures])
    if not rows:
        return
    width = max(sum(picture.shape[1] for picture in row) for row in rows)
    size = fit_size((painting.shape[1], painting.shape[0]), 2 * max_size, enlarge=True)
    rows.insert(0, [resized(painting, size)])
    bands = []
    for row in rows:
        band = np.full((row[0].shape[0], max(width, size[0]), 3), 255, np.uint8)
        left = 0
        for picture in row:
            band[:, left : left + picture.shape[1]] = picture
            left += picture.shape[1]
        bands.append(band)
    write_image(work / f"{name}.jpg", np.vstack(bands))


def main() -> None:
    """Entry point."""
    run(command)


if __name__ == "__main__":
    main()
