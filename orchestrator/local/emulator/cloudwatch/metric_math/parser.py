"""CloudWatch's metric math: parses an expression to a syntax tree.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html#metric-math-syntax
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final


class InvalidExpression(Exception):
    """The expression is malformed or uses an unsupported function; the message contains the position."""


@dataclass(frozen=True)
class Number:
    """A scalar."""

    value: float


@dataclass(frozen=True)
class Text:
    """A string, as METRICS takes it."""

    value: str


@dataclass(frozen=True)
class Name:
    """The id of a metric or of an expression, or a keyword such as REPEAT."""

    name: str


@dataclass(frozen=True)
class Array:
    """Several time series."""

    items: tuple[Node, ...]


@dataclass(frozen=True)
class Negative:
    """Unary minus."""

    of: Node


@dataclass(frozen=True)
class Operation:
    """A binary operator with its operands."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True)
class Call:
    """A function with its arguments."""

    function: str
    arguments: tuple[Node, ...]


Node = Number | Text | Name | Array | Negative | Operation | Call

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d*)?|\.\d+)|(?P<name>[A-Za-z][A-Za-z0-9_]*)|(?P<text>\"[^\"]*\"|'[^']*')"
    r"|(?P<sign>&&|\|\||==|!=|<=|>=|[-+*/^<>(),\[\]]))"
)
# Lowest precedence first; the operators of one row have the same precedence.
_PRECEDENCE: Final = (("||",), ("&&",), ("==", "!=", "<=", ">=", "<", ">"), ("+", "-"), ("*", "/"))
_ALIASES: Final = {"AND": "&&", "OR": "||"}
_MAX_DEPTH: Final = 100


def parse(text: str) -> Node:
    """Return the syntax tree of an expression; raises InvalidExpression."""
    return _Parser(text).parse_expression()


def names(node: Node) -> Iterator[str]:
    """Return all names in an expression, keywords included."""
    return (part.name for part in _parts(node) if isinstance(part, Name))


def functions(node: Node) -> Iterator[str]:
    """Return all functions that an expression calls."""
    return (part.function for part in _parts(node) if isinstance(part, Call))


def _parts(node: Node) -> Iterator[Node]:
    yield node
    match node:
        case Array(items) | Call(_, items):
            inner: tuple[Node, ...] = items
        case Negative(of):
            inner = (of,)
        case Operation(_, left, right):
            inner = (left, right)
        case _:
            inner = ()
    for part in inner:
        yield from _parts(part)


class _Parser:
    """Recursive descent with one method for each kind of operator precedence."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._next = 0
        self._depth = 0

    def parse_expression(self) -> Node:
        node = self._operation(0)
        if self._peek():
            self._fail()
        return node

    def _operation(self, level: int) -> Node:
        if level == len(_PRECEDENCE):
            return self._negative()
        self._depth += 1
        if self._depth > _MAX_DEPTH * len(_PRECEDENCE):
            raise InvalidExpression(f"{self._text}: nested too deeply")
        left = self._operation(level + 1)
        while self._peek() in _PRECEDENCE[level]:
            left = Operation(self._take(), left, self._operation(level + 1))
        self._depth -= 1
        return left

    def _negative(self) -> Node:
        signs = 0
        while self._peek() == "-":
            self._take()
            signs += 1
        if signs:
            of = self._negative()
            return Negative(of) if signs % 2 else of
        base = self._operand()
        if self._peek() != "^":
            return base
        return Operation(self._take(), base, self._negative())

    def _operand(self) -> Node:
        lexeme = self._take()
        if lexeme == "(":
            inner = self._operation(0)
            self._expect(")")
            return inner
        if lexeme == "[":
            return Array(self._list("]"))
        if lexeme[:1] in {'"', "'"}:
            return Text(lexeme[1:-1])
        if lexeme[:1].isdigit() or lexeme[:1] == ".":
            return Number(_finite(lexeme))
        if not lexeme[:1].isalpha():
            self._next -= 1
            self._fail()
        if self._peek() == "(":
            self._take()
            return Call(lexeme, self._list(")"))
        return Name(lexeme)

    def _list(self, end: str) -> tuple[Node, ...]:
        items: list[Node] = []
        while self._peek() != end:
            if items:
                self._expect(",")
            items.append(self._operation(0))
        self._take()
        return tuple(items)

    def _peek(self) -> str:
        return self._tokens[self._next] if self._next < len(self._tokens) else ""

    def _take(self) -> str:
        token = self._peek()
        if not token:
            self._fail()
        self._next += 1
        return token

    def _expect(self, token: str) -> None:
        if self._peek() != token:
            self._fail()
        self._next += 1

    def _fail(self) -> None:
        raise InvalidExpression(f"{self._text}: unexpected {self._peek() or 'end'}")


def _finite(number: str) -> float:
    value = float(number)
    if value == float("inf"):
        raise InvalidExpression(f"{number[:10]}…: the number is too large")
    return value


def _tokens(text: str) -> list[str]:
    tokens = []
    at = 0
    stripped = text.rstrip()
    while at < len(stripped):
        match = _TOKEN.match(stripped, at)
        if not match:
            raise InvalidExpression(f"{text}: unexpected {stripped[at:].lstrip()[:1]}")
        token = match[0].strip()
        tokens.append(_ALIASES.get(token, token))
        at = match.end()
    return tokens
