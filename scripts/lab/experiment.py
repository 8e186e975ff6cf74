"""Command: the comparison of the frame-difference paper, from training to a page of results."""

from brushflow.cli.start import run

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from brushflow.cli.commands import set_up_logging, stop_on_interrupt
from brushflow.common.atomic_files import atomic_path
from brushflow.common.errors import UsageError
from brushflow.evaluation import evaluate
from brushflow.flow import load_estimator
from brushflow.models.network import FDB_ARCH
from brushflow.pipeline import StylizeOptions, stylize_video
from brushflow.report.experiment_pages import METRICS, write_pages
from brushflow.shots.scan import find_cuts
from brushflow.training import TrainOptions, train
from brushflow.training.data.clips import find_videos, names_below
from brushflow.training.options import SMALL_ARCH
from brushflow.training.recipes import RECIPES
from brushflow.training.temporal import TEMPORAL_LOSSES
from brushflow.video import open_source

_PATH = click.Path(path_type=Path)
NETWORKS = ("image", "recurrent", "video")
LOSSES = ("none", "ofb", "p-fdb", "c-fdb")


@dataclass(frozen=True)
class Scale:
    """How large the experiment is. ``sequence``: steps in a row for networks with a memory."""

    arch: str
    size: int
    batch: int
    baseline: int
    fine_tuning: int
    sequence: int
    clip_seconds: float
    max_size: int


SCALES = {
    # An hour on two cores.
    "small": Scale(SMALL_ARCH, 128, 4, 500, 50, 2, 1.0, 480),
    # Xu et al. 2021: one epoch of COCO, then one of DAVIS (REFERENCE F3).
    "paper": Scale(FDB_ARCH, 400, 4, 29_000, 4_000, 3, 4.0, 854),
}


@click.group(context_settings={"max_content_width": 100})
def command() -> None:
    """Published comparisons, each as one command that can be interrupted."""


@command.command()
@click.option("--style", required=True, type=_PATH, help="Painting.")
@click.option("--images", required=True, type=_PATH, help="Photographs for the baseline.")
@click.option("--videos", required=True, type=_PATH, help="Videos, or a prepared folder of them.")
@click.option("--clips", required=True, type=_PATH, help="Held-out clips to judge by.")
@click.option("-o", "--output", required=True, type=_PATH, help="Folder for everything.")
@click.option("--scale", default="small", show_default=True, type=click.Choice(list(SCALES)))
@click.option("--networks", multiple=True, type=click.Choice(NETWORKS), default=NETWORKS)
@click.option("--losses", multiple=True, type=click.Choice(LOSSES), default=LOSSES)
@click.option("--loss-weights", default="vgg16", show_default=True, help="As of train_video.py.")
@click.option("--flow", default="dis", show_default=True, help="Optical flow that judges.")
@click.option("--flow-weights", type=_PATH, help="Its weights.")
@click.option("--threads", default=0, help="Threads to train with; 0 leaves it to PyTorch.")
def fdb(
    style: Path,
    images: Path,
    videos: Path,
    clips: Path,
    output: Path,
    scale: str,
    networks: tuple[str, ...],
    losses: tuple[str, ...],
    loss_weights: str,
    flow: str,
    flow_weights: Path | None,
    threads: int,
) -> None:
    """Networks × temporal losses: which is stable, which keeps the style?

    A baseline without a temporal loss is trained on photographs; every combination is fine-tuned
    from it on videos, with the published weights of these losses, and judged on held-out clips.
    At the scale of the paper the network and all other settings are published ones too, else they
    are those of the quick recipe. Writes results.md and index.html with the table and the videos.
    Type the same command again after an interruption.
    """
    set_up_logging()
    setting = SCALES[scale]
    places = {"style": style, "images": images, "videos": videos, "clips": clips}
    inputs = {name: path.name for name, path in places.items()}
    inputs["loss weights"] = Path(loss_weights).name
    _same_as_before(output, {"scale": asdict(setting), **inputs})
    common = {"style": (style,), "loss_weights": loss_weights, "threads": threads}
    published = scale == "paper"
    with stop_on_interrupt() as stop:

        def trained(path: Path, **changes: Any) -> Path:
            if path.exists():
                return path
            path.parent.mkdir(parents=True, exist_ok=True)
            options = TrainOptions(output=path, **_settings(setting, published) | common | changes)
            with tqdm(total=options.iterations, desc=path.stem, unit="it") as bar:
                return train(options, lambda p: bar.update(p.iteration - bar.n), stop)

        baseline = trained(
            output / "models" / "baseline.safetensors",
            images=images,
            network="image",
            data_mix="single_image:1",
            iterations=setting.baseline,
            batch_schedule=str(setting.batch),
            temporal_loss="none",
            learning_rate="1e-3" if published else "2e-3",
        )
        models = {}
        for network in networks:
            for loss in losses:
                name = f"{network}, {loss}"
                models[name] = trained(
                    output / "models" / f"{network}-{loss}.safetensors",
                    videos=videos,
                    network=network,
                    data_mix="video:1",
                    init_from=baseline,
                    iterations=setting.fine_tuning,
                    temporal_loss=loss,
                    temporal_weight_schedule=str(TEMPORAL_LOSSES[loss].weight),
                    through_time=True,
                    frame_steps_schedule="1" if network == "image" else str(setting.sequence),
                    batch_schedule="1" if published else "2",
                    learning_rate="1e-4" if published else "5e-4",
                )
    _judge(models, clips, output, setting, style, loss_weights, flow, flow_weights)


def _same_as_before(output: Path, settings: dict[str, Any]) -> None:
    """UsageError if the folder holds an experiment with other settings."""
    output.mkdir(parents=True, exist_ok=True)
    note = output / "experiment.json"
    if note.exists() and json.loads(note.read_text(encoding="utf-8")) != settings:
        raise UsageError(
            f"{output} holds an experiment with another scale, style or input; choose another "
            f"--output."
        )
    with atomic_path(note) as partial:
        partial.write_text(json.dumps(settings, indent=1), encoding="utf-8")


def _settings(setting: Scale, published: bool) -> dict[str, Any]:
    return (RECIPES["fdb"] if published else {}) | {
        "arch": setting.arch,
        "size_schedule": str(setting.size),
        "holes": False,
        "val_batches": 4,
        "validate_every": 0,
        "images_every": 0,
    }


def _judge(
    models: dict[str, Path],
    clips: Path,
    output: Path,
    setting: Scale,
    style: Path,
    loss_weights: str,
    flow: str,
    flow_weights: Path | None,
) -> None:
    """Paint the clips with every model, measure, and write the pages."""
    estimator = load_estimator(flow, "cpu", flow_weights)
    table: dict[str, dict[str, list[float]]] = {}
    sources = find_videos(clips)
    names = names_below(clips, sources)
    for source, name in zip(sources, names, strict=True):
        painted = dict(_painted(source, name, models, output / "videos", setting))
        measured = evaluate(
            source,
            painted,
            flow=estimator,
            cuts=find_cuts(open_source(source), "auto", setting.clip_seconds),
            distances=(1, 10),
            result_motion=False,
            style=style,
            loss_weights=loss_weights,
            every=10,
            max_size=setting.max_size,
            end=setting.clip_seconds,
        )
        for video in (measured.floor, *measured.results):
            row = table.setdefault("source" if video is measured.floor else video.name, {})
            for key in METRICS:
                value = video.means.get(key)
                if value is not None:
                    row.setdefault(key, []).append(value)
    means = {
        name: {key: sum(values) / len(values) for key, values in row.items()}
        for name, row in table.items()
    }
    about = (
        f"A baseline, `{setting.arch}`, learns the style from photographs in {setting.baseline} "
        f"iterations of {setting.batch} pictures of {setting.size} pixels; from it each "
        f"combination is fine-tuned on videos for {setting.fine_tuning} iterations, and judged on "
        f"the first {setting.clip_seconds:g} s of {len(sources)} clips it has not seen ({flow}, at "
        f"most {setting.max_size} pixels)."
    )
    write_pages(output, about, means, names, models)
    click.echo(f"Wrote {output / 'results.md'} and {output / 'index.html'}.")


def _painted(
    source: Path, clip: str, models: dict[str, Path], folder: Path, setting: Scale
) -> Iterator[tuple[str, Path]]:
    folder.mkdir(parents=True, exist_ok=True)
    for name, model in tqdm(models.items(), desc=source.stem, unit="video"):
        path = folder / f"{clip}-{model.stem}.mp4"
        if not path.exists():
            options = StylizeOptions(
                style=os.fspath(model),
                max_size=setting.max_size,
                end=Fraction(setting.clip_seconds),
                median_filter=1,
                crf=8.0,
            )
            stylize_video(source, path, options)
        yield name, path


def main() -> None:
    """Entry point."""
    run(command)


if __name__ == "__main__":
    main()
