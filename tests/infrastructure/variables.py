"""Which environment variables a task or event handler reads, read out of its source and out of the functions that it leads to.

A function is followed from where its name stands, called or passed on, and Cloud's members from `cloud.member`. What cannot be seen
that way, such as a method of an object that keeps the cloud, is not followed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from orchestrator import environments

ROOT = Path(environments.settings_file()).parent
CLOUD = "orchestrator.application.cloud"
SET_BY_LAMBDA = frozenset({"AWS_REGION"})

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
    """The members of Cloud: its methods, and the adapters that its base class declares."""
    classes = {node.name: node for node in _tree(CLOUD).body if isinstance(node, ast.ClassDef)}
    members: dict[str, ast.AST] = {
        node.name: node for node in classes["Cloud"].body if isinstance(node, ast.FunctionDef)
    }
    for node in classes["Adapters"].body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            members[node.target.id] = node
    return members


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


def _settings(node: ast.AST, holders: frozenset[str]) -> Iterator[str]:
    """Every ``holder.settings["NAME"]``, and those of the members of Cloud that are used: ``holder.member``.

    An adapter that takes settings after its client names them as arguments: ``_adapter(path, service, "NAME", …)``.
    """
    for part in ast.walk(node):
        if isinstance(part, ast.Subscript) and _is_member(part.value, holders, "settings"):
            if isinstance(part.slice, ast.Constant):
                yield part.slice.value
        elif isinstance(part, ast.Call) and isinstance(part.func, ast.Name) and part.func.id == "_adapter":
            yield from (argument.value for argument in part.args[2:] if isinstance(argument, ast.Constant))
        elif isinstance(part, ast.Attribute) and part.attr in _members() and _is_member(part, holders, part.attr):
            yield from _settings(_members()[part.attr], frozenset({"self", "cloud"}))


def _is_member(node: ast.AST, holders: frozenset[str], name: str) -> bool:
    named = isinstance(node, ast.Attribute) and node.attr == name and isinstance(node.value, ast.Name)
    return named and node.value.id in holders


def read_by(module: str) -> set[str]:
    """The names of the variables that a task's or event handler's module reads."""
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
        found |= set(_settings(node, frozenset({"cloud"})))
        waiting += _next(there, node)
    return found - SET_BY_LAMBDA
