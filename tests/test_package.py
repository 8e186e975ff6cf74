"""What is installed is what is in the repository, and imports point down the house."""

import ast
import configparser
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import brushflow
from brushflow.tests.sources import nodes_in, python_files

ROOT = Path(brushflow.__file__).parent
# From the ground up; a folder imports from floors below it, and where it is said from its own.
FLOORS = (
    ("common",),
    ("flow",),
    ("shots", "spherical", "models", "video", "occlusion"),
    ("evaluation", "report", "training", "pipeline"),
    ("serve", "live"),
    ("cli",),
    ("scripts",),
)
BESIDE = {
    ("shots", "video"), ("evaluation", "pipeline"), ("evaluation", "report"),
    ("report", "evaluation"), ("report", "training"), ("training", "report"), ("serve", "live"),
}  # fmt: skip
STRANGERS = {("video", "models"), ("training", "pipeline"), ("video", "flow"), ("models", "flow")}
SAMPLE = ("warp.py", "torch_devices.py")  # which tries whether a device can
APART = ("tests", "integrations")  # not installed
FLOOR_OF = {folder: number for number, floor in enumerate(FLOORS) for folder in floor}


def test_every_folder_of_code_is_installed():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    packages = config["options"]["packages"].split()
    there = {p.parent.relative_to(ROOT) for p in python_files(ROOT, APART) if p.stem == "__init__"}
    there -= {Path()}
    assert set(packages) == {"brushflow", *(".".join(("brushflow", *p.parts)) for p in there)}
    assert {p.parts[0] for p in there} == set(FLOOR_OF)
    assert config["metadata"]["version"] == brushflow.__version__
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {brushflow.__version__}\n" in citation


def test_what_code_reads_is_installed_beside_it():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    installed = {
        path
        for package, patterns in config["options.package_data"].items()
        for pattern in patterns.split(",")
        for path in ROOT.joinpath(*package.split(".")[1:]).glob(pattern.strip())
    }
    suffixes = (".css", ".html", ".js", ".safetensors")
    there = {path for folder in FLOOR_OF for path in (ROOT / folder).rglob("*.*")}
    assert {path for path in there if path.suffix in suffixes} == installed


@pytest.mark.parametrize("folder", FLOOR_OF)
def test_imports_point_down(folder):
    for path in (ROOT / folder).rglob("*.py"):
        for node in nodes_in(path):
            if isinstance(node, ast.ImportFrom):
                modules = [node.module or ""]
            elif isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            else:
                continue
            for module in modules:
                part = module.removeprefix("brushflow.").split(".")[0]
                if not module.startswith("brushflow.") or part not in FLOOR_OF or part == folder:
                    continue
                below = FLOOR_OF[part] < FLOOR_OF[folder] or (folder, part) in BESIDE
                assert below and (folder, part) not in STRANGERS, f"{path}: {module}"


def names_of_modules():
    """Every module by its name, with its file."""
    modules = {}
    for path in (path for folder in FLOOR_OF for path in (ROOT / folder).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        modules[".".join(("brushflow", *parts))] = path
    return modules


def test_no_circle_of_imports():
    """Not even one that is opened by importing late."""
    modules = names_of_modules()
    graph = {}
    for module, path in modules.items():
        needed = graph[module] = set()
        for node in nodes_in(path):
            if isinstance(node, ast.Import):
                needed |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module in modules:
                inside = {f"{node.module}.{alias.name}" for alias in node.names}
                needed |= inside & modules.keys() or {node.module}
        needed &= modules.keys() - {module}
    # A command's first line, which hands it over when all is imported.
    graph["brushflow.cli.start"].discard("brushflow.cli.commands")
    assert any("brushflow.flow.types" in needed for needed in graph.values())
    TopologicalSorter(graph).prepare()


def test_every_library_that_is_imported_is_declared():
    """And what is imported at once is installed with the package, outside of its extras."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    always, extra = (
        {re.split(r"[<>=;\[ ]", line)[0].lower() for line in text.split("\n") if line}
        for text in (
            config["options"]["install_requires"],
            "\n".join(config["options.extras_require"].values()),
        )
    )
    offered = packages_distributions()
    for path in names_of_modules().values():
        tree, *nodes = nodes_in(path)
        for node in nodes:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            for name in {name.split(".")[0] for name in names} - sys.stdlib_module_names:
                if name == "brushflow" or name not in offered:  # of an extra that is not here
                    continue
                by = {each.lower() for each in offered[name]}
                late = node not in tree.body or path.parent.name == "serve"
                assert by & (always | extra if late else always), f"{path}: {name}"


def test_the_root_holds_the_commands_and_nothing_that_shadows_a_module():
    """Running a root script puts its folder first in the path of imports."""
    names = {path.name for path in ROOT.glob("*.py")}
    assert names == {"__init__.py", "stylize_video.py", "train_video.py"}
    code = "import importlib.util as u; print([n for n in ('files', 'errors') if u.find_spec(n)])"
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert told.stdout.strip() == "[]", told


def test_no_script_is_called_as_a_module_that_python_brings():
    """Libraries would import the script in its place, as PyTorch does with profile."""
    names = {path.stem for path in ROOT.glob("scripts/**/*.py")} - {"__init__"}
    assert not names & sys.stdlib_module_names


def test_only_the_warp_samples_grids_and_only_video_starts_ffmpeg():
    for path in (path for name in FLOOR_OF for path in (ROOT / name).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        assert "grid_sample(" not in text or path.name in SAMPLE, path
        assert "subprocess" not in text or ROOT / "video" in path.parents, path
