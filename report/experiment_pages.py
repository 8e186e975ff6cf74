"""What the comparison of networks and losses has found: a section of Markdown, a page of videos."""

import html
from collections.abc import Mapping, Sequence
from pathlib import Path

from brushflow.common.atomic_files import atomic_path

# By the name of a model, by that of a metric.
Means = Mapping[str, Mapping[str, float]]
# What is measured, its heading, and what it is multiplied by to be read easily.
METRICS = {
    "e_warp_1": ("E_warp, 1 frame", 1e3),
    "e_warp_10": ("E_warp, 10 frames", 1e3),
    "fdb": ("frame difference error", 1e3),
    "flicker": ("fast flicker", 1e3),
    "style": ("style loss", 1e-3),
    "content": ("content loss", 1e-3),
}


def write_pages(
    output: Path, about: str, means: Means, clips: Sequence[str], models: Mapping[str, Path]
) -> None:
    """Write results.md and index.html into ``output``; its videos are there.

    ``about`` tells how the models were made; ``models``: their files, by name.
    """
    with atomic_path(output / "results.md") as partial:
        partial.write_text(_markdown(about, means), encoding="utf-8")
    with atomic_path(output / "index.html") as partial:
        partial.write_text(_html(means, clips, models), encoding="utf-8")


def _markdown(about: str, means: Means) -> str:
    """A section of a page."""
    lines = [
        "## Networks and temporal losses",
        "",
        f"By `python scripts/lab/experiment.py fdb`: the networks of the frame-difference paper "
        f"(Xu et al. 2021) with its losses. {about} The warping, difference and flicker errors are "
        f"times 1000, the losses divided by 1000.",
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


def _html(means: Means, clips: Sequence[str], models: Mapping[str, Path]) -> str:
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


def _cells(row: Mapping[str, float]) -> list[str]:
    return [
        f"{factor * row[key]:.3g}" if key in row else "–" for key, (_, factor) in METRICS.items()
    ]
