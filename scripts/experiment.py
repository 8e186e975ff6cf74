"""Command: the comparison of the frame-difference paper, from training to a page of results."""

import html
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from brushflow.cli import run, set_up_logging, stop_on_interrupt
from brushflow.errors import UsageError
from brushflow.evaluation import evaluate
from brushflow.files import atomic_path
from brushflow.flow import load_estimator
from brushflow.models.network import PAPER_ARCH
from brushflow.pipeline import StylizeOptions, stylize_video
from brushflow.training import TrainOptions, train
from brushflow.training.clips import find_videos
from brushflow.training.options import SMALL_ARCH
from brushflow.training.temporal import PAPER_WEIGHTS

_PATH = click.Path(path_type=Path)
NETWORKS = ("image", "recurrent", "video")
LOSSES = ("none", "ofb", "p-fdb", "c-fdb")
# What is measured, its heading, and what it is multiplied by to be read easily.
METRICS = {
    "e_warp_1": ("E_warp, 1 frame", 1e3),
    "e_warp_10": ("E_warp, 10 frames", 1e3),
    "fdb": ("frame difference error", 1e3),
    "flicker": ("fast flicker", 1e3),
    "style": ("style loss", 1e-3),
    "content": ("content loss", 1e-3),
}


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
    "paper": Scale(PAPER_ARCH, 400, 4, 29_000, 4_000, 3, 4.0, 854),
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
    from it on videos, with the published weights, and judged on held-out clips. Writes
    results.md and index.html with the table and the videos. Type the same command again after an
    interruption.
    """
    set_up_logging()
    setting = SCALES[scale]
    _same_as_before(output, {"scale": asdict(setting), "style": style.name})
    common = {"style": (style,), "loss_weights": loss_weights, "threads": threads}
    with stop_on_interrupt() as stop:

        def trained(path: Path, **changes: Any) -> Path:
            if path.exists():
                return path
            path.parent.mkdir(parents=True, exist_ok=True)
            options = TrainOptions(output=path, **common, **_settings(setting), **changes)
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
                    temporal_weight_schedule=str(PAPER_WEIGHTS[loss]),
                    through_time=True,
                    frame_steps_schedule="1" if network == "image" else str(setting.sequence),
                    batch_schedule="1" if scale == "paper" else "2",
                    learning_rate="1e-4" if scale == "paper" else "5e-4",
                )
    _judge(models, clips, output, setting, style, loss_weights, flow, flow_weights)


def _same_as_before(output: Path, settings: dict[str, Any]) -> None:
    """UsageError if the folder holds an experiment with other settings."""
    output.mkdir(parents=True, exist_ok=True)
    note = output / "experiment.json"
    if note.exists() and json.loads(note.read_text(encoding="utf-8")) != settings:
        raise UsageError(
            f"{output} holds an experiment of another scale or style; choose another --output."
        )
    with atomic_path(note) as partial:
        partial.write_text(json.dumps(settings, indent=1), encoding="utf-8")


def _settings(setting: Scale) -> dict[str, Any]:
    return {
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
    for source in sources:
        painted = dict(_painted(source, models, output / "videos", setting))
        measured = evaluate(
            source,
            painted,
            flow=estimator,
            distances=(1, 10),
            result_motion=False,
            style=style,
            loss_weights=loss_weights,
            every=10,
            max_size=setting.max_size,
            end=setting.clip_seconds,
        )
        for video in (measured.floor, *measured.results):
            name = "source" if video is measured.floor else video.name
            row = table.setdefault(name, {})
            for key in METRICS:
                value = video.means.get(key)
                if value is not None:
                    row.setdefault(key, []).append(value)
    means = {
        name: {key: sum(values) / len(values) for key, values in row.items()}
        for name, row in table.items()
    }
    with atomic_path(output / "results.md") as partial:
        page = _markdown(means, setting, len(sources), flow)
        partial.write_text(page, encoding="utf-8")
    with atomic_path(output / "index.html") as partial:
        partial.write_text(_html(means, [s.stem for s in sources], models), encoding="utf-8")
    click.echo(f"Wrote {output / 'results.md'} and {output / 'index.html'}.")


def _painted(
    source: Path, models: dict[str, Path], folder: Path, setting: Scale
) -> Iterator[tuple[str, Path]]:
    folder.mkdir(parents=True, exist_ok=True)
    for name, model in tqdm(models.items(), desc=source.stem, unit="video"):
        path = folder / f"{source.stem}-{model.stem}.mp4"
        if not path.exists():
            options = StylizeOptions(
                style=os.fspath(model),
                max_size=setting.max_size,
                end=setting.clip_seconds,
                median_filter=1,
                crf=8.0,
            )
            stylize_video(source, path, options)
        yield name, path


def _cells(row: dict[str, float]) -> list[str]:
    return [
        f"{factor * row[key]:.3g}" if key in row else "–" for key, (_, factor) in METRICS.items()
    ]


def _markdown(means: dict[str, dict[str, float]], setting: Scale, clips: int, flow: str) -> str:
    """A section of a page."""
    lines = [
        "## Networks and temporal losses",
        "",
        f"By `python scripts/experiment.py fdb`: the networks of the frame-difference paper (Xu et "
        f"al. 2021) with its losses. A baseline, `{setting.arch}`, learns the style from "
        f"photographs in {setting.baseline} iterations of {setting.batch} pictures of "
        f"{setting.size} pixels; from it each combination is fine-tuned on videos for "
        f"{setting.fine_tuning} iterations, and judged on the first {setting.clip_seconds:g} s of "
        f"{clips} clips it has not seen ({flow}, at most {setting.max_size} pixels). The warping, "
        f"difference and flicker errors are times 1000, the losses divided by 1000.",
        "",
        f"| network, loss | {' | '.join(label for label, _ in METRICS.values())} |",
        f"|---|{'---:|' * len(METRICS)}",
        *(f"| {name} | {' | '.join(_cells(row))} |" for name, row in means.items()),
        "",
        "All rows start from one set of weights and see the same data, so rows can be compared "
        "with each other: what a loss does to stability, and what it costs in style and content. "
        "They say nothing about how good a fully trained network is, nor whether the order stays "
        "the same after the paper's 33,000 iterations (`--scale paper`, on a GPU): one seed, one "
        "painting, no error bars.",
    ]
    return "\n".join(lines) + "\n"


def _html(means: dict[str, dict[str, float]], clips: list[str], models: dict[str, Path]) -> str:
    head = "".join(f"<th>{label}</th>" for label, _ in METRICS.values())
    rows = "".join(
        f"<tr><th>{html.escape(name)}</th>{''.join(f'<td>{c}</td>' for c in _cells(row))}</tr>"
        for name, row in means.items()
    )
    videos = "".join(
        f"<h2>{html.escape(clip)}</h2><div>"
        + "".join(
            f"<figure><video src='videos/{html.escape(clip)}-{path.stem}.mp4' muted loop autoplay "
            f"width='320'></video><figcaption>{html.escape(name)}</figcaption></figure>"
            for name, path in models.items()
        )
        + "</div>"
        for clip in clips
    )
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>Networks and losses</title>"
        "<style>body{font:15px system-ui;margin:2rem}td,th{padding:.2rem .7rem;text-align:right}"
        "div{display:flex;flex-wrap:wrap;gap:1rem}figure{margin:0}</style>"
        f"<h1>Networks and temporal losses</h1><table><tr><th></th>{head}</tr>{rows}</table>"
        f"{videos}</html>"
    )


def main() -> None:
    """Entry point."""
    run(command)


if __name__ == "__main__":
    main()
