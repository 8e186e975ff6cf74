"""The stylization networks, their files, and the networks that judge them."""

from brushflow.models.arch import PADDING_TYPES, parse_arch
from brushflow.models.model_file import DEFAULT_STYLE, ModelFile, StyleModel, load, read_model
from brushflow.models.network import PAPER_ARCH, StyleNetwork, build
from brushflow.models.preprocessing import (
    VGG_MEAN_BGR,
    deprocess,
    from_rgb,
    preprocess,
    to_rgb,
    upload,
)
from brushflow.models.styles import available, delete_style, learned_styles, rename_style

__all__ = [
    "DEFAULT_STYLE",
    "PADDING_TYPES",
    "PAPER_ARCH",
    "VGG_MEAN_BGR",
    "ModelFile",
    "StyleModel",
    "StyleNetwork",
    "available",
    "build",
    "delete_style",
    "deprocess",
    "from_rgb",
    "learned_styles",
    "load",
    "parse_arch",
    "preprocess",
    "read_model",
    "rename_style",
    "to_rgb",
    "upload",
]
