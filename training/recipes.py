"""The settings of the published systems by name; the default "quick" is ours for two cores."""

from typing import Any

from brushflow.models.network import FDB_ARCH, PAPER_ARCH

# Which a network to go on from brings along.
OF_THE_NETWORK = ("arch", "padding_type", "norm", "tanh_constant")

FDB_NETWORK: dict[str, Any] = {
    "arch": FDB_ARCH,
    "padding_type": "interpolate",
    "norm": "plain",
    "tanh_constant": 0.0,
}

# Ruder et al. 2018, sec. 5.4, and their training program (REFERENCE E1, E5, E6).
_PAPER: dict[str, Any] = {
    "arch": PAPER_ARCH,
    "padding_type": "reflect-start",
    "data_mix": "video:3,shift:1,zoom_out:1",
    "frame_steps_schedule": "1",
    "size_schedule": "256",
    "batch_schedule": "4",
    "holes": False,
    "settle": 0,
    "loss_weights": "vgg16",
    "style_size": 384,
    "style_scales": 1,
    "style_layers": ("relu1_2", "relu2_2", "relu3_3", "relu4_3"),
    "style_strength_schedule": "10",
    "style_with_prior": 1.0,
    "style_ramp": 0,
    "content_layers": ("relu3_3",),
    "temporal_weight_schedule": "50",
    "tv_strength_schedule": "1e-6",
    "tv_per_batch": True,
    "range_weight": 0.0,
    "iterations": 60000,
    "identity_iterations": 0,
    "learning_rate": "1e-3",
    "one_cycle": False,
    "beta2": 0.999,
    "clip_gradients": 0.0,
    "val_batches": 100,
    "validate_every": 1000,
    "checkpoint_every": 1000,
}
_MIXED = {
    **_PAPER,
    "data_mix": "video:3,shift:1,zoom_out:1,single_image:5",
    "temporal_weight_schedule": "100",
}

# What makes strokes one can see, from a network that can paint already. Deep layers on small
# pictures see what strokes are, shallow ones on the whole how paint lies; all count relative to
# their own size. Means and covariances tell palette and strokes apart (Kolkin et al. 2019).
# What is in sight of an older frame keeps its painting at run time, so training need not buy
# stability with strokes.
STROKES: dict[str, Any] = {
    "relative": True,
    "pooling": "average",
    "style_statistic": "moments",
    "style_size": 640,
    "style_layers": ("relu1_2", "relu2_2", "relu2_2/2", "relu3_3/2", "relu3_3/4"),
    "style_weights": (0.5, 0.5, 0.5, 1.0, 2.0),
    "style_strength_schedule": "2",
    "style_with_prior": 1.0,
    "content_layers": ("relu2_2", "relu3_3/2"),
    "content_weights": (0.3, 1.0),
    "content_strength_schedule": "0.15",
    "luminance_weight": 0.15,
    "structure_weight": 0.3,
    "grid_weight": 3.0,
    "temporal_weight_schedule": "2",
    "tv_strength_schedule": "0.2",
    "range_weight": 150.0,
    "data_mix": "single_image:4,shift:1,video:5",
    "frame_steps_schedule": "2",
    "single_image_until": 290,
    "size_schedule": "192",
    "batch_schedule": "1",
    "learning_rate": "2e-3,220:1e-3,360:3e-4",
    "iterations": 400,
    "validate_every": 0,
    "checkpoint_every": 20,
    "images_every": 50,
}

RECIPES: dict[str, dict[str, Any]] = {
    "quick": {},
    "strokes": STROKES,
    "simple": _PAPER,
    "mixed": _MIXED,
    "multi-frame": {
        **_MIXED,
        "frame_steps_schedule": "0:1,50000:2,60000:4",
        "iterations": 90000,
    },
    # Goes on from a flat model, by --init-from.
    "spherical": {
        **_MIXED,
        "data_mix": "video:3,shift:1,zoom_out:1,single_image:5,vr:10",
        "fill": "noise",
        "iterations": 30000,
    },
    # Xu et al. 2021 (REFERENCE F1 to F3): goes on from a baseline, by --init-from.
    "fdb": {
        **_PAPER,
        **FDB_NETWORK,
        "network": "image",
        "data_mix": "video:1",
        "size_schedule": "400",
        "batch_schedule": "1",
        "pooling": "average",
        "style_size": 400,
        "temporal_loss": "c-fdb",
        "temporal_weight_schedule": "10",
        "through_time": True,
        "tv_strength_schedule": "0",
        "learning_rate": "1e-4",
        "iterations": 4000,
    },
}
