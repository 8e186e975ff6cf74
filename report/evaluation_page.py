"""The report: ``metrics.json``, ``metrics.csv`` and a page to look at, ``report.html``."""

from collections.abc import Sequence
from fractions import Fraction
from html import escape
from importlib.resources import files
from pathlib import Path

import numpy as np

from brushflow.common.atomic_files import atomic_path
from brushflow.common.errors import BrushflowError
from brushflow.common.wording import counted
from brushflow.evaluation.evaluation import CEILING, FLOOR, Evaluation, Measured
from brushflow.evaluation.metrics import Metric, format_value
from brushflow.evaluation.summary import summary
from brushflow.evaluation.video_pairs import Inputs
from brushflow.report.charts import Line, line_chart
from brushflow.report.pictures import (
    CLIP_SECONDS,
    Shown,
    heat_legend,
    heat_picture,
    heat_scale,
    jpeg_uri,
    show,
)

_ROLES = {FLOOR: "the source itself", CEILING: "frame by frame", "result": "result"}
_CHARTS = (
    ("flicker", "Fast flicker where the source is still"),
    ("tof", "tOF: motion unlike the source's, pixels"),
    ("fdb", "Frame difference error"),
    ("luminance", "Mean luminance"),
    ("contrast", "Contrast"),
    ("color", "Colour"),
    ("content", "Content loss"),
    ("style", "Style loss"),
    ("lpips", "LPIPS to the source"),
    ("edge_ssim", "SSIM of edges"),
)


def write_report(evaluation: Evaluation, folder: Path | str, videos: bool = True) -> Path:
    """Write all three files into ``folder``, which is made if need be; returns the page's path.

    The videos are read again for their pictures. ``videos``: embed them, the first 20 seconds at
    up to 640 pixels. BrushflowError if the folder cannot be written or a video has changed.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        evaluation.write_json(folder / "metrics.json")
        evaluation.write_csv(folder / "metrics.csv")
        page = report_page(evaluation, videos)
        with atomic_path(folder / "report.html") as partial:
            partial.write_text(page, encoding="utf-8")
    except OSError as error:
        raise BrushflowError(f"Cannot write the report {folder}: {error.strerror}.") from error
    return folder / "report.html"


def report_page(evaluation: Evaluation, videos: bool = True) -> str:
    """The page as HTML that needs nothing beside it."""
    columns = evaluation.videos
    rate = Fraction(evaluation.frame_rate).limit_denominator(1001)
    inputs = Inputs(
        columns[0].path,
        {str(number): video.path for number, video in enumerate(columns[1:])},
        evaluation.settings.get("max_size"),
        evaluation.settings.get("end"),
        rate,
        evaluation.settings.get("start"),
    )
    shown, middle = show(inputs, evaluation.frames, rate, videos)
    title = f"Evaluation of {columns[0].name}"
    sections = [
        _facts(evaluation),
        f'<p class="found">{escape(summary(evaluation))}</p>\n',
        _headline(evaluation),
        _player(evaluation, shown, rate) if videos else "",
        _table(evaluation),
        _charts(evaluation),
        _heat(columns, middle),
        _strips(columns, shown),
        _definitions(evaluation),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{_resource('page.css')}</style>\n</head>\n"
        f"<body>\n<main>\n<h1>{escape(title)}</h1>\n{''.join(sections)}</main>\n"
        f"<script>\n{_resource('page.js')}</script>\n</body>\n</html>\n"
    )


def _resource(name: str) -> str:
    return files("brushflow.report").joinpath(name).read_text(encoding="utf-8")


def _facts(evaluation: Evaluation) -> str:
    width, height = evaluation.size
    settings = evaluation.settings
    motion = f"motion by {settings['flow']}"
    if settings.get("truth"):
        motion = f"true motion between neighbours, {motion} beyond"
    seconds = evaluation.frames / evaluation.frame_rate
    facts = [
        f"{counted(evaluation.frames, 'frame')} ({seconds:.1f} s)",
        f"{width}×{height}",
        motion,
        *([f"painting: {Path(settings['style']).name}"] if settings.get("style") else []),
    ]
    return f'<p class="facts">{escape(" · ".join(facts))}</p>\n'


def _headline(evaluation: Evaluation) -> str:
    """One card per result: its flicker on the scale from the source to frame by frame."""
    key = f"e_warp_{evaluation.distances[0]}"
    floor = evaluation.floor.means.get(key)
    ceiling = evaluation.ceiling.means.get(key) if evaluation.ceiling else None
    cards = []
    for number, video in enumerate(evaluation.videos):
        value = video.means.get(key)
        if video not in evaluation.results or value is None or not floor:
            continue
        big, text = f"{value / floor:.1f}×", "the warping error of the source itself"
        if ceiling is not None and ceiling > floor:
            share = 100 * (value - floor) / (ceiling - floor)
            big, text = f"{share:.0f} %", "of the warping error that painting frame by frame adds"
        cards.append(
            f'<div class="card"><b class="c{number}">{escape(video.name)}</b>'
            f'<span class="big">{big}</span> {text}</div>'
        )
    return f'<div class="cards">{"".join(cards)}</div>\n' if cards else ""


def _player(evaluation: Evaluation, shown: Sequence[Shown], rate: Fraction) -> str:
    columns, size = evaluation.videos, evaluation.size
    longer = evaluation.frames / rate > CLIP_SECONDS
    shortened = f"; the first {CLIP_SECONDS} seconds are shown" if longer else ""

    def options(chosen: int) -> str:
        return "".join(
            f'<option value="{i}"{" selected" * (i == chosen)}>{escape(video.name)}</option>'
            for i, video in enumerate(columns)
        )

    figures = "".join(
        f'<figure><video muted playsinline preload="auto" data-clip="{i}"></video>'
        f'<figcaption><i class="dot c{i}"></i>{escape(video.name)}</figcaption></figure>'
        for i, video in enumerate(columns)
    )
    clips = "".join(
        f'<script type="text/plain" class="clip">{each.clip}</script>\n' for each in shown
    )
    return f"""<section id="player" data-rate="{float(rate)}">
<h2>Look</h2>
<div class="wipe" style="aspect-ratio: {size[0]} / {size[1]}">
<video id="left" muted playsinline preload="auto" data-clip="0"></video>
<video id="right" muted playsinline preload="auto" data-clip="1"></video>
<div class="edge"></div>
<input id="wipe" type="range" min="0" max="100" step="0.1" value="50" aria-label="wipe">
</div>
<div class="controls">
<select id="left-choice" aria-label="left">{options(0)}</select>
<button id="back" title="one frame back">‹</button>
<button id="play">Play</button>
<button id="forth" title="one frame on">›</button>
<input id="seek" type="range" min="0" max="1000" value="0" aria-label="time">
<output id="clock">0.00 s</output>
<select id="speed" aria-label="speed"><option value="0.1">0.1×</option>
<option value="0.25">¼×</option><option value="0.5">½×</option>
<option value="1" selected>1×</option></select>
<select id="right-choice" aria-label="right">{options(1)}</select>
</div>
<div class="side-by-side">{figures}</div>
<p class="note">All videos play in step{shortened}.</p>
{clips}</section>
"""


def _table(evaluation: Evaluation) -> str:
    columns = evaluation.videos
    head = "".join(
        f'<th scope="col"><i class="dot c{i}"></i>{escape(video.name)}'
        f"<small>{_ROLES[video.role]}</small></th>"
        for i, video in enumerate(columns)
    )
    rows = []
    group = ""
    for metric in evaluation.metrics():
        if metric.group != group:
            group = metric.group
            rows.append(f'<tr class="group"><th colspan="{len(columns) + 1}">{group}</th></tr>')
        rows.append(_row(metric, columns))
    return (
        f'<section><h2>Numbers</h2><div class="scroll"><table id="metrics"><thead><tr><td></td>'
        f"{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
        '<p class="note">The floor is the source measured as if it were a result; the ceiling is '
        "what painting every frame alone gives. Of several results the best is bold. Numbers under "
        "different names are not comparable with each other.</p></section>\n"
    )


def _row(metric: Metric, columns: Sequence[Measured]) -> str:
    values = [video.means.get(metric.key) for video in columns]
    there = [abs(value) for value in values if value is not None]
    top = max(there, default=0.0) or 1.0
    rivals = [
        (metric.quality(value), i)
        for i, (value, video) in enumerate(zip(values, columns, strict=True))
        if value is not None and video.role == "result"
    ]
    best = min(rivals)[1] if len(rivals) > 1 else None
    cells = []
    for i, value in enumerate(values):
        text = format_value(value) + (
            f" {metric.unit}" if metric.unit and value is not None else ""
        )
        bar = "" if value is None else f'<i style="width:{100 * abs(value) / top:.1f}%"></i>'
        strong = f"<b>{text}</b>" if i == best else text
        cells.append(f'<td class="c{i}">{strong}{bar}</td>')
    return (
        f'<tr data-key="{metric.key}"><th scope="row" title="{escape(metric.meaning)}">'
        f"{escape(metric.label)}</th>{''.join(cells)}</tr>"
    )


def _charts(evaluation: Evaluation) -> str:
    errors = [(f"e_warp_{d}", f"E_warp, {counted(d, 'frame')} apart") for d in evaluation.distances]
    drawn = []
    for key, title in (*errors, *_CHARTS):
        lines = [
            Line(video.name, i, video.series[key])
            for i, video in enumerate(evaluation.videos)
            if any(value is not None for value in video.series.get(key, ()))
        ]
        if lines:
            chart = line_chart(title, lines, evaluation.frame_rate)
            drawn.append(f"<figure><figcaption>{escape(title)}</figcaption>{chart}</figure>")
    legend = "".join(
        f'<span><i class="dot c{i}"></i>{escape(video.name)}</span>'
        for i, video in enumerate(evaluation.videos)
    )
    return (
        f'<section><h2>Over time</h2><p class="legend">{legend}</p>'
        f'<div class="charts">{"".join(drawn)}</div></section>\n'
    )


def _heat(columns: Sequence[Measured], middle: np.ndarray) -> str:
    top = heat_scale([video.heat for video in columns])
    figures = "".join(
        f'<figure><img alt="" src="{jpeg_uri(heat_picture(video.heat, top, middle))}">'
        f'<figcaption><i class="dot c{i}"></i>{escape(video.name)}</figcaption></figure>'
        for i, video in enumerate(columns)
    )
    return (
        '<section><h2>Where it flickers</h2><p class="note">Root mean square over time of the '
        "difference between neighbouring frames, along the motion, where it can be followed. "
        f'<span class="ramp">0 <img alt="up to" src="{jpeg_uri(heat_legend())}"> '
        f'{format_value(top)}</span></p><div class="pictures">{figures}</div></section>\n'
    )


def _strips(columns: Sequence[Measured], shown: Sequence[Shown]) -> str:
    figures = "".join(
        f'<figure class="strip"><figcaption><i class="dot c{i}"></i>{escape(video.name)}'
        f'</figcaption><img alt="" src="{each.strip}"></figure>'
        for i, (video, each) in enumerate(zip(columns, shown, strict=True))
    )
    return f"<section><h2>Moments</h2>{figures}</section>\n"


def _definitions(evaluation: Evaluation) -> str:
    seen: dict[str, str] = {}
    for metric in evaluation.metrics():
        seen.setdefault(metric.label.split(",")[0], metric.meaning)
    terms = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in seen.items())
    return f"<section><h2>What the numbers mean</h2><dl>{terms}</dl></section>\n"
