"""The original program's options for evaluation, and what is made of them (REFERENCE C1)."""

from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch

from brushflow.cli.option_types import Pixels
from brushflow.common.errors import UsageError
from brushflow.evaluation.frame_scores import FrameScores
from brushflow.models import preprocess
from brushflow.models.loss_network import LossNetwork
from brushflow.occlusion.motion import FileMotion
from brushflow.training.losses import STATISTICS, PerceptualLoss, layer_weights
from brushflow.video.paintings import read_painting

_OPTIONS = (
    click.option("--evaluate", is_flag=True, help="Also score every frame; see the options below."),
    click.option(
        "--evaluation-file",
        default="evaluation.txt",
        show_default=True,
        type=click.Path(path_type=Path),
        help="Table of scores to write or to go on with.",
    ),
    click.option("--flow-pattern-eval", default="", help="Flow for the temporal error."),
    click.option("--occlusions-pattern-eval", default="", help="Its certainty."),
    click.option(
        *("--invert-occlusion-eval", "--invert-occlusions-eval", "invert_occlusion_eval"),
        is_flag=True,
        help="In these files, 255 means hidden.",
    ),
    click.option(
        "--fix-occlusions-eval", is_flag=True, help="As --fix-occlusions, for these files."
    ),
    click.option(
        "--no-consistency-eval", is_flag=True, help="No temporal error, and no files for it."
    ),
    click.option(
        "--backward-eval",
        is_flag=True,
        help="This flow goes from the earlier frame to the later one.",
    ),
    click.option(
        "--loss-network", default="vgg16", show_default=True, help="VGG weights: a file, or a name."
    ),
    click.option("--content-layers", default="16", show_default=True, help="Numbers or names."),
    click.option(
        "--content-weights", default="1.0", show_default=True, help="One, or one per layer."
    ),
    click.option(
        "--style-layers", default="4,9,16,23", show_default=True, help="Numbers or names."
    ),
    click.option("--style-image", type=click.Path(path_type=Path), help="The painting."),
    click.option(
        "--style-image-size",
        default=256,
        show_default=True,
        type=Pixels(32),
        help="Its longest side in pixels.",
    ),
    click.option(
        "--style-target-type",
        default="gram",
        show_default=True,
        type=click.Choice(list(STATISTICS)),
    ),
)


def evaluation_options(style_weights: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command these options; it passes their values to ``frame_scores``.

    ``style_weights`` is a default that the original programs do not agree on.
    """
    weights = click.option(
        "--style-weights", default=style_weights, show_default=True, help="One, or one per layer."
    )

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        return reduce(
            lambda wrapped, option: option(wrapped), reversed((*_OPTIONS, weights)), command
        )

    return add


def frame_scores(
    device: torch.device,
    motion_type: Callable[..., Any] = FileMotion,
    scores_type: Callable[..., Any] = FrameScores,
    *,
    evaluate: bool,
    evaluation_file: Path,
    flow_pattern_eval: str,
    occlusions_pattern_eval: str,
    invert_occlusion_eval: bool,
    fix_occlusions_eval: bool,
    no_consistency_eval: bool,
    backward_eval: bool,
    **judgement: Any,
) -> Any:
    """What scores frames by the options of the same names; None without ``evaluate``.

    ``motion_type`` reads the files of the two patterns; ``scores_type`` is made of path, losses,
    motion, direction of the flow, and device. UsageError for options that do not fit together.
    """
    if not evaluate:
        return None
    motion = None
    if not no_consistency_eval:
        if not (flow_pattern_eval and occlusions_pattern_eval):
            raise UsageError(
                "--evaluate needs --flow-pattern-eval and --occlusions-pattern-eval, which may be "
                "those of --flow-pattern and --occlusions-pattern, or --no-consistency-eval."
            )
        motion = motion_type(
            flow_pattern_eval,
            occlusions_pattern_eval,
            1,
            invert_occlusion_eval,
            fix_occlusions_eval,
        )
    losses = _losses(device, **judgement)
    return scores_type(evaluation_file, losses, motion, backward_eval, device)


def _losses(
    device: torch.device,
    *,
    loss_network: str,
    content_layers: str,
    content_weights: str,
    style_layers: str,
    style_weights: str,
    style_image: Path | None,
    style_image_size: int,
    style_target_type: str,
) -> PerceptualLoss:
    """Content and style by the options of the same names; UsageError for what does not fit."""
    if style_image is None:
        raise UsageError("--evaluate measures the style too; name the painting by --style-image.")
    by_layer = []
    for kind, layers, weights in (
        ("content", content_layers, content_weights),
        ("style", style_layers, style_weights),
    ):
        try:
            numbers = [float(weight) for weight in weights.split(",")]
        except ValueError as error:
            raise UsageError(
                f"--{kind}-weights {weights!r} are no numbers, as in 1,0.5."
            ) from error
        by_layer.append((layers.split(","), numbers, f"{kind}_weights"))
    wanted = [layer for layers, _, _ in by_layer for layer in layers]
    network = LossNetwork(loss_network, wanted).to(device).eval()
    # Layers may be given as numbers; the network knows them by name.
    names = iter(network.wanted)
    content, style = (
        layer_weights([(next(names), 1) for _ in layers], weights, about)
        for layers, weights, about in by_layer
    )
    painting = np.ascontiguousarray(read_painting(style_image, style_image_size))
    return PerceptualLoss(
        network, content, style, [preprocess(painting, device)], [1.0], style_target_type
    )
