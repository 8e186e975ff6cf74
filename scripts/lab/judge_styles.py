"""Command: the bundled styles on twelve pictures beside their paintings, and in numbers."""

from brushflow.cli.start import run

import html
from collections.abc import Iterable, Sequence
from pathlib import Path

import click
import numpy as np
import torch
from skimage import data as samples

from brushflow.cli.commands import set_up_logging
from brushflow.common.atomic_files import atomic_path
from brushflow.common.errors import UsageError
from brushflow.common.sizes import fit_size, resized
from brushflow.evaluation.faithfulness import edge_map, edge_similarity, light_order
from brushflow.evaluation.texture import fine_energy, flat_windows
from brushflow.models import StyleModel, available, load, preprocess
from brushflow.models.loss_network import LossNetwork
from brushflow.pipeline import Stylizer
from brushflow.pipeline.finishing import finish
from brushflow.scripts.lab.train_styles import STYLES
from brushflow.training.data.photographs import find_photographs
from brushflow.training.losses import PerceptualLoss
from brushflow.video import open_source, read_image, write_image

_PATH = click.Path(path_type=Path)
_LAYERS = ("relu1_2", "relu2_2", "relu3_4")
_SCALES = (1, 2, 4)
_ACROSS = 3  # pictures in a row of a sheet


@click.command(context_settings={"max_content_width": 100, "show_default": True})
@click.argument("data", type=_PATH)
@click.option("-o", "--output", required=True, type=_PATH, help="Folder of the page.")
@click.option("--against", type=_PATH, help="Folder of other models of the same names.")
@click.option("--styles", multiple=True, help="Bundled styles; all of them without it.")
@click.option("--count", default=12, type=click.IntRange(1), help="Photographs, evenly chosen.")
@click.option("--side", default=480, type=click.IntRange(64), help="Pixels of the shorter side.")
def command(
    data: Path, output: Path, against: Path | None, styles: tuple[str, ...], count: int, side: int
) -> None:
    """Judge styles by pictures that no training saw, in DATA/photos/val and DATA/clips/val.

    Writes a sheet per style, with its painting first, and index.html with the sheets and a table:
    how much of the distance in style between the photograph and the painting is closed, at three
    scales (means and covariances of VGG-19's features); whether light stays light (Spearman); how
    alike edges are on faces (SSIM); and how rough flat areas are beside the painting's own.
    """
    set_up_logging()
    known = {style.name: style for style in STYLES}
    names = list(styles) or available()
    if unknown := [name for name in names if name not in known]:
        raise UsageError(f"The styles' recipe knows no {unknown[0]}; it has {', '.join(known)}.")
    paths = find_photographs(data / "photos" / "val")
    chosen = paths[:: max(1, len(paths) // count)][:count]
    pictures = [_sized(read_image(path), side) for path in chosen]
    faces = [_sized(face, side) for face in _faces(data)]
    network = LossNetwork(data / "weights" / "vgg19-caffe-conv1_1-conv3_4.safetensors", _LAYERS)
    output.mkdir(parents=True, exist_ok=True)
    rows = []
    for name in names:
        painting = known[name].seen(data)
        size = fit_size((painting.shape[1], painting.shape[0]), known[name].stroke, enlarge=True)
        judge = _Judge(resized(painting, size), network)
        sheet = output / f"{name}.jpg"
        painted = _painted(load(name), pictures)
        write_image(sheet, _sheet([_sized(painting, side), *painted]))
        rows.append((name, judge(painted, pictures, _painted(load(name), faces), faces)))
        other = against and against / f"{name}.safetensors"
        if other and other.exists():
            model = load(other)
            painted = _painted(model, pictures)
            write_image(output / f"{name}-before.jpg", _sheet([_sized(painting, side), *painted]))
            rows.append(
                (f"{name}, before", judge(painted, pictures, _painted(model, faces), faces))
            )
        for row in rows[-2:]:
            click.echo(_line(*row))
    with atomic_path(output / "index.html") as partial:
        partial.write_text(_page(rows, names), encoding="utf-8")
    click.echo(f"Wrote {output / 'index.html'}.")


class _Judge:
    """All numbers of a style, by their columns; the painting as it was learned."""

    def __init__(self, painting: np.ndarray, network: LossNetwork) -> None:
        target = preprocess(painting)
        self.distances = [
            PerceptualLoss(
                network,
                {("relu1_2", 1): 1.0},
                {(layer, scale): 1.0 for layer in _LAYERS},
                [target],
                [1.0],
                "moments",
                relative=True,
            )
            for scale in _SCALES
        ]
        self.own = fine_energy(painting, flat_windows(painting))

    @torch.inference_mode()
    def __call__(
        self,
        painted: Sequence[np.ndarray],
        pictures: Sequence[np.ndarray],
        painted_faces: Sequence[np.ndarray],
        faces: Sequence[np.ndarray],
    ) -> list[float]:
        closed = [
            1 - self._total(distance, painted) / self._total(distance, pictures)
            for distance in self.distances
        ]
        pairs = list(zip(painted, pictures, strict=True))
        edges = [
            edge_similarity(edge_map(ours), edge_map(face))
            for ours, face in zip(painted_faces, faces, strict=True)
        ]
        rough = [fine_energy(ours, flat_windows(picture)) for ours, picture in pairs]
        return [
            *closed,
            float(np.mean([light_order(*pair) for pair in pairs])),
            float(np.mean(edges)),
            float(np.nanmean(rough) / self.own),
        ]

    @staticmethod
    def _total(distance: PerceptualLoss, pictures: Iterable[np.ndarray]) -> float:
        """The style part of the loss, summed over pictures."""
        return sum(float(distance(p, p)[1]) for p in map(preprocess, pictures))


_COLUMNS = (
    *("closed at 1", "at ½", "at ¼"),
    *("light's order", "edges of faces", "flat areas ÷ painting's"),
)


def _painted(model: StyleModel, pictures: Sequence[np.ndarray]) -> list[np.ndarray]:
    stylizer = Stylizer(model)
    return [finish(next(iter(stylizer.stylize([picture])))) for picture in pictures]


def _faces(data: Path) -> Iterable[np.ndarray]:
    """An astronaut, and three frames of a face that turns."""
    yield samples.astronaut()
    frames = [frame.pixels for frame in open_source(data / "clips" / "val" / "portrait.mp4").read()]
    yield from frames[:: max(1, len(frames) // 3)][:3]


def _sized(picture: np.ndarray, side: int) -> np.ndarray:
    """So that the shorter side has so many pixels."""
    size = picture.shape[1], picture.shape[0]
    return resized(picture, fit_size(size, side, enlarge=True, cover=True))


def _sheet(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures in rows, at the size they have."""
    height = max(p.shape[0] for p in pictures)
    width = max(p.shape[1] for p in pictures)
    rows = -(-len(pictures) // _ACROSS)
    sheet = np.full((rows * height, _ACROSS * width, 3), 255, np.uint8)
    for index, picture in enumerate(pictures):
        top, left = index // _ACROSS * height, index % _ACROSS * width
        sheet[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return sheet


def _line(name: str, values: Sequence[float]) -> str:
    numbers = [f"{100 * v:.0f} %" for v in values[:3]] + [f"{v:.2f}" for v in values[3:]]
    return f"| {' | '.join([name, *numbers])} |"


def _page(rows: Sequence[tuple[str, list[float]]], names: Sequence[str]) -> str:
    cells = [["style", *_COLUMNS], *(_line(*row).strip("| ").split(" | ") for row in rows)]
    table = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in cells
    )
    sheets = "".join(f'<h2>{name}</h2><img src="{name}.jpg" alt="{name}">' for name in names)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>The bundled styles</title>'
        "<style>body{font:16px sans-serif}td{padding:2px 12px}</style>"
        f"<h1>The bundled styles</h1><table>{table}</table>{sheets}</html>\n"
    )


def main() -> None:
    """Entry point."""
    run(command)


if __name__ == "__main__":
    main()
