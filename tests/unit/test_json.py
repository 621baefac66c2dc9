"""JSON that the product writes has no NaN and no Infinity: RFC 8259 knows neither, and the reader of a setting dies of it."""

from __future__ import annotations

import ast
import math
from pathlib import Path

import msgspec
import pytest

from infrastructure.orchestrator import stack as orchestrator_stack
from infrastructure.service import stack as service_stack
from orchestrator.cli.rendering.output import print_json
from service.oauth.tokens import to_json

ROOT = Path(__file__).resolve().parents[2]
TOPS = ("orchestrator", "service", "infrastructure", "state_machines", "benchmarks", "examples", "cdk_app.py")
WRITERS = {"dumps", "dump", "JSONEncoder"}
EMULATOR = ROOT / "orchestrator/local/emulator"
"""It writes what AWS writes, such as the result of a function by Lambda's runtime."""


def json_calls() -> dict[str, ast.Call]:
    """Return every call of a writer of `json`, by file and line."""
    calls = {}
    for top in TOPS:
        path = ROOT / top
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            if EMULATOR in file.parents:
                continue
            tree = ast.parse(file.read_text(encoding="utf-8"))
            names = _names_of_json(tree)
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and _is_writer(node.func, names):
                    calls[f"{file.relative_to(ROOT)}:{node.lineno}:{node.col_offset}"] = node
    return calls


def _names_of_json(tree: ast.Module) -> set[str]:
    """Return the names under which a module has `json` and its writers."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname or alias.name for alias in node.names if alias.name == "json"}
        elif isinstance(node, ast.ImportFrom) and node.module == "json":
            names |= {alias.asname or alias.name for alias in node.names if alias.name in WRITERS}
    return names


def _is_writer(function: ast.expr, names: set[str]) -> bool:
    if isinstance(function, ast.Attribute):
        return isinstance(function.value, ast.Name) and function.value.id in names and function.attr in WRITERS
    return isinstance(function, ast.Name) and function.id in names


def test_every_writer_of_json_refuses_what_json_cannot_say():
    calls = json_calls()
    assert len(calls) > 50
    wrong = [
        place
        for place, call in calls.items()
        if not any(
            word.arg == "allow_nan" and isinstance(word.value, ast.Constant) and word.value.value is False
            for word in call.keywords
        )
    ]
    assert not wrong, "pass allow_nan=False"


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
@pytest.mark.parametrize(
    "write", [orchestrator_stack._compact, service_stack._compact, to_json], ids=["orchestrator", "service", "cdk"]
)
def test_a_variable_of_a_function_with_such_a_number_is_not_written(write, number):
    with pytest.raises(ValueError, match="JSON compliant"):
        write({"max_p99_ms": number})


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
def test_a_measured_number_that_json_cannot_say_is_null_on_the_command_line_as_in_the_ledger(number, capsys):
    print_json({"ratio": number, "in": [{"deep": number}]})
    assert msgspec.json.decode(capsys.readouterr().out) == msgspec.json.decode(
        msgspec.json.encode({"ratio": number, "in": [{"deep": number}]})
    )
