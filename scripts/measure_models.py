"""Command: every bundled style on every validation clip, measured, as a page of tables."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from brushflow.cli import run, set_up_logging
from brushflow.errors import UsageError
from brushflow.evaluation import Evaluation, evaluate
from brushflow.evaluation.drift import change_percent
from brushflow.evaluation.evaluation import mean_or_none
from brushflow.files import atomic_path
from brushflow.flow import load_estimator
from brushflow.models import available, load
from brushflow.pipeline import StylizeOptions, stylize_video
from brushflow.training.clips import find_videos
from brushflow.video import open_source

_PATH = click.Path(path_type=Path)
_DISTANCES = (1, 10)
_APPEARANCE = ("luminance", "contrast")
_FAITHFUL_EVERY = 10  # frames; VGG is slow
# Nearly lossless: what is measured is the painting, not its compression.
_CRF = 6.0


@click.command(context_settings={"max_content_width": 100, "show_default": True})
@click.argument("clips", type=_PATH)
@click.argument("paintings", type=_PATH)
@click.option("--loss-weights", required=True, type=_PATH, help="VGG weights, for the losses.")
@click.option("-o", "--output", required=True, type=_PATH, help="Markdown page to write.")
@click.option("--work", required=True, type=_PATH, help="Folder of the stylized clips, kept.")
@click.option("--styles", multiple=True, help="Bundled styles; all of them without it.")
@click.option("--flow", default="raft-small", help="Optical flow that judges stability.")
@click.option("--flow-weights", type=_PATH, help="Its weights.")
@click.option("--max-size", default=640, help="Longest side that clips are painted at.")
@click.option("--end", default=2.0, help="Seconds of every clip; the longest is measured whole.")
def command(
    clips: Path,
    paintings: Path,
    loss_weights: Path,
    output: Path,
    work: Path,
    styles: tuple[str, ...],
    flow: str,
    flow_weights: Path | None,
    max_size: int,
    end: float,
) -> None:
    """Measure the bundled styles on CLIPS against their paintings in PAINTINGS.

    Every clip is painted with and without recurrence. What is there already in --work is not done
    again, so the command can be interrupted.
    """
    set_up_logging(quiet=True)
    names = list(styles) or available()
    files = {p.stem: p for p in paintings.iterdir()} if paintings.is_dir() else {}
    missing = [name for name in names if name not in files]
    if missing:
        raise UsageError(f"{paintings} holds no picture called {missing[0]}.")
    work.mkdir(parents=True, exist_ok=True)
    sources = find_videos(clips)
    estimator = load_estimator(flow, "cpu", flow_weights)
    rows: dict[str, list[_Row]] = {name: [] for name in names}
    # What numbers depend on: those of other settings, or of a style trained anew, do not count.
    places = {name: work / f"{name}-{load(name).digest[:12]}-{max_size}" for name in names}
    for source in tqdm(sources, unit="clip"):
        label = "__".join(source.relative_to(clips).with_suffix("").parts)
        painted = {name: _paint(source, label, name, places[name], max_size, end) for name in names}
        kept = {name: places[name] / f"{label}-{end:g}s-{flow}.json" for name in names}
        known = {name: _read(path) for name, path in kept.items() if path.exists()}
        new = [name for name in names if name not in known]
        if new:
            results = {key: path for name in new for key, path in painted[name].items()}
            stability = evaluate(
                source,
                results,
                flow=estimator,
                distances=_DISTANCES,
                result_motion=False,
                max_size=max_size,
                end=end,
            )
            for name in new:
                faithful = evaluate(
                    source,
                    painted[name],
                    flow="dis-fast",
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
            change = _change(source, label, name, places[name], max_size)
            rows[name].append(_Row(label, known[name], change))
    longest = max(range(len(sources)), key=lambda i: _frames(sources[i]))
    with atomic_path(output) as partial:
        partial.write_text(_page(rows, longest, flow, max_size, end), encoding="utf-8")
    click.echo(f"Wrote {output}.")


@dataclass(frozen=True)
class _Row:
    """One clip's numbers of one style.

    By metric the values of floor, ours, alone; by appearance the change of floor, ours.
    """

    clip: str
    numbers: dict[str, list[float | None]]
    change: dict[str, list[float | None]]

    def ratio(self, metric: str) -> str:
        return _ratio(self.numbers[metric])

    def changes(self) -> str:
        """Cells of the table: luminance and contrast, of the source and ours."""
        return " | ".join(
            f"{_signed(source)} / {_signed(ours)} %"
            for source, ours in (self.change[key] for key in _APPEARANCE)
        )


def _paint(
    source: Path,
    label: str,
    name: str,
    place: Path,
    max_size: int,
    end: float | None,
    kinds: Sequence[str] = ("recurrent", "alone"),
) -> dict[str, Path]:
    """The clip painted with recurrence and frame by frame, by the names they are measured under."""
    part = "whole" if end is None else f"{end:g}s"
    painted = {}
    for kind in kinds:
        path = place / f"{label}-{part}-{kind}.mp4"
        painted[f"{name} {kind}"] = path
        if path.exists():
            continue
        place.mkdir(exist_ok=True)
        options = StylizeOptions(
            style=name,
            max_size=max_size,
            end=None if end is None else Fraction(end),
            independent=kind == "alone",
            median_filter=1,
            crf=_CRF,
        )
        stylize_video(source, path, options)
    return painted


def _numbers(name: str, stability: Evaluation, faithful: Evaluation) -> dict[str, list[float]]:
    """By metric: floor (the source), with recurrence, frame by frame."""

    def three(evaluation: Evaluation, key: str) -> list[Any]:
        ours, alone = (evaluation[f"{name} {kind}"] for kind in ("recurrent", "alone"))
        return [m.means.get(key) for m in (evaluation.floor, ours, alone)]

    keys = [f"e_warp_{distance}" for distance in _DISTANCES]
    values = {key: three(stability, key) for key in [*keys, "flicker"]}
    return values | {key: three(faithful, key) for key in ("style", "content")}


def _change(source: Path, label: str, name: str, place: Path, max_size: int) -> dict[str, Any]:
    """How luminance and contrast change over a whole clip, in percent: of the source, of ours."""
    kept = place / f"{label}-change.json"
    if kept.exists():
        return _read(kept)
    path = next(iter(_paint(source, label, name, place, max_size, None, ("recurrent",)).values()))
    measured = evaluate(
        source,
        {name: path},
        flow="dis-fast",
        distances=(1,),
        result_motion=False,
        max_size=max_size,
    )
    values = {
        key: [
            _finite(change_percent(video.series[key], measured.frame_rate))
            for video in (measured.floor, measured[name])
        ]
        for key in _APPEARANCE
    }
    _write(kept, values)
    return values


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def _write(path: Path, values: dict[str, Any]) -> None:
    with atomic_path(path) as partial:
        partial.write_text(json.dumps(values, indent=1), encoding="utf-8")


def _frames(path: Path) -> int:
    return sum(1 for _ in open_source(path).read(size=(16, 16), gray=True))


def _page(
    rows: dict[str, list[_Row]],
    longest: int,
    flow: str,
    max_size: int,
    end: float,
) -> str:
    """Markdown: one table of all styles, then one per style."""
    lines = [
        "# Measurements of the bundled styles",
        "",
        f"By `make results`: the first {end:g} seconds of every validation clip, at most "
        f"{max_size} pixels a side; luminance and contrast of whole clips, in the first table "
        "of the longest. "
        f"E_warp is that of Lai et al. 2018 (masked squared error per sample, RGB in [0, 1]; "
        f"{flow} on the source), times 1000. *Source* is the floor: the video itself, its noise "
        "and the errors of the flow. *Alone* is the ceiling: the same network without recurrence. "
        "Style and content losses are divided by those of *alone*. Luminance and contrast: how the "
        "last second's mean differs from the second second's (of clips under three seconds, the "
        "last third's from the second's).",
        "",
        "| style | E_warp, 1 frame: source / ours / alone | ours ÷ alone | E_warp, 10 frames | "
        "ours ÷ alone | style | content | luminance: source / ours | contrast |",
        "|---|---|---:|---|---:|---:|---:|---|---|",
    ]
    for name, clips in rows.items():
        one, ten = (_mean_of(clips, f"e_warp_{d}") for d in _DISTANCES)
        style, content = (_mean_of(clips, key) for key in ("style", "content"))
        lines.append(
            f"| {name} | {_thousandths(one)} | {_ratio(one)} | {_thousandths(ten)} | "
            f"{_ratio(ten)} | {_ratio(style)} | {_ratio(content)} | "
            f"{clips[longest].changes()} |"
        )
    for name, clips in rows.items():
        lines += [
            "",
            f"## {name}",
            "",
            "| clip | E_warp, 1 frame: source / ours / alone | ours ÷ alone | E_warp, 10 frames | "
            "ours ÷ alone | style | content | luminance: source / ours | contrast |",
            "|---|---|---:|---|---:|---:|---:|---|---|",
        ]
        for row in clips:
            lines.append(
                f"| {row.clip} | {_thousandths(row.numbers['e_warp_1'])} | "
                f"{row.ratio('e_warp_1')} | {_thousandths(row.numbers['e_warp_10'])} | "
                f"{row.ratio('e_warp_10')} | {row.ratio('style')} | "
                f"{row.ratio('content')} | {row.changes()} |"
            )
    return "\n".join(lines) + "\n"


def _mean_of(rows: Sequence[_Row], metric: str) -> list[float | None]:
    """Means over clips of floor, ours, alone; the losses have no floor, short clips no distance."""
    columns = zip(*(row.numbers[metric] for row in rows), strict=True)
    return [mean_or_none(column) for column in columns]


def _ratio(values: Sequence[float | None]) -> str:
    """Ours divided by alone."""
    _, ours, alone = values
    return "–" if ours is None or not alone else f"{ours / alone:.2f}"


def _thousandths(values: Sequence[float | None]) -> str:
    return " / ".join("–" if value is None else f"{1000 * value:.2f}" for value in values)


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.1f}"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def main() -> None:
    """Entry point."""
    run(command)


if __name__ == "__main__":
    main()
