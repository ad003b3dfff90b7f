"""Sizes, docstrings and places: the house rules that a program can check."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("core", "tools", "skills", "agent_server", "evals")
MODULES = sorted(
    path
    for package in PACKAGES
    for path in (ROOT / package).rglob("*.py")
    if "migrations/versions" not in path.as_posix()
)


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of a function's body, its docstring left out."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_module_is_at_most_400_lines_and_its_functions_40(path: Path) -> None:
    text = path.read_text()
    long = [f"{node.name}: {length(node)}" for node in functions(ast.parse(text)) if length(node) > 40]
    assert len(text.splitlines()) <= 400
    assert long == []


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text())), "a module docstring is missing"


@pytest.mark.parametrize("path", sorted((ROOT / "skills").rglob("*.py")), ids=name)
def test_skill_bodies_are_one_call(path: Path) -> None:
    """A branch in a skill belongs in a service: at most three statements besides the docstring."""
    for node in functions(ast.parse(path.read_text())):
        if any(isinstance(item, ast.Call) and getattr(item.func, "id", "") == "skill" for item in node.decorator_list):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            assert len(body) <= 3, f"{node.name} does more than one call"
            assert not [
                item for statement in body for item in ast.walk(statement) if isinstance(item, ast.For | ast.While)
            ]


def test_no_package_files_under_tests() -> None:
    """A `tests/core` package would hide `core`."""
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_no_module_is_called_utils() -> None:
    assert [name(path) for path in MODULES if re.search(r"(^|_)(utils?|helpers?|common|misc)\.py$", path.name)] == []


def test_stdlib_names_are_not_shadowed() -> None:
    import sys

    allowed = {"core/secrets.py"}  # the word of the drawing; it is never imported by its last name alone
    shadowing = [name(path) for path in MODULES if path.stem in sys.stdlib_module_names and path.stem != "__main__"]
    assert [entry for entry in shadowing if entry not in allowed] == []
