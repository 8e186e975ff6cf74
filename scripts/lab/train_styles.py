"""Command: all bundled styles, from nothing to the files that ship, by one recipe."""

from brushflow.cli.start import run

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from tqdm import tqdm

from brushflow.cli.commands import set_up_logging, stop_on_interrupt
from brushflow.common.errors import UsageError
from brushflow.models import load
from brushflow.training import Progress, TrainOptions, train
from brushflow.training.data.clips import find_videos
from brushflow.training.data.prepare import PrepareSettings, place_for, prepare_video
from brushflow.training.recipes import STROKES
from brushflow.video import read_image, write_image

_PATH = click.Path(path_type=Path)


@dataclass(frozen=True)
class Style:
    """A row of the table: a bundled style and how it is learned.

    ``painting``: its file below the data; ``part``: of it, the left, top, right and bottom, each
    a share of the side, where what surrounds the rest is duller, or a frame; ``stroke``: pixels of
    its longest side, so large are its strokes; ``strength``: of style against content;
    ``structure``: how strictly contours stay, at the expense of strokes.
    """

    name: str
    painting: str
    part: tuple[float, float, float, float] = (0, 0, 1, 1)
    stroke: int = 640
    strength: float = 1.3
    structure: float = 0.3

    def seen(self, data: Path) -> np.ndarray:
        """The part of the painting that is learned, RGB uint8 (H, W, 3)."""
        whole = read_image(data / self.painting)
        height, width = whole.shape[:2]
        left, top, right, bottom = self.part
        return whole[
            round(top * height) : round(bottom * height), round(left * width) : round(right * width)
        ]


STYLES = (
    Style("starry-night", "styles/starry-night.jpg", strength=1.8, structure=0.12),
    Style("composition-vii", "styles/composition-vii.jpg", strength=1.1),
    Style("great-wave", "styles/great-wave.jpg", strength=0.7),
    Style("the-scream", "styles/the-scream.jpg"),
    Style("grande-jatte", "paintings/a_sunday_on_la_grande_jatte.jpg"),
    Style("the-kiss", "paintings/the_kiss_klimt.jpg", part=(0.26, 0, 0.85, 1), strength=1.2),
    Style("sainte-victoire", "paintings/mont_sainte_victoire.jpg"),
    Style("fuchun-mountains", "paintings/dwelling_in_the_fuchun_mountains.jpg", strength=0.8),
)
# What the base learns besides, so that it is near to any painting.
OTHERS = (
    "bal_du_moulin_de_la_galette", "composition_viii", "fighting_temeraire", "jakuchu_rooster",
    "japanese_footbridge", "large_blue_horses", "naruto_whirlpools", "the_basket_of_apples",
    "vertumnus", "woman_with_a_parasol",
)  # fmt: skip
# Never learned here: a base is judged by how soon it paints like one of these.
HELD_OUT = ("irises", "red_fuji", "senecio", "sunflowers", "the_ninth_wave", "young_hare")

# For all of them: strokes begin from noise, pictures are judged together, which gives darks and
# calm, and light stays light.
_SHARED: dict[str, Any] = {"fill": "clouds", "style_together": 0.4, "luminance_weight": 0.3}
# The base is to be near to all paintings, and learns from nothing: slower, softer and calmer.
BASE: dict[str, Any] = {
    "apart": True,
    "style_with_prior": 0.7,
    "temporal_weight_schedule": "5",
    "tv_strength_schedule": "0.5",
    # White is 151 in network space: a tanh of 150 has no gradient there, and burnt patches stay.
    "tanh_constant": 200.0,
    "size_schedule": "128,600:192",
    "batch_schedule": "4,600:1",
    "style_size": 640,
    "style_strength_schedule": "1",
    "content_strength_schedule": "0.25",
    "identity_iterations": 600,
    "style_ramp": 300,
    "single_image_until": 2100,
    "learning_rate": "2e-3,1800:1e-3",
    "iterations": 2400,
}
# A base that goes on from a style needs neither the identity nor a slow start.
BASE_FROM: dict[str, Any] = {
    "tanh_constant": None,
    "size_schedule": "192",
    "batch_schedule": "1",
    "identity_iterations": 0,
    "style_ramp": 0,
    "single_image_until": 450,
    "learning_rate": "2e-3",
    "iterations": 700,
}


@click.command(context_settings={"max_content_width": 100, "show_default": True})
@click.argument("data", type=_PATH)
@click.option("-o", "--output", required=True, type=_PATH, help="Folder of the models.")
@click.option("--work", required=True, type=_PATH, help="Folder of all that is on the way, kept.")
@click.option("--styles", multiple=True, help="Names of styles; all of them without it.")
@click.option("--device", default="auto", help="Where to train.")
@click.option("--threads", default=0, type=click.IntRange(0), help="Threads; 0 is PyTorch's own.")
@click.option("--base-from", help="Style to begin the base from, which saves two thirds of it.")
@click.option("--rehearse", is_flag=True, help="A few iterations each, to see that all is there.")
def command(
    data: Path,
    output: Path,
    work: Path,
    styles: tuple[str, ...],
    device: str,
    threads: int,
    base_from: str | None,
    rehearse: bool,
) -> None:
    """Train the bundled styles with the photographs, clips, paintings and weights in DATA.

    DATA holds photos/train, photos/val, clips/train, styles, paintings and weights. A base learns
    many paintings at once; every style goes on from there. Interrupted, it goes on; what is done
    is not done again.
    """
    set_up_logging()
    known = {style.name: style for style in STYLES}
    for name in styles:
        if name not in known:
            raise UsageError(f"The table has no style {name}; it has {', '.join(known)}.")
    chosen = [known[name] for name in styles] or list(STYLES)
    shared = {**STROKES, **_SHARED, "device": device, "threads": threads}
    shared |= {
        "loss_weights": str(data / "weights" / "vgg19-caffe-conv1_1-conv3_4.safetensors"),
        "images": data / "photos" / "train",
        "val_images": data / "photos" / "val",
        "videos": _prepared(data / "clips" / "train", work / "prepared", 1 if rehearse else None),
    }
    short = {"iterations": 4, "identity_iterations": 1, "single_image_until": 2}
    base = work / "base.safetensors"
    learned = {
        style.name: _written(style.seen(data), work / "paintings" / f"{style.name}.png")
        for style in STYLES
    }
    paintings = [*learned.values()]
    paintings += [data / "paintings" / f"{name}.jpg" for name in OTHERS]
    begun = {**BASE_FROM, "init_from": base_from} if base_from else {}
    options = shared | BASE | begun | (short if rehearse else {})
    _learn(TrainOptions(tuple(paintings), base, **options))
    for style in chosen:
        painting = learned[style.name]
        options = {
            **shared,
            **(short if rehearse else {}),
            "init_from": work / f"{base.name}.training" / "styles" / f"{painting.stem}.safetensors",
            "style_size": style.stroke,
            "style_strength_schedule": str(style.strength),
            "structure_weight": style.structure,
        }
        made = work / f"{style.name}.safetensors"
        _learn(TrainOptions((painting,), made, **options))
        if not rehearse:
            output.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(made, output / made.name)


def _written(picture: np.ndarray, path: Path) -> Path:
    """The path, with the picture there: always anew, as the table may name another part now."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, picture)
    return path


def _learn(options: TrainOptions) -> None:
    """Train, unless the very same has been done."""
    settings = options.resolved().settings()
    if options.output.exists() and load(options.output).training == settings:
        return
    with (
        tqdm(total=options.iterations, unit="it", desc=options.output.stem) as bar,
        stop_on_interrupt() as stop,
    ):

        def show(progress: Progress) -> None:
            bar.update(progress.iteration - bar.n)
            bar.set_postfix({name: f"{value:.3g}" for name, value in progress.losses.items()})

        train(options, show, stop)


def _prepared(clips: Path, folder: Path, most: int | None) -> Path:
    """The clips, or ``most`` of them, as sequences; those that are there are kept."""
    settings = PrepareSettings(length=4, gap=2, side=288, per_video=10)
    for clip in tqdm(find_videos(clips)[:most], unit="clip", desc="prepare"):
        prepare_video(clip, place_for(clip.name, folder, 0), settings)
    return folder


def main() -> None:
    """Entry point."""
    run(command)


if __name__ == "__main__":
    main()
