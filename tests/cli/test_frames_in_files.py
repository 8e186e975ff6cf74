"""Tools of the original's kind paint as it does, and our styles as they have learned."""

import pytest
import torch

from brushflow.cli.frames_in_files import as_published
from brushflow.models import StyleModel, build
from brushflow.pipeline import Stylizer


@pytest.mark.parametrize(
    ("learned", "told", "seen"),
    [
        ("clouds", "vgg-mean", "clouds"),
        ("mean", "vgg-mean", "mean"),
        ("mean", "uniform-random", "noise"),
    ],
)
def test_a_model_sees_what_it_has_learned_to_see_unless_told(learned, told, seen, tmp_path):
    path = tmp_path / "x.safetensors"
    StyleModel(build("c3s1-4,d4,R4,U2,c3s1-3", fill=learned).eval(), "x").save(path)
    published = as_published(
        model_vid=str(path),
        model_img="self",
        motion=None,
        occlusions_min_filter=7,
        fill_occlusions=told,
        create_inconsistent=False,
        device=torch.device("cpu"),
    )
    assert Stylizer(**published).fill == seen
