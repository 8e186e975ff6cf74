"""The page that tells how stable and how faithful the bundled styles are."""

from collections.abc import Sequence
from dataclasses import dataclass

from brushflow.evaluation.evaluation import mean_or_none

DISTANCES = (1, 10, 20, 50)  # frames between those whose difference counts

# Of one metric: the source itself, ours, ours without the long-term prior, every frame alone.
Numbers = Sequence[float | None]


@dataclass(frozen=True)
class Row:
    """One clip's numbers of one style, by metric."""

    clip: str
    numbers: dict[str, Numbers]


def results_page(
    rows: dict[str, list[Row]],
    flow: str,
    max_size: int,
    end: float,
) -> str:
    """Markdown: tables of all styles, then one with all clips."""
    names = [row.clip for row in next(iter(rows.values()), [])]
    lines = [
        "# Measurements of the bundled styles",
        "",
        f"By `make results`: the first {end:g} seconds of every validation clip, at most "
        f"{max_size} pixels a side. E_warp is that of Lai et al. 2018 (masked squared error per "
        f"sample, RGB in [0, 1]; {flow} on the source), times 1000. *Source*: "
        "the video itself, its noise and the errors of the flow. *Short*: `--long-term 0`, every "
        "frame knows the one before it only, as published. *Alone*: the same network frame by "
        "frame. *Closed*: how much of the way from alone to the source, "
        "(alone − ours) / (alone − source); where painting alone is below the source already, "
        "ours ÷ alone stands instead, as ×.",
        "",
        f"| style | E_warp, 1; 10 frames: source / ours / short / alone | {_heads('closed, {}')} |",
        "|---|---|" + "---:|" * len(DISTANCES),
    ]
    for name, clips in rows.items():
        means = [_mean_of(clips, f"e_warp_{distance}") for distance in DISTANCES]
        errors = "; ".join(_thousandths(values) for values in means[:2])
        lines.append(f"| {name} | {errors} | {' | '.join(closed(v) for v in means)} |")
    lines += [
        "",
        "Sharpness (deviation of the Laplacian), style and content loss, divided by those of "
        "*short*:",
        "",
        "| style | sharpness | style | content |",
        "|---|---:|---:|---:|",
    ]
    for name, clips in rows.items():
        ratios = (_ratio(_mean_of(clips, key)) for key in ("sharpness", "style", "content"))
        lines.append(f"| {name} | {' | '.join(ratios)} |")
    lines += ["", "## Closed, 1 frame apart; 10 frames apart, clip by clip", ""]
    lines += [f"| style | {' | '.join(names)} |", "|---|" + "---:|" * len(names)]
    for name, clips in rows.items():
        cells = ("; ".join(closed(r.numbers[f"e_warp_{n}"]) for n in DISTANCES[:2]) for r in clips)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def closed(values: Numbers) -> str:
    """How much of the way from alone to the source ours goes, or ours ÷ alone if there is none."""
    source, ours, _, alone = values
    if source is None or ours is None or not alone:
        return "–"
    if alone <= source:
        return f"× {ours / alone:.2f}"
    return f"{100 * (alone - ours) / (alone - source):.0f} %"


def _heads(text: str) -> str:
    return " | ".join(text.format(_frames(distance)) for distance in DISTANCES)


def _frames(distance: int) -> str:
    return f"{distance} frame{'s' * (distance > 1)}"


def _mean_of(rows: Sequence[Row], metric: str) -> Numbers:
    """Means over clips; the losses have no floor, short clips not every distance."""
    columns = zip(*(row.numbers[metric] for row in rows), strict=True)
    return [mean_or_none(column) for column in columns]


def _ratio(values: Numbers) -> str:
    """Ours divided by what the published recurrence gives."""
    _, ours, short, _ = values
    return "–" if ours is None or not short else f"{ours / short:.2f}"


def _thousandths(values: Numbers) -> str:
    return " / ".join("–" if value is None else f"{1000 * value:.2f}" for value in values)
