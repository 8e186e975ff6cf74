"""A film of four shots, to be painted side by side."""

import pytest

from brushflow.pipeline import StylizeOptions


@pytest.fixture(scope="module")
def film(make_clip, drifting, tmp_path_factory):
    """30 frames, 64×48, four shots of 14, 4, 7 and 5 frames, with sound."""
    small = {"width": 64, "height": 48}
    frames = drifting(14, **small) + drifting(4, **small, picture="coffee")
    frames += drifting(7, **small, picture="chelsea") + drifting(5, **small, picture="rocket")
    return make_clip(tmp_path_factory.mktemp("source") / "film.mp4", frames, sound=True)


@pytest.fixture(scope="module")
def options(tiny_model_file):
    return StylizeOptions(style=str(tiny_model_file), device="cpu", preset="ultrafast")
