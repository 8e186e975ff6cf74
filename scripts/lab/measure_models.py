"""Command: every bundled style on every validation clip, measured, as a page of tables."""

from brushflow.cli.start import run

import hashlib
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from brushflow.cli.commands import set_up_logging
from brushflow.cli.option_types import Pixels
from brushflow.common.atomic_files import atomic_path, file_digest
from brushflow.common.errors import UsageError
from brushflow.evaluation import Evaluation, evaluate
from brushflow.flow import load_estimator
from brushflow.models import available, load
from brushflow.pipeline import StylizeOptions, stylize_video
from brushflow.pipeline.long_term import LONG_TERM
from brushflow.report.models_page import DISTANCES, Row, results_page
from brushflow.scripts.lab.train_styles import STYLES
from brushflow.shots.scan import find_cuts
from brushflow.training.data.clips import find_videos, names_below
from brushflow.video import open_source

_PATH = click.Path(path_type=Path)
_FAITHFUL_EVERY = 10  # frames; VGG is slow
# Nearly lossless: what is measured is the painting, not its compression.
_CRF = 6.0
_KINDS = ("recurrent", "short", "alone")


@click.command(context_settings={"max_content_width": 100, "show_default": True})
@click.argument("data", type=_PATH)
@click.option("--loss-weights", required=True, type=_PATH, help="VGG weights, for the losses.")
@click.option("-o", "--output", required=True, type=_PATH, help="Markdown page to write.")
@click.option("--work", required=True, type=_PATH, help="Folder of the stylized clips, kept.")
@click.option("--styles", multiple=True, help="Bundled styles; all of them without it.")
@click.option("--flow", default="raft-small", help="Optical flow that judges stability.")
@click.option("--flow-weights", type=_PATH, help="Its weights.")
@click.option(
    "--max-size", default=640, type=Pixels(16), help="Longest side that clips are painted at."
)
@click.option("--end", default=2.0, help="Seconds of every clip.")
def command(
    data: Path,
    loss_weights: Path,
    output: Path,
    work: Path,
    styles: tuple[str, ...],
    flow: str,
    flow_weights: Path | None,
    max_size: int,
    end: float,
) -> None:
    """Measure the bundled styles on the clips in DATA/clips/val, against their paintings in DATA.

    Every clip is painted as usual, without the long-term prior, and frame by frame. What is there
    already in --work is not done again, so the command can be interrupted.
    """
    set_up_logging(quiet=True)
    names = list(styles) or available()
    files = {style.name: data / style.painting for style in STYLES}
    for name in names:
        if name not in files:
            raise UsageError(f"The styles' recipe knows no {name}; it has {', '.join(files)}.")
        if not files[name].exists():
            raise UsageError(f"{data} holds no painting {files[name].relative_to(data)}.")
    clips = data / "clips" / "val"
    work.mkdir(parents=True, exist_ok=True)
    sources = find_videos(clips)
    estimator = load_estimator(flow, "cpu", flow_weights)
    rows: dict[str, list[Row]] = {name: [] for name in names}
    # What paintings depend on, and then what numbers do: those of other settings or weights, or of
    # a style trained anew, do not count. Changes of the program do, until WORK is removed.
    places = {name: work / f"{name}-{load(name).digest[:12]}-{max_size}" for name in names}
    judges = {name: _digest(loss_weights, flow_weights, files[name]) for name in names}
    labels = dict(zip(sources, names_below(clips, sources), strict=True))
    for source, label in tqdm(labels.items(), unit="clip"):
        painted = {name: _paint(source, label, name, places[name], max_size, end) for name in names}
        by = flow.replace(":", "-")  # which no name on Windows has
        kept = {name: places[name] / f"{label}-{end:g}s-{by}-{judges[name]}.json" for name in names}
        known = {name: _read(path) for name, path in kept.items() if path.exists()}
        new = [name for name in names if name not in known]
        if new:
            cuts = find_cuts(open_source(source), "auto", end)
            results = {key: path for name in new for key, path in painted[name].items()}
            stability = evaluate(
                source,
                results,
                flow=estimator,
                cuts=cuts,
                distances=DISTANCES,
                result_motion=False,
                max_size=max_size,
                end=end,
            )
            for name in new:
                faithful = evaluate(
                    source,
                    painted[name],
                    flow="dis-fast",
                    cuts=cuts,
                    distances=(1,),
                    result_motion=False,
                    style=files[name],
                    loss_weights=loss_weights,
                    every=_FAITHFUL_EVERY,
                    max_size=max_size,
                    end=end,
                )
                known[name] = _numbers(name, stability, faithful)
                _write(kept[name], known[name])
        for name in names:
            rows[name].append(Row(label, known[name]))
    with atomic_path(output) as partial:
        partial.write_text(results_page(rows, flow, max_size, end), encoding="utf-8")
    click.echo(f"Wrote {output}.")


def _paint(
    source: Path,
    label: str,
    name: str,
    place: Path,
    max_size: int,
    end: float,
) -> dict[str, Path]:
    """The clip painted in these ways, by the names they are measured under."""
    painted = {}
    for kind in _KINDS:
        path = place / f"{label}-{end:g}s-{kind}.mp4"
        painted[f"{name} {kind}"] = path
        if path.exists():
            continue
        place.mkdir(exist_ok=True)
        options = StylizeOptions(
            style=name,
            max_size=max_size,
            end=Fraction(end),
            independent=kind == "alone",
            long_term=0.0 if kind == "short" else LONG_TERM,
            stroke=1.0,
            median_filter=1,
            crf=_CRF,
        )
        stylize_video(source, path, options)
    return painted


def _digest(*files: Path | None) -> str:
    """A few digits that are others for other files."""
    digests = "".join(file_digest(file) for file in files if file is not None)
    return hashlib.sha256(digests.encode()).hexdigest()[:8]


def _numbers(name: str, stability: Evaluation, faithful: Evaluation) -> dict[str, list[float]]:
    """By metric: floor (the source), as usual, without the long-term prior, frame by frame."""

    def four(evaluation: Evaluation, key: str) -> list[Any]:
        painted = (evaluation[f"{name} {kind}"] for kind in _KINDS)
        return [m.means.get(key) for m in (evaluation.floor, *painted)]

    keys = [f"e_warp_{distance}" for distance in DISTANCES]
    values = {key: four(stability, key) for key in [*keys, "flicker", "sharpness"]}
    return values | {key: four(faithful, key) for key in ("style", "content")}


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def _write(path: Path, values: dict[str, Any]) -> None:
    with atomic_path(path) as partial:
        partial.write_text(json.dumps(values, indent=1), encoding="utf-8")


def main() -> None:
    """Entry point."""
    run(command)


if __name__ == "__main__":
    main()
