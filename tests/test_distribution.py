"""What is built from the repository installs into a fresh environment, and paints there."""

import ast
import configparser
import os
import re
import shutil
import site
import subprocess
import sys
import sysconfig
import tarfile
import venv
from pathlib import Path

import pytest
from click.testing import CliRunner
from setuptools import build_meta

import brushflow
from brushflow.cli import all_commands
from brushflow.scripts import make_demo_clip

ROOT = Path(brushflow.__file__).parent
NOT_OURS = shutil.ignore_patterns(
    *(".*", "__pycache__", "local", "demo", "build", "dist", "*.egg-info", "*.brushflow")
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel, built from the sdist as ``python -m build`` does."""
    place = tmp_path_factory.mktemp("built")
    shutil.copytree(ROOT, place / "tree", ignore=NOT_OURS)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place / "tree")
        sdist = place / build_meta.build_sdist(str(place))
        with tarfile.open(sdist) as packed:
            packed.extractall(place, filter="data")
        patch.chdir(place / sdist.name.removesuffix(".tar.gz"))
        return place / build_meta.build_wheel(str(place))


@pytest.fixture(scope="module")
def bin_folder(wheel, tmp_path_factory):
    """Where the commands of a fresh environment are; it borrows all that is not brushflow."""
    place = tmp_path_factory.mktemp("fresh")
    venv.create(place, with_pip=False)
    scheme = "venv" if "venv" in sysconfig.get_scheme_names() else sysconfig.get_default_scheme()
    paths = sysconfig.get_paths(scheme, {"base": str(place), "platbase": str(place)})
    # A .pth file in a folder that another one names is not read: no brushflow comes that way.
    borrowed = "\n".join(site.getsitepackages())
    Path(paths["purelib"], "borrowed.pth").write_text(borrowed, encoding="utf-8")
    python = Path(paths["scripts"], "python")
    words = ["pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([sys.executable, "-m", *words, "--no-compile", str(wheel)], check=True)
    return Path(paths["scripts"])


@pytest.mark.slow
def test_the_wheel_paints_from_a_fresh_environment(bin_folder, make_clip, drifting, tmp_path):
    make_clip(tmp_path / "clip.mp4", drifting(3))
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}

    def call(*words):
        told = subprocess.run(
            [bin_folder / "brushflow", *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
        )
        assert told.returncode == 0, told.stderr
        return told.stdout

    assert call("--version") == f"brushflow {brushflow.__version__}\n"
    code = f"import brushflow; print({str(bin_folder.parent)!r} in brushflow.__file__)"
    python = [bin_folder / "python", "-c", code]
    where = subprocess.run(python, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert where.stdout == "True\n", where
    assert "3 frames" in call("paint", "clip.mp4")
    assert (tmp_path / "clip.starry-night.mp4").stat().st_size > 1000


def test_help_and_completion_import_nothing_that_takes_long(tmp_path):
    """0.3 s is what a shell's user takes for at once; what it takes is decided by imports."""
    code = (
        "import sys\nfrom brushflow.cli.all_commands import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "slow = {'torch', 'cv2', 'numpy', 'av', 'PIL', 'psutil', 'tqdm'}\n"
        "print(sorted(slow & set(sys.modules)))"
    )
    completing = {
        "_BRUSHFLOW_COMPLETE": "bash_complete",
        "COMP_WORDS": "brushflow p",
        "COMP_CWORD": "1",
    }
    for words, more, expected in (
        (["--help"], {}, "Every day"),
        (["--version"], {}, brushflow.__version__),
        ([], completing, "plain,paint"),
    ):
        told = subprocess.run(
            [sys.executable, "-c", f"import sys; sys.argv[:] = {['brushflow', *words]}\n{code}"],
            env={**os.environ, **more, "PYTHONPATH": str(ROOT.parent)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert expected in told.stdout, told
        assert told.stdout.endswith("[]\n"), told


def test_what_a_gpu_machine_may_lack_is_carried_along():
    """PyTorch and what it comes with are there."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    rows = config["options"]["install_requires"].split("\n")
    needed = {re.match(r"[\w-]+", row)[0] for row in rows if row and "python_version" not in row}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    carried = set(makefile.split("\ngpu-wheels:\n")[1].split("\n\n")[0].split())
    assert needed - carried == {"torch", "torchvision", "numpy", "scipy", "pillow"}


def test_every_command_has_its_name():
    """All command files are offered, and each part that is named is there."""
    files = {
        path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
        for path in (*ROOT.glob("*.py"), *ROOT.glob("scripts/**/*.py"))
        if "\n    run(command)\n" in path.read_text(encoding="utf-8")
    }
    parts = [part for named in all_commands.PARTS.values() for part in named.values()]
    assert sorted(part.module for part in parts) == sorted(files)


def test_what_is_said_names_commands_and_no_files_of_a_checkout():
    """Who has the wheel alone has none to start; measurements for the docs are the docs' own."""
    files = {Path(*part.module.split(".")).name for part in all_commands._ALL.values()}
    named = re.compile(rf"\b({'|'.join(sorted(files))})\.py\b")
    found = []
    for path in ROOT.rglob("*.py"):
        folder = path.relative_to(ROOT).parts[0]
        if folder in ("tests", "local", "integrations", "build") or folder.startswith("."):
            continue
        if "lab" in path.parts or path.name == "experiment_pages.py":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        inner = set()  # what is told of code, to those who read it
        for node in ast.walk(tree):
            called = isinstance(node, ast.FunctionDef) and node.decorator_list
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and not called:
                inner.update(map(id, node.body[:1]))
        for node in ast.walk(tree):
            if isinstance(node, ast.Expr) and id(node) in inner:
                inner.add(id(node.value))
            said = isinstance(node, ast.Constant) and isinstance(node.value, str)
            if said and id(node) not in inner and named.search(node.value):
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert found == []


def test_commands_are_called_and_wrong_names_answered(monkeypatch, capsys):
    def call(*words):
        monkeypatch.setattr(sys, "argv", ["brushflow", *words])
        with pytest.raises(SystemExit) as stop:
            all_commands.main()
        return stop.value.code, *capsys.readouterr()

    called_alone = CliRunner().invoke(make_demo_clip.command, ["--help"])
    assert called_alone.exit_code == 0
    code, out, _ = call("make-clip", "-h")  # whatever click remembers of the call before
    assert code == 0
    assert "brushflow make-clip [OPTIONS] OUTPUT" in out
    assert call("paint")[0] == 2
    assert "given twice" in call("cuts", "a.mp4", "-o", "a", "-o", "b")[2]
    code, _, err = call("pant")
    assert code == 2
    assert "did you mean paint?" in err
