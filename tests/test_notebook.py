"""The notebook's cells run in their order, and what they show is a painted clip."""

import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np

import brushflow
from brushflow.video import probe

NOTEBOOK = Path(brushflow.__file__).parent / "docs" / "brushflow.ipynb"


def test_the_notebook_paints_and_shows(monkeypatch, tmp_path):
    """IPython is stood in for: it is not needed for anything else here."""
    shown = []
    stand_in = ModuleType("IPython.display")
    stand_in.Video = lambda path, embed: shown.append(path)
    stand_in.display = shown.append
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", stand_in)
    monkeypatch.chdir(tmp_path)
    book = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    ids = {cell["id"] for cell in book["cells"]}
    assert (book["nbformat"], len(ids)) == (4, len(book["cells"]))
    names = {}
    for cell in book["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
    assert names["report"].frames == 12
    video, frame, picture = shown
    info = probe(tmp_path / video)
    assert (info.width, info.height) == (320, 180)
    assert frame.size == picture.size == (320, 180)
    assert np.abs(np.asarray(frame, float) - np.asarray(picture, float)).mean() > 10
