"""Tools of the original's kind paint as it does, and our styles as they have learned."""

import pytest
import torch

from brushflow.cli.frames_in_files import as_published
from brushflow.pipeline import Stylizer


@pytest.mark.parametrize(
    ("style", "told", "seen"),
    [
        ("starry-night", "vgg-mean", "clouds"),
        ("composition-vii", "vgg-mean", "mean"),
        ("composition-vii", "uniform-random", "noise"),
    ],
)
def test_a_model_sees_what_it_has_learned_to_see_unless_told(style, told, seen):
    published = as_published(
        model_vid=style,
        model_img="self",
        motion=None,
        occlusions_min_filter=7,
        fill_occlusions=told,
        create_inconsistent=False,
        device=torch.device("cpu"),
    )
    assert Stylizer(**published).fill == seen
