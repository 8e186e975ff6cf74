"""The project's own Python files, as syntax trees that several tests look through."""

import ast
from functools import cache


@cache
def nodes_of(source):
    """All nodes of a text of Python."""
    return tuple(ast.walk(ast.parse(source)))


def nodes_in(path):
    """All nodes of a file of Python."""
    return nodes_of(path.read_text(encoding="utf-8"))
