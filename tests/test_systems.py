"""Linux, macOS and Windows: what only some of them have is used where it was asked for first."""

import ast
from pathlib import Path

import pytest

import brushflow
from brushflow.tests.sources import nodes_of, python_files

ROOT = Path(brushflow.__file__).parent
SOURCES = python_files(ROOT, ("tests", "local", "build"))
MODULES = {"fcntl", "grp", "msvcrt", "posix", "pty", "pwd", "resource", "termios", "winreg"}
NAMES = {
    "os": {
        *("O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "chown", "chroot", "fchmod", "fork"),
        *("getloadavg", "getpgid", "getuid", "geteuid", "killpg", "lockf", "mkfifo", "nice"),
        *("posix_fadvise", "posix_fallocate", "pread", "pwrite", "sched_getaffinity", "setsid"),
        *("statvfs", "sysconf", "uname", "wait", "wait4"),
    },
    "signal": {
        *("SIGALRM", "SIGCHLD", "SIGHUP", "SIGKILL", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGXFSZ"),
        *("alarm", "pthread_kill", "pthread_sigmask", "setitimer", "sigwait"),
    },
}
ASKS = ("sys.platform", "hasattr(")


def of_some_systems(source):
    """Lines that use what not every system has, in functions that do not ask which one this is."""
    nodes, lines = nodes_of(source), source.splitlines()
    asking = set()
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.IfExp):
            text = lines[node.lineno - 1 : node.end_lineno]
            if any(words in line for words in ASKS for line in text):
                asking.update(map(id, ast.walk(node)))
    for node in nodes:
        if isinstance(node, ast.Import):
            used = MODULES & {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            used = MODULES & {node.module}
            used |= NAMES.get(node.module, set()) & {alias.name for alias in node.names}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            used = NAMES.get(node.value.id, set()) & {node.attr} if id(node) not in asking else ()
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            used = node.value.startswith("/proc") and id(node) not in asking
        else:
            continue
        if used:
            yield node.lineno


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("import os, fcntl", [1]),
        ("from signal import SIGINT, SIGKILL", [1]),
        ("import os\nos.killpg(1, 9)", [2]),
        ("import os\ndef f():\n    if hasattr(os, 'killpg'):\n        os.killpg(1, 9)", []),
        ("open('/proc/meminfo')", [1]),
        ("import os, sys\nn = os.O_NOFOLLOW if sys.platform != 'win32' else 0", []),
    ],
)
def test_what_only_some_systems_have_is_seen(source, lines):
    assert list(of_some_systems(source)) == lines


def test_nothing_is_used_that_only_some_systems_have():
    assert len(SOURCES) > 200
    found = {
        path.relative_to(ROOT).as_posix(): lines
        for path in SOURCES
        if (lines := list(of_some_systems(path.read_text(encoding="utf-8"))))
    }
    assert found == {}


def of_some_places(source):
    """Lines that read or write text as the place where they run has it, and not as UTF-8."""
    for node in nodes_of(source):
        if not isinstance(node, ast.Call) or "CGROUP" in ast.unparse(node):  # the kernel's
            continue
        method = isinstance(node.func, ast.Attribute)
        name = node.func.attr if method else getattr(node.func, "id", "")
        said = {keyword.arg for keyword in node.keywords}
        given = [a.value for a in node.args if isinstance(a, ast.Constant)]
        if name in ("read_text", "write_text"):
            silent = len(node.args) < 1 + (name == "write_text") and "encoding" not in said
        elif name == "open" and not (method and getattr(node.func.value, "id", "") in OPENERS):
            modes = given[:1] if method else given[1:2] or ["r"]
            named = [k.value for k in node.keywords if k.arg == "mode"]
            text = not named and all(isinstance(m, str) and "b" not in m for m in modes)
            silent = (
                text and (not method or bool(modes) or not node.args) and "encoding" not in said
            )
        else:
            continue
        if silent:
            yield node.lineno


OPENERS = ("Image", "av", "os", "webbrowser")


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("p.read_text()", [1]),
        ("p.read_text('utf-8')\np.write_text('a', encoding='ascii')", []),
        ("p.write_text('a')", [1]),
        ("open('a')\nopen('a', 'rb')\nopen('a', 'w', encoding='utf-8')", [1]),
        ("p.open()\np.open('rb')\np.open(newline='')\nImage.open(p)", [1, 3]),
    ],
)
def test_text_of_some_places_is_seen(source, lines):
    assert list(of_some_places(source)) == lines


def test_text_is_utf8_everywhere():
    found = {
        path.relative_to(ROOT).as_posix(): lines
        for path in SOURCES
        if (lines := list(of_some_places(path.read_text(encoding="utf-8"))))
    }
    assert found == {}


def test_tensors_of_a_file_do_not_keep_it_from_being_replaced():
    """Those of safetensors lie in the file; it may be one that is written again."""
    for path in SOURCES:
        source = path.read_text(encoding="utf-8")
        for node in nodes_of(source):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "get_tensor":
                line = source.splitlines()[node.lineno - 1]
                assert ".clone()" in line, f"{path}:{node.lineno}"
