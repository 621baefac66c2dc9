"""Whether a log event matches a filter pattern on JSON, as CloudWatch Logs would say.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntaxForMetricFilters.html

What the patterns of this product use: `=` and `!=` with texts, whose asterisks stand for anything, NOT EXISTS, `&&`, `||` and
parentheses. Of a field that is not there nothing is true but NOT EXISTS: a pattern may lean on no other reading.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

_TOKEN = re.compile(r'\s*(\(|\)|&&|\|\||!=|=|NOT EXISTS|\$[\w.]+|"[^"]*")')


def matches(pattern: str, event: Mapping[str, Any]) -> bool:
    """Whether the event matches; raises ValueError for what is no pattern of this kind."""
    inside = re.fullmatch(r"\{\s(.+)\s\}", pattern)
    if not inside:
        raise ValueError(f"no JSON pattern: {pattern}")
    tokens, at = [], 0
    while at < len(inside[1].rstrip()):
        found = _TOKEN.match(inside[1], at)
        if not found:
            raise ValueError(f"not understood: {inside[1][at:]}")
        tokens.append(found[1])
        at = found.end()
    value, rest = _either(tokens, event)
    if rest:
        raise ValueError(f"left over: {rest}")
    return value


def _either(tokens: list[str], event: Mapping[str, Any]) -> tuple[bool, list[str]]:
    value, rest = _both(tokens, event)
    while rest[:1] == ["||"]:
        other, rest = _both(rest[1:], event)
        value = value or other
    return value, rest


def _both(tokens: list[str], event: Mapping[str, Any]) -> tuple[bool, list[str]]:
    value, rest = _one(tokens, event)
    while rest[:1] == ["&&"]:
        other, rest = _one(rest[1:], event)
        value = value and other
    return value, rest


def _one(tokens: list[str], event: Mapping[str, Any]) -> tuple[bool, list[str]]:
    if tokens[0] == "(":
        value, rest = _either(tokens[1:], event)
        if rest[:1] != [")"]:
            raise ValueError(f"a parenthesis is not closed before {rest}")
        return value, rest[1:]
    found = _field(tokens[0], event)
    if tokens[1] == "NOT EXISTS":
        return found is None, tokens[2:]
    like = found is not None and fnmatchcase(str(found), tokens[2].strip('"'))
    return (like if tokens[1] == "=" else found is not None and not like), tokens[3:]


def _field(path: str, event: Mapping[str, Any]) -> Any:
    found: Any = event
    for name in path.removeprefix("$.").split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found
