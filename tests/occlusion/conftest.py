import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest


@pytest.fixture(scope="session")
def plain():
    """The plain checkers of ``plain.py``."""
    spec = importlib.util.spec_from_file_location("plain", Path(__file__).parent / "plain.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def flows():
    """Make a pair of nearly opposite smooth flows, with parts that do not agree."""

    def make(height, width, seed, strength=6.0):
        random = np.random.default_rng(seed)
        field = cv2.GaussianBlur(random.normal(size=(height, width, 2)), (0, 0), 6)
        flow = (field / np.abs(field).max() * strength).astype(np.float32)
        noise = cv2.GaussianBlur(random.normal(size=(height, width, 2)), (0, 0), 3)
        reverse = (-flow + 1.5 * noise / np.abs(noise).max()).astype(np.float32)
        return flow, reverse

    return make
