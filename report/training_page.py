"""The page of a training run: curves, pictures and settings, in one self-contained file."""

import base64
import html
import json
import math
from pathlib import Path
from typing import Any

from brushflow.common.atomic_files import atomic_path
from brushflow.common.wording import counted
from brushflow.training.checkpoint import Journal

_WIDTH, _HEIGHT, _MARGIN = 420, 180, 44
_POINTS = 300  # of a curve; more are averaged
_SHEETS = 6

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:1320px;padding:0 1rem;
color:#222;background:#fafafa}
.curves{display:flex;flex-wrap:wrap;gap:1rem}
figure{margin:0;background:#fff;border:1px solid #ddd;border-radius:6px;padding:.6rem}
figcaption{font-weight:600}small{color:#666;font-weight:400}
svg text{font-size:11px;fill:#666}
img{max-width:100%;display:block;margin-bottom:1rem}
table{border-collapse:collapse;background:#fff}td{border:1px solid #ddd;padding:.15rem .6rem}
"""


def write_report(folder: Path, name: str, settings: dict[str, Any]) -> Path:
    """Write ``report.html`` from the log and the sheets in the folder; return its path."""
    rows = Journal(folder / "log.jsonl").rows()
    losses = _series([(row["iteration"], row) for row in rows if "validation" not in row])
    unseen = _series([(row["iteration"], row["validation"]) for row in rows if "validation" in row])
    curves = "".join(
        _figure(title, losses.get(title, []), unseen.get(title, []))
        for title in dict.fromkeys([*losses, *unseen])
    )
    seconds = [row["seconds"] for row in rows if "seconds" in row]
    summary = (
        f"{counted(len(seconds), 'iteration')}, "
        f"{counted(round(sum(seconds) / 60), 'minute')} of computing"
    )
    problems = "".join(
        f"<p><b>{html.escape(row['problem'])}</b></p>" for row in rows[-1:] if "problem" in row
    )
    parts = [
        f"<h1>{html.escape(name)}</h1>{problems}<p>{summary}. Losses are weighted; the line is "
        "training, dots are validation on unseen pictures.</p>",
        f'<div class="curves">{curves}</div>',
        "<h2>Validation</h2>" + _images(folder, "validation"),
        "<h2>Training</h2><p>First frame and its painting; then frame, earlier painting warped to "
        "it, certainty, painting.</p>" + _images(folder, "sheet"),
        "<h2>Settings</h2>" + _table(settings),
    ]
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(name)}</title>'
        f"<style>{_STYLE}</style><body>{''.join(parts)}</body></html>"
    )
    path = folder / "report.html"
    with atomic_path(path) as partial:
        partial.write_text(page, encoding="utf-8")
    return path


def _series(rows: list[tuple[int, dict[str, Any]]]) -> dict[str, list[tuple[int, float]]]:
    """(iteration, value) pairs by the name of the loss."""
    series: dict[str, list[tuple[int, float]]] = {}
    for iteration, values in rows:
        for name, value in values.items():
            if name not in ("iteration", "source", "seconds"):
                series.setdefault(name, []).append((iteration, value))
    return series


def _figure(title: str, line: list[tuple[int, float]], dots: list[tuple[int, float]]) -> str:
    """One loss on a logarithmic scale: SVG of a line and dots."""
    line = [(i, v) for i, v in _thinned(line) if v > 0]
    dots = [(i, v) for i, v in dots if v > 0]
    both = line + dots
    if not both:
        return ""
    first, last = min(i for i, _ in both), max(i for i, _ in both)
    low, high = (math.log10(f(v for _, v in both)) for f in (min, max))
    low, high = (low - 0.05, high + 0.05) if high - low < 0.1 else (low, high)

    def place(iteration: int, value: float) -> tuple[float, float]:
        x = _MARGIN + (_WIDTH - _MARGIN - 8) * (iteration - first) / max(1, last - first)
        y = 8 + (_HEIGHT - 28) * (high - math.log10(value)) / (high - low)
        return round(x, 1), round(y, 1)

    path = " ".join(f"{x},{y}" for x, y in (place(*point) for point in line))
    circles = "".join(
        f'<circle cx="{x}" cy="{y}" r="3" fill="#c2410c"/>' for x, y in (place(*p) for p in dots)
    )
    latest = f"{dots[-1][1]:.3g} unseen" if dots else f"{line[-1][1]:.3g}"
    return (
        f"<figure><figcaption>{html.escape(title)} <small>{latest}</small></figcaption>"
        f'<svg width="{_WIDTH}" height="{_HEIGHT}">'
        f'<polyline points="{path}" fill="none" stroke="#2563eb" stroke-width="1.3"/>{circles}'
        f'<text x="2" y="16">{10**high:.3g}</text>'
        f'<text x="2" y="{_HEIGHT - 22}">{10**low:.3g}</text>'
        f'<text x="{_MARGIN}" y="{_HEIGHT - 4}">{first}</text>'
        f'<text x="{_WIDTH - 8}" y="{_HEIGHT - 4}" text-anchor="end">{last}</text></svg></figure>'
    )


def _thinned(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """At most ``_POINTS`` points, each the mean of its neighbours."""
    step = max(1, math.ceil(len(points) / _POINTS))
    groups = [points[k : k + step] for k in range(0, len(points), step)]
    return [(g[-1][0], sum(value for _, value in g) / len(g)) for g in groups]


def _images(folder: Path, name: str) -> str:
    """The last sheets of this name, embedded, and the first for comparison."""
    paths = sorted(folder.glob(f"{name}-*.jpg"))
    chosen = paths if len(paths) <= _SHEETS else [paths[0], *paths[1 - _SHEETS :]]
    return "".join(
        f'<p>{path.stem}</p><img alt="{path.stem}" src="data:image/jpeg;base64,'
        f'{base64.b64encode(path.read_bytes()).decode()}">'
        for path in reversed(chosen)
    )


def _table(settings: dict[str, Any]) -> str:
    cells = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{html.escape(json.dumps(value))}</td></tr>"
        for name, value in sorted(settings.items())
    )
    return f"<table>{cells}</table>"
