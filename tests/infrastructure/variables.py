"""Which environment variables a task or intake reads, read out of its source and out of the functions that it leads to.

A function is followed from where its name stands, called or passed on, and Cloud's members from `cloud.member`. What cannot be seen
that way, such as a method of an object that keeps the cloud, is not followed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import environments

ROOT = Path(environments.FILE).parent
CLOUD = "orchestrator.aws.cloud"
GIVEN_BY_LAMBDA = frozenset({"AWS_REGION"})

Place = tuple[str, str]
"""A module, and a function in it; the whole module where that is empty."""


@cache
def _tree(module: str) -> ast.Module:
    path = ROOT.joinpath(*module.split("."))
    file = path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__init__.py"
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def _functions(module: str) -> dict[str, ast.AST]:
    return {node.name: node for node in _tree(module).body if isinstance(node, ast.FunctionDef)}


@cache
def _members() -> dict[str, ast.AST]:
    (made,) = (node for node in _tree(CLOUD).body if isinstance(node, ast.ClassDef) and node.name == "Cloud")
    return {node.name: node for node in made.body if isinstance(node, ast.FunctionDef)}


@cache
def _imported(module: str) -> dict[str, Place]:
    return {
        alias.asname or alias.name: (node.module or "", alias.name)
        for node in ast.walk(_tree(module))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("orchestrator.")
        for alias in node.names
    }


def _next(module: str, node: ast.AST) -> Iterator[Place]:
    for one in ast.walk(node):
        if not isinstance(one, ast.Name):
            continue
        if one.id in _functions(module):
            yield module, one.id
        elif one.id in _imported(module):
            there, name = _imported(module)[one.id]
            if name in _functions(there):
                yield there, name


def _settings(node: ast.AST, holder: str) -> Iterator[str]:
    """Every ``holder.settings["NAME"]``, and those of the members of Cloud that are used: ``holder.member``."""
    for one in ast.walk(node):
        if isinstance(one, ast.Subscript) and _is_member(one.value, holder, "settings"):
            assert isinstance(one.slice, ast.Constant), "a variable is read by its name"
            yield one.slice.value
        elif isinstance(one, ast.Attribute) and one.attr in _members() and _is_member(one, holder, one.attr):
            yield from _settings(_members()[one.attr], "self")


def _is_member(node: ast.AST, holder: str, name: str) -> bool:
    named = isinstance(node, ast.Attribute) and node.attr == name and isinstance(node.value, ast.Name)
    return named and node.value.id == holder


def read_by(module: str) -> set[str]:
    """The names of the variables that a task's or intake's module reads."""
    found: set[str] = set()
    seen: set[Place] = set()
    waiting: list[Place] = [(module, "")]
    while waiting:
        place = waiting.pop()
        if place in seen:
            continue
        seen.add(place)
        there, function = place
        node = _functions(there)[function] if function else _tree(there)
        found |= set(_settings(node, "cloud"))
        waiting += _next(there, node)
    return found - GIVEN_BY_LAMBDA
