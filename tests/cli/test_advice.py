"""Errors below the commands state facts; what to type is said by ``cli/`` alone."""

import ast
import pickle
import re
from pathlib import Path

import pytest

import brushflow
from brushflow import stylize_video, train_video
from brushflow.cli import advice
from brushflow.common.atomic_files import InUse
from brushflow.common.errors import BrushflowError, UsageError
from brushflow.scripts import evaluate
from brushflow.scripts.original import stylize_frames

ROOT = Path(brushflow.__file__).parent
FOLDERS = [
    *("common", "flow", "occlusion", "models", "video", "shots", "spherical"),
    *("evaluation", "report", "training", "live", "serve"),
]
BELOW = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
# Not in backquotes, as pages quote the commands that made them.
OPTION = re.compile(r"(?<![\w`-])--[a-z]|\b(stylize|train)_video\.py\b")


def spoken(tree):
    """String literals that are no docstrings."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    silent = {id(node.body[0].value) for node in ast.walk(tree)
              if isinstance(node, documented) and isinstance(node.body[0], ast.Expr)}  # fmt: skip
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in silent
        ):
            yield node


def subjects(tree):
    """What errors that are raised are about, as far as it stands there."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "").endswith("Error"):
            given = [*node.args[1:2], *(k.value for k in node.keywords if k.arg == "about")]
            yield from (x.value for x in given if isinstance(x, ast.Constant))


def test_what_speaks_of_options_is_seen():
    said = [node.value for node in spoken(ast.parse('"""--a"""\nf("--bc d", f"{x} or --e")'))]
    assert [bool(OPTION.search(text)) for text in said] == [True, True]
    assert not OPTION.search("By `--scale paper`")


@pytest.mark.parametrize("path", BELOW, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_option_is_named_below_the_commands(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert [node.value for node in spoken(tree) if OPTION.search(node.value)] == []


def options_of(command):
    advice.know_options(command)
    return dict(advice._names)


def test_every_error_that_is_about_something_finds_advice():
    known = {*advice._ADVICE}
    for command in (stylize_video.command, train_video.command, evaluate.command,
                    stylize_frames.command):  # fmt: skip
        known |= options_of(command).keys()
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in BELOW]
    about = {subject for tree in trees for subject in subjects(tree)}
    assert about and about <= known


def test_all_advice_is_for_some_error():
    text = "".join(path.read_text(encoding="utf-8") for path in ROOT.rglob("*.py")
                   if path.relative_to(ROOT).parts[0] not in ("tests", ".venv", "cli"))  # fmt: skip
    assert [key for key in advice._ADVICE if f'"{key}"' not in text] == []


def test_facts_and_what_to_type_make_two_sentences():
    error = UsageError("The device 'x' is not available here.", "device")
    assert str(error) == "The device 'x' is not available here."
    assert advice.advised(error) == f"{error} --device auto finds one."
    assert (
        advice.advised(UsageError("So it is.", "one_size", 96))
        == "So it is. --max-size 96 does that."
    )
    assert advice.advised(BrushflowError("So it is.")) == "So it is."


def test_an_option_is_called_as_the_command_has_it():
    error = UsageError("'x' is no size.", "size_schedule")
    assert advice.advised(error, options_of(train_video.command)) == "'x' is no size. See --sizes."
    assert advice.advised(error, options_of(stylize_video.command)) == "'x' is no size."


@pytest.mark.parametrize("kind", [BrushflowError, UsageError, InUse])
def test_other_processes_tell_what_an_error_is_about(kind):
    error = pickle.loads(pickle.dumps(kind("So it is.", "device", 7)))
    assert (type(error), str(error), error.about, error.value) == (kind, "So it is.", "device", 7)
