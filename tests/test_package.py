"""What is installed is what is in the repository, and imports point down the house."""

import ast
import configparser
from pathlib import Path

import pytest

import brushflow

ROOT = Path(brushflow.__file__).parent
FOLDERS = (
    *("evaluation", "flow", "live", "models", "occlusion", "pipeline", "scripts", "serve"),
    *("spherical", "training", "video"),
)
# Every folder may import from those listed for it, and from the modules at the root.
BELOW = {
    "flow": (),
    "occlusion": ("flow",),
    "models": (),
    "video": (),
    "spherical": ("flow",),
    "pipeline": ("flow", "models", "occlusion", "spherical", "video"),
    "live": ("flow", "models", "pipeline", "video"),
    "evaluation": ("flow", "models", "occlusion", "pipeline", "video"),
    "training": ("flow", "models", "occlusion", "pipeline", "video"),
    "serve": ("live", "models", "pipeline", "video"),
    "scripts": tuple(name for name in FOLDERS if name != "scripts"),
}


def test_every_folder_of_code_is_installed():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    packages = config["options"]["packages"].split()
    there = {p.parent.relative_to(ROOT) for p in ROOT.glob("*/**/__init__.py")}
    there = {p for p in there if not p.parts[0].startswith(".") and p.parts[0] != "tests"}
    assert set(packages) == {"brushflow", *(".".join(("brushflow", *p.parts)) for p in there)}
    assert {p.parts[0] for p in there} == set(FOLDERS)
    assert config["metadata"]["version"] == brushflow.__version__


@pytest.mark.parametrize("folder", FOLDERS)
def test_imports_point_down(folder):
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                modules = [node.module or ""]
            elif isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            else:
                continue
            for module in modules:
                part = module.removeprefix("brushflow.").split(".")[0]
                if module.startswith("brushflow.") and part in FOLDERS:
                    assert part == folder or part in BELOW[folder], f"{path}: {module}"


def test_only_the_warp_samples_grids_and_only_video_starts_ffmpeg():
    for path in (path for name in FOLDERS for path in (ROOT / name).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        assert "grid_sample(" not in text or path.name == "warp.py", path
        assert "subprocess" not in text or ROOT / "video" in path.parents, path
