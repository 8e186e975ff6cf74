"""Frames in, painted frames out. ComfyUI's pictures are float tensors (N, H, W, 3) from 0 to 1."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from brushflow.cli.piping import noting_cuts
from brushflow.models import DEFAULT_STYLE, available, learned_styles
from brushflow.pipeline import StylizeOptions
from brushflow.pipeline.painter import Painter
from brushflow.pipeline.stylizer import State

STATE = "BRUSHFLOW_STATE"

_painter = lru_cache(maxsize=2)(Painter)  # loading a network anew each time would take a while


@dataclass(frozen=True)
class Left:
    """What the next frames go on from: the last frame, RGB uint8 (H, W, 3), and its painting."""

    frame: np.ndarray
    state: State


class PaintFrames:
    """Paints a video, or the next part of one if the state of the part before is given."""

    CATEGORY = "brushflow"
    DESCRIPTION = "Turns frames into a moving painting that does not flicker."
    RETURN_TYPES = ("IMAGE", STATE)
    RETURN_NAMES = ("images", "state")
    FUNCTION = "paint"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802, as ComfyUI asks for it
        """What the node's widgets and sockets are."""
        share = {"min": 0.0, "max": 1.0, "step": 0.05}
        return {
            "required": {
                "images": ("IMAGE",),
                "style": ([*available(), *learned_styles()], {"default": DEFAULT_STYLE}),
                "strength": ("FLOAT", {"default": 1.0, **share}),
                "stroke": ("FLOAT", {"default": 1.0, "min": 0.5, "max": 6.0, "step": 0.5}),
                "keep_colors": ("BOOLEAN", {"default": False}),
                "find_cuts": ("BOOLEAN", {"default": True}),
            },
            "optional": {
                "state": (STATE,),
                "model_file": ("STRING", {"default": "", "tooltip": "A model in place of style."}),
            },
        }

    def paint(
        self,
        images: torch.Tensor,
        style: str,
        strength: float,
        stroke: float,
        keep_colors: bool,
        find_cuts: bool,
        state: Left | None = None,
        model_file: str = "",
    ) -> tuple[torch.Tensor, Left | None]:
        """The painted frames, as many as came, and the state after the last one.

        A state of frames of another size is not used.
        """
        options = StylizeOptions(
            style=model_file or style,
            strength=strength,
            stroke=stroke,
            keep_colors=keep_colors,
            spherical="off",
        )
        frames = [_as_frame(image) for image in images]
        if state is not None and state.frame.shape != frames[0].shape:
            state = None
        cuts: set[int] = set()
        whole = frames if state is None else [state.frame, *frames]
        noted: Iterator[np.ndarray] = noting_cuts(whole, cuts) if find_cuts else iter(whole)
        painter = _painter(options)
        pictures, last = [], None
        before = None if state is None else state.state.tensors()
        for painted in painter.paint(noted, cuts, state=before):
            pictures.append(torch.from_numpy(painter.finish(painted)).float() / 255)
            last = painted.state
        return torch.stack(pictures), None if last is None else Left(frames[-1], last)


def _as_frame(image: torch.Tensor) -> np.ndarray:
    return image[..., :3].mul(255).round().clamp(0, 255).byte().cpu().numpy()


NODE_CLASS_MAPPINGS: dict[str, type] = {"BrushflowPaintFrames": PaintFrames}
NODE_DISPLAY_NAME_MAPPINGS = {"BrushflowPaintFrames": "Paint frames (brushflow)"}
