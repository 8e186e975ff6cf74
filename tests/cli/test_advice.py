"""Errors below the commands state facts; what to type is said by ``cli/`` alone."""

import ast
import logging
import pickle
import re
from functools import cache
from pathlib import Path

import pytest

import brushflow
from brushflow import stylize_video, train_video
from brushflow.cli import advice
from brushflow.cli.commands import set_up_logging
from brushflow.common.atomic_files import InUse
from brushflow.common.errors import BrushflowError, Interrupted, UsageError
from brushflow.scripts import evaluate
from brushflow.scripts.original import stylize_frames
from brushflow.serve import jobs
from brushflow.tests.sources import nodes_in, nodes_of

RAISED = ("Error", "Interrupted")
ROOT = Path(brushflow.__file__).parent
FOLDERS = [
    *("common", "flow", "occlusion", "models", "video", "shots", "spherical"),
    *("evaluation", "report", "training", "pipeline", "live", "serve"),
]
BELOW = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
# Not in backquotes, as pages quote the commands that made them.
OPTION = re.compile(r"(?<![\w`-])--[a-z]|\b(stylize|train)_video\.py\b")


def spoken(nodes):
    """String literals that are no docstrings."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    silent = {id(node.body[0].value) for node in nodes
              if isinstance(node, documented) and isinstance(node.body[0], ast.Expr)}  # fmt: skip
    for node in nodes:
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in silent
        ):
            yield node


@cache
def subjects():
    """What errors that are raised below the commands are about, as far as it stands there."""
    return {subject for path in BELOW for subject in subjects_in(path)}


def subjects_in(path):
    for node in nodes_in(path):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "").endswith(RAISED):
            given = [*node.args[1:2], *(k.value for k in node.keywords if k.arg == "about")]
        elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "about":
            given = [node.value]
        elif isinstance(node, ast.Dict) and [key for key in node.keys if says(key, "about")]:
            given = node.values
        else:
            continue
        parts = [part for value in given for part in (value, *alternatives(value))]
        yield from (x.value for x in parts if isinstance(x, ast.Constant) and x.value)


def says(node, text):
    return isinstance(node, ast.Constant) and node.value == text


def alternatives(node):
    return (node.body, node.orelse) if isinstance(node, ast.IfExp) else ()


def test_what_speaks_of_options_is_seen():
    said = [node.value for node in spoken(nodes_of('"""--a"""\nf("--bc d", f"{x} or --e")'))]
    assert [bool(OPTION.search(text)) for text in said] == [True, True]
    assert not OPTION.search("By `--scale paper`")


@pytest.mark.parametrize("path", BELOW, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_option_is_named_below_the_commands(path):
    assert [node.value for node in spoken(nodes_in(path)) if OPTION.search(node.value)] == []


COMMANDS = (stylize_video.command, train_video.command, evaluate.command, stylize_frames.command)


def options_of(command):
    advice.know_options(command)
    return dict(advice._names)


def test_every_error_that_is_about_something_finds_advice():
    known = {*advice._ADVICE}
    for command in COMMANDS:
        known |= options_of(command).keys()
    assert subjects() and subjects() <= known


def test_all_advice_is_for_some_error():
    tables = {ROOT / "cli" / "advice.py": advice._ADVICE, ROOT / "serve" / "jobs.py": jobs._ADVICE}
    for table in tables.values():
        paths = [ROOT / "train_video.py", *BELOW, *(ROOT / "cli").rglob("*.py")]
        paths += (ROOT / "scripts").rglob("*.py")
        text = "".join(path.read_text(encoding="utf-8") for path in paths if path not in tables)
        assert [key for key in table if f'"{key}"' not in text] == []


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


def test_lines_of_the_log_and_interruptions_have_advice_too(capsys):
    set_up_logging()
    logging.getLogger("brushflow.a").warning("So it is.", extra={"about": "face_size"})
    line = capsys.readouterr().err
    assert line == "So it is. If it does, --face-size makes what is painted smaller.\n"
    stop = Interrupted("Interrupted. It is kept.", about="restarted")
    assert advice.advised(stop).endswith("The same command without --restart goes on from there.")
    assert advice.advised(KeyboardInterrupt()) == ""


def test_the_page_has_words_of_its_own_for_errors_that_there_are():
    for subject in subjects():
        said = jobs.for_visitors(BrushflowError("So it is.", subject, 7))
        assert said == f"So it is. {jobs._ADVICE.get(subject, '')}".rstrip()
        assert not OPTION.search(said)


def test_the_page_names_no_option():
    names = {name for command in COMMANDS for name in options_of(command).values()}
    files = [
        path for path in (ROOT / "serve" / "page").iterdir() if path.suffix in (".html", ".js")
    ]
    assert files and "--restart" in names
    for path in files:
        words = set(re.findall(r"--[a-z-]+", path.read_text(encoding="utf-8")))
        assert not words & names, path


@pytest.mark.parametrize("kind", [BrushflowError, UsageError, InUse, Interrupted])
def test_other_processes_tell_what_an_error_is_about(kind):
    error = pickle.loads(pickle.dumps(kind("So it is.", "device", 7)))
    assert (type(error), str(error), error.about, error.value) == (kind, "So it is.", "device", 7)
