"""Whether a log event matches a filter pattern on JSON, as CloudWatch Logs decides it.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntaxForMetricFilters.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/regex-expressions.html

What the patterns of this product may use, by AWS's rules:

- `=` and `!=` with a quoted text. An asterisk at its beginning or end stands for any text. One within the text is literal:
  of AWS's examples, ``*Event`` matches ``PutEvent``, ``Event*`` matches ``EventName``, and ``Ev*ent`` matches only the
  text ``Ev*ent``.
- `=` and `!=` with a regular expression between percent signs, which may match anywhere in the text. It may hold letters,
  digits, ``_ : # = @ / ; , -`` and the operators ``^ $ ? [ ] { } | \\ * + .``; parentheses are refused. A pattern may have
  two, and a log group five patterns that have one.
- NOT EXISTS, `&&`, `||`, and parentheses; `&&` binds more tightly than `||`.
- A selector of an array or an object matches nothing, neither with `=` nor with `!=`.

AWS does not say whether `!=` matches a field that is absent. `absent_differs` is the reading, and the product's patterns
must mean the same by both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

MAX_REGULAR_EXPRESSIONS = 2
_TOKEN = re.compile(r'\s*(\(|\)|&&|\|\||!=|=|NOT EXISTS|\$[\w.]+|"[^"]*"|%[^%]*%)')
_REGULAR_EXPRESSION = re.compile(r"[A-Za-z0-9_:#=@/;,\-^$?\[\]{}|\\*+.]+")


def matches(pattern: str, event: Mapping[str, Any], *, absent_differs: bool = False) -> bool:
    """Whether the event matches; raises ValueError for a pattern that CloudWatch Logs refuses, or that is of another kind."""
    tokens = tokens_of(pattern)
    if len(regular_expressions(tokens)) > MAX_REGULAR_EXPRESSIONS:
        raise ValueError(f"more than two regular expressions: {pattern}")
    value, rest = _Evaluation(event, absent_differs=absent_differs).either(tokens)
    if rest:
        raise ValueError(f"left over: {rest}")
    return value


def tokens_of(pattern: str) -> list[str]:
    """The tokens of a pattern without its braces."""
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
    return tokens


def regular_expressions(tokens: list[str]) -> list[str]:
    """The regular expressions among the tokens."""
    return [token for token in tokens if token.startswith("%")]


def texts(tokens: list[str]) -> list[str]:
    """The quoted texts among the tokens."""
    return [token.strip('"') for token in tokens if token.startswith('"')]


def is_like(text: str, term: str) -> bool:
    """Whether a text matches a term: a quoted text or a regular expression. Both are case-sensitive."""
    if term.startswith("%"):
        expression = term.strip("%")
        if not _REGULAR_EXPRESSION.fullmatch(expression):
            raise ValueError(f"a character that regular expressions of CloudWatch Logs may not have: {term}")
        return re.search(expression, text) is not None
    wanted = term.strip('"')
    literal = wanted.removeprefix("*").removesuffix("*") if len(wanted) > 1 else wanted.strip("*")
    before, after = ("" if not wanted.startswith("*") else ".*"), ("" if not wanted.endswith("*") else ".*")
    return re.fullmatch(f"{before}{re.escape(literal)}{after}", text, re.DOTALL) is not None


class _Evaluation:
    def __init__(self, event: Mapping[str, Any], *, absent_differs: bool) -> None:
        self._event, self._absent_differs = event, absent_differs

    def either(self, tokens: list[str]) -> tuple[bool, list[str]]:
        value, rest = self._both(tokens)
        while rest[:1] == ["||"]:
            other, rest = self._both(rest[1:])
            value = value or other
        return value, rest

    def _both(self, tokens: list[str]) -> tuple[bool, list[str]]:
        value, rest = self._one(tokens)
        while rest[:1] == ["&&"]:
            other, rest = self._one(rest[1:])
            value = value and other
        return value, rest

    def _one(self, tokens: list[str]) -> tuple[bool, list[str]]:
        if tokens[0] == "(":
            value, rest = self.either(tokens[1:])
            if rest[:1] != [")"]:
                raise ValueError(f"a parenthesis is not closed before {rest}")
            return value, rest[1:]
        found = self._field(tokens[0])
        if tokens[1] == "NOT EXISTS":
            return found is None, tokens[2:]
        return self._compare(found, tokens[1], tokens[2]), tokens[3:]

    def _compare(self, found: Any, operator: str, term: str) -> bool:
        if isinstance(found, Mapping | list):
            return False
        if found is None:
            return operator == "!=" and self._absent_differs
        return is_like(str(found), term) is (operator == "=")

    def _field(self, path: str) -> Any:
        found: Any = self._event
        for name in path.removeprefix("$.").split("."):
            found = found.get(name) if isinstance(found, Mapping) else None
        return found
