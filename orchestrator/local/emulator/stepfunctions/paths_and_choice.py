r"""Step Functions: a path without a result ends the execution, and Choice compares as its operators define.

AWS:

- A path in ``InputPath``, ``OutputPath``, ``Parameters``, ``ResultSelector``, ``ItemsPath``, ``SecondsPath`` or a
  Choice's ``Variable`` that finds nothing is States.Runtime, which nothing catches. Only ``IsPresent`` may test a
  missing value; a null is present. https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
- Every comparison has a ``…Path`` form, ``StringMatches`` accepts an escaped ``\*``, ``IsNumeric`` is false for a
  boolean. https://docs.aws.amazon.com/step-functions/latest/dg/state-choice.html
- ``ResultSelector`` may use the context object, as ``Parameters`` may; ``States.Format`` writes values as JSON does.
  https://docs.aws.amazon.com/step-functions/latest/dg/intrinsic-functions.html

Stock MiniStack uses null if a path finds nothing, so an execution with a misspelt path continues. It treats null as
absent, treats ``TimestampLessThanPath`` and the ordering ``String…Path`` operators as false, counts true as a number,
ignores the context object in a ``ResultSelector`` and formats true as ``True``.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, Final

from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap

PINNED = {
    "ministack.services.stepfunctions._resolve_path": "4ca0c5fe9f7014c6",
    "ministack.services.stepfunctions._resolve_path_or_ctx": "39841ce14aefd1c1",
    "ministack.services.stepfunctions._resolve_ctx_path": "9d99cf3416f9b704",
    "ministack.services.stepfunctions._parse_jsonpath_tokens": "0b9043314fbca0a0",
    "ministack.services.stepfunctions._evaluate_rule": "728e6547c8ca20e5",
    "ministack.services.stepfunctions._apply_result_selector": "2c9e674e99b411de",
    "ministack.services.stepfunctions._execute_task": "53c818d247dba62c",
    "ministack.services.stepfunctions._execute_parallel": "2166e1f53e5fd48d",
    "ministack.services.stepfunctions._execute_map": "18ad3965291213ad",
    "ministack.services.stepfunctions._execute_wait": "a1012679c72d1b08",
    "ministack.services.stepfunctions._resolve_params_obj": "d41c2e27dd1b00a5",
    "ministack.services.stepfunctions._eval_intrinsic_arg": "7748e3b16ffd6549",
    "ministack.services.stepfunctions._exec_intrinsic": "4ecd0aea2f6e0415",
    "ministack.services.stepfunctions._parse_ts": "558842d52cf6eeb8",
    "ministack.services.stepfunctions._ExecutionError": "82f3c23a59f9bf3c",
}

NOTHING: Final = object()
_ORDERS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "Equals": operator.eq,
    "LessThan": operator.lt,
    "LessThanEquals": operator.le,
    "GreaterThan": operator.gt,
    "GreaterThanEquals": operator.ge,
}
_COMPARISON: Final = re.compile(f"(String|Numeric|Boolean|Timestamp)({'|'.join(_ORDERS)})(Path)?")

context_object: ContextVar[dict[str, Any] | None] = ContextVar("context_object", default=None)


def install(options: Options) -> None:
    """Install the patch in this process."""
    del options
    from ministack.services import stepfunctions  # noqa: PLC0415 - only in the server process

    patches = _Paths(stepfunctions)
    wrap(stepfunctions, "_resolve_path", patches.resolving)
    wrap(stepfunctions, "_evaluate_rule", patches.evaluating)
    wrap(stepfunctions, "_apply_result_selector", patches.selecting)
    wrap(stepfunctions, "_exec_intrinsic", patches.computing)
    for state in ("task", "parallel", "map"):
        wrap(stepfunctions, f"_execute_{state}", patches.setting_context)


class _Paths:
    """Replacements of MiniStack's functions."""

    def __init__(self, stepfunctions: Any) -> None:
        self.stepfunctions = stepfunctions

    def resolving(self, original: Callable[..., Any]) -> Callable[..., Any]:
        del original  # returns null for a missing value

        def resolve_path(path: str, data: Any) -> Any:
            value = find_path(self.stepfunctions._parse_jsonpath_tokens, path, data)
            if value is NOTHING:
                cause = f"The path '{path}' could not be found in: {json.dumps(data)[:1024]}"
                raise self.stepfunctions._ExecutionError("States.Runtime", cause)
            return value

        return resolve_path

    def evaluating(self, original: Callable[..., bool]) -> Callable[..., bool]:
        def evaluate(rule: Mapping[str, Any], data: Any, context: dict[str, Any] | None = None) -> bool:
            if "Variable" not in rule:
                return original(rule, data, context)  # And, Or, Not
            if "IsPresent" in rule:
                root, path = (context, rule["Variable"][1:]) if rule["Variable"].startswith("$$") else (data, None)
                value = find_path(self.stepfunctions._parse_jsonpath_tokens, path or rule["Variable"], root)
                return (value is not NOTHING) is rule["IsPresent"]
            value = self.stepfunctions._resolve_path_or_ctx(rule["Variable"], data, context)
            for key, operand in rule.items():
                if comparison := _COMPARISON.fullmatch(key):
                    kind, order, by_path = comparison.groups()
                    other = self.stepfunctions._resolve_path_or_ctx(operand, data, context) if by_path else operand
                    return compare(kind, order, value, other, self.stepfunctions._parse_ts)
            if "IsNumeric" in rule:
                return _has_type(kind="Numeric", value=value) is rule["IsNumeric"]
            if "StringMatches" in rule:
                return isinstance(value, str) and bool(compile_string_matches(rule["StringMatches"]).fullmatch(value))
            return original(rule, data, context)

        return evaluate

    def setting_context(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def execute(state: Any, state_input: Any, execution: Any, context: dict[str, Any]) -> Any:
            before = context_object.set(context)
            try:
                return original(state, state_input, execution, context)
            finally:
                context_object.reset(before)

        return execute

    def selecting(self, _: Callable[..., Any]) -> Callable[..., Any]:
        def apply_result_selector(state: Mapping[str, Any], result: Any) -> Any:
            selector = state.get("ResultSelector")
            if not selector:
                return result
            return self.stepfunctions._resolve_params_obj(selector, result, context_object.get())

        return apply_result_selector

    def computing(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def exec_intrinsic(node: tuple[str, str, list[Any]], data: Any, context: Any) -> Any:
            kind, name, arguments = node
            if name == "States.Format":
                values = [self.stepfunctions._eval_intrinsic_arg(argument, data, context) for argument in arguments]
                arguments = [("str", value if isinstance(value, str) else _as_json(value)) for value in values]
            return original((kind, name, arguments), data, context)

        return exec_intrinsic


def find_path(parse: Callable[[str], list[tuple[str, Any]] | None], path: str, data: Any) -> Any:
    """Return the value at a path, or NOTHING. A path with a wildcard returns a list, possibly empty."""
    if path in {"", "$"} or not path.startswith("$"):
        return data
    tokens = parse(path)
    if tokens is None:
        return NOTHING
    values = [data]
    for kind, key in tokens:
        values = [inner for value in values for inner in _step(kind, key, value)]
    if any(kind == "wildcard" for kind, _ in tokens):
        return values
    return values[0] if values else NOTHING


def _step(kind: str, key: Any, value: Any) -> list[Any]:
    if kind == "field":
        return [value[key]] if isinstance(value, dict) and key in value else []
    if kind == "index":
        return [value[key]] if isinstance(value, list) and key < len(value) else []
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def compare(kind: str, order: str, value: Any, other: Any, parse_time: Callable[[Any], Any]) -> bool:
    """Compare as a Choice operator does; false if either value has another type."""
    if not _has_type(kind, value) or not _has_type(kind, other):
        return False
    if kind == "Timestamp":
        value, other = parse_time(value), parse_time(other)
        if value is None or other is None:
            return False
    return _ORDERS[order](value, other)


def _has_type(kind: str, value: Any) -> bool:
    if kind == "Numeric":
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, bool if kind == "Boolean" else str)


def compile_string_matches(matches: str) -> re.Pattern[str]:
    r"""Return the regular expression of a ``StringMatches``: ``*`` is any text, ``\*`` a star, ``\\`` a backslash."""
    parts = re.findall(r"\\[*\\]|[^*\\]+|.", matches, re.DOTALL)
    return re.compile(
        "".join(".*" if part == "*" else re.escape(part[-1] if part[0] == "\\" else part) for part in parts), re.DOTALL
    )


def _as_json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
