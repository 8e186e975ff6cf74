"""What tests of scripts share."""

import sys

import pytest


@pytest.fixture
def exit_code_of(monkeypatch):
    """``python SCRIPT ARGUMENTS`` in this process, the script given as a module."""

    def call(script, *arguments):
        name = script.__name__.rpartition(".")[2]
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            script.main()
        return stop.value.code

    return call
