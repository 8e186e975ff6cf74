"""The page that tells how stable and how faithful the bundled styles are."""

from collections.abc import Sequence
from dataclasses import dataclass

from brushflow.evaluation.evaluation import mean_or_none

DISTANCES = (1, 10)  # frames between those whose difference counts
APPEARANCE = ("luminance", "contrast")
# What is told of every clip, ours divided by alone.
BY_CLIP = (
    ("E_warp over 1 frame", "e_warp_1"),
    ("E_warp over 10 frames", "e_warp_10"),
    ("Style loss", "style"),
    ("Content loss", "content"),
)


@dataclass(frozen=True)
class Row:
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
            for source, ours in (self.change[key] for key in APPEARANCE)
        )


def results_page(
    rows: dict[str, list[Row]],
    longest: int,
    flow: str,
    max_size: int,
    end: float,
) -> str:
    """Markdown: one table of all styles, then one per metric with all clips."""
    lines = [
        "# Measurements of the bundled styles",
        "",
        f"By `make results`: the first {end:g} seconds of every validation clip, at most "
        f"{max_size} pixels a side; luminance and contrast of the longest, whole. "
        f"E_warp is that of Lai et al. 2018 (masked squared error per sample, RGB in [0, 1]; "
        f"{flow} on the source), times 1000. *Source* is the floor: the video itself, its noise "
        "and the errors of the flow. *Alone* is the ceiling: the same network without recurrence. "
        "Style and content losses are divided by those of *alone*. Luminance and contrast: how the "
        "last second's mean differs from the second second's (of clips under three seconds, the "
        "last third's from the second's). Clip by clip, all is divided by *alone*.",
        "",
        "| style | E_warp, 1 frame: source / ours / alone | ours ÷ alone | E_warp, 10 frames | "
        "ours ÷ alone | style | content | luminance: source / ours | contrast |",
        "|---|---|---:|---|---:|---:|---:|---|---|",
    ]
    for name, clips in rows.items():
        one, ten = (_mean_of(clips, f"e_warp_{d}") for d in DISTANCES)
        style, content = (_mean_of(clips, key) for key in ("style", "content"))
        lines.append(
            f"| {name} | {_thousandths(one)} | {_ratio(one)} | {_thousandths(ten)} | "
            f"{_ratio(ten)} | {_ratio(style)} | {_ratio(content)} | "
            f"{clips[longest].changes()} |"
        )
    names = [row.clip for row in next(iter(rows.values()), [])]
    for title, metric in BY_CLIP:
        lines += ["", f"## {title}, clip by clip", ""]
        lines += [f"| style | {' | '.join(names)} |", "|---|" + "---:|" * len(names)]
        lines += [
            f"| {name} | {' | '.join(row.ratio(metric) for row in clips)} |"
            for name, clips in rows.items()
        ]
    return "\n".join(lines) + "\n"


def _mean_of(rows: Sequence[Row], metric: str) -> list[float | None]:
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
