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


def python_files(root, apart=()):
    """The project's files, without what stands in environments, and in folders named ``apart``.

    An environment in the checkout has fifty times as many; building leaves copies.
    """
    apart = (*apart, "build", "dist")
    places = [place for place in root.iterdir() if place.name[0] != "." and place.name not in apart]
    return sorted(
        path
        for place in places
        for path in (place.rglob("*.py") if place.is_dir() else [place])
        if path.suffix == ".py"
    )
