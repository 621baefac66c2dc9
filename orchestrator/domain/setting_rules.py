"""What the value of a setting may be, as data: `SettingsReader` applies a rule, and the JSON Schema is made of it.

A rule has a `remedy` for the error, a `substitute` with which a reader continues after a wrong value, and its `schema`
in JSON Schema. A schema refuses nothing that its rule accepts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Protocol

Schema = Mapping[str, Any]

NOT_BLANK = r"\S"


class Rule(Protocol):
    """What the value of one setting may be."""

    @property
    def remedy(self) -> str:
        """What would be valid, for the error."""

    @property
    def substitute(self) -> object:
        """A value of the type that the rule accepts."""

    @property
    def schema(self) -> Schema:
        """The rule as JSON Schema."""

    def accepts(self, value: object) -> bool:
        """Return whether a value is valid."""


@dataclass(frozen=True)
class Anything:
    """Any value: its caller judges it. `described_by`: what the caller accepts, for the schema."""

    described_by: tuple[Rule, ...] = ()
    remedy: str = "give a value"
    substitute: object = None

    @property
    def schema(self) -> Schema:
        """The rules that describe it."""
        return one_of([rule.schema for rule in self.described_by])

    def accepts(self, value: object) -> bool:  # noqa: ARG002 - it has the form of all rules
        """Return True."""
        return True


@dataclass(frozen=True)
class Text:
    """A text that is not blank, matches the pattern, and has at most so many characters."""

    remedy: str = "give a text"
    matching: re.Pattern[str] | None = None
    at_most: int | None = None
    substitute: str = ""

    @property
    def schema(self) -> Schema:
        """A string with its pattern and its length."""
        schema: dict[str, Any] = {"type": "string", "pattern": NOT_BLANK}
        if self.matching is not None:
            schema["pattern"] = f"^(?:{self.matching.pattern})$"
            if self.matching.fullmatch(" "):
                schema["allOf"] = [{"pattern": NOT_BLANK}]
        if self.at_most is not None:
            schema["maxLength"] = self.at_most
        return schema

    def accepts(self, value: object) -> bool:
        """Return whether it is such a text; the reader checks the length, because its error has another remedy."""
        if not isinstance(value, str) or not value.strip():
            return False
        return self.matching is None or self.matching.fullmatch(value) is not None


@dataclass(frozen=True)
class Choice:
    """One of these texts."""

    among: tuple[str, ...]

    @property
    def remedy(self) -> str:
        """The texts."""
        return f"give one of {', '.join(self.among)}"

    @property
    def substitute(self) -> str:
        """The first of them."""
        return self.among[0]

    @property
    def schema(self) -> Schema:
        """An enumeration."""
        return {"type": "string", "enum": [str(text) for text in self.among]}

    def accepts(self, value: object) -> bool:
        """Return whether it is one of them."""
        return isinstance(value, str) and value in self.among


@dataclass(frozen=True)
class Flag:
    """True or false."""

    remedy: str = "give true or false"
    substitute: bool = False

    @property
    def schema(self) -> Schema:
        """A boolean."""
        return {"type": "boolean"}

    def accepts(self, value: object) -> bool:
        """Return whether it is one of the two."""
        return isinstance(value, bool)


@dataclass(frozen=True)
class Number:
    """A finite number from `low` to `high`."""

    low: float
    high: float

    @property
    def remedy(self) -> str:
        """Its bounds."""
        return f"give a number from {self.low:.10g} to {self.high:.10g}"

    @property
    def substitute(self) -> float:
        """The lower bound."""
        return self.low

    @property
    def schema(self) -> Schema:
        """A number with both bounds."""
        return {"type": "number", "minimum": self.low, "maximum": self.high}

    def accepts(self, value: object) -> bool:
        """Return whether it is one. Booleans, NaN and infinity are not numbers."""
        return isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high


@dataclass(frozen=True)
class Percent:
    """A percentage above 0, up to 100."""

    remedy: str = "give a percentage above 0 and up to 100"
    substitute: float = 100

    @property
    def schema(self) -> Schema:
        """A number with both bounds."""
        return {"type": "number", "exclusiveMinimum": 0, "maximum": 100}

    def accepts(self, value: object) -> bool:
        """Return whether it is one."""
        return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 100  # noqa: PLR2004


@dataclass(frozen=True)
class WholeNumber:
    """A whole number from `low` to `high`. A JSON number such as 10.0 is whole."""

    low: int
    high: int

    @property
    def remedy(self) -> str:
        """Its bounds."""
        return f"give a whole number from {self.low} to {self.high}"

    @property
    def substitute(self) -> int:
        """The lower bound."""
        return self.low

    @property
    def schema(self) -> Schema:
        """An integer with both bounds."""
        return {"type": "integer", "minimum": self.low, "maximum": self.high}

    def accepts(self, value: object) -> bool:
        """Return whether it is one."""
        whole = (isinstance(value, int) and not isinstance(value, bool)) or (
            isinstance(value, float) and value.is_integer()
        )
        return whole and self.low <= value <= self.high  # type: ignore[operator] # a number, by the line above


@dataclass(frozen=True)
class WholeNumberOf:
    """One of these whole numbers."""

    among: tuple[int, ...]

    @property
    def remedy(self) -> str:
        """The numbers."""
        return f"give one of {', '.join(map(str, self.among))}"

    @property
    def substitute(self) -> int:
        """The first of them."""
        return self.among[0]

    @property
    def schema(self) -> Schema:
        """An enumeration."""
        return {"type": "integer", "enum": list(self.among)}

    def accepts(self, value: object) -> bool:
        """Return whether it is one of them."""
        return isinstance(value, int) and not isinstance(value, bool) and value in self.among


@dataclass(frozen=True)
class WholeNumbers:
    """A list of ascending whole numbers from `low` to `high`."""

    low: int
    high: int
    substitute: tuple[int, ...] = ()

    @property
    def remedy(self) -> str:
        """Its bounds."""
        return f"give a list of whole numbers from {self.low} to {self.high}, each greater than the one before"

    @property
    def schema(self) -> Schema:
        """An array of integers with both bounds."""
        items = {"type": "integer", "minimum": self.low, "maximum": self.high}
        return {"type": "array", "items": items, "uniqueItems": True}

    def accepts(self, value: object) -> bool:
        """Return whether it is such a list."""
        if not isinstance(value, list):
            return False
        whole = all(isinstance(entry, int) and not isinstance(entry, bool) for entry in value)
        return (
            whole
            and all(self.low <= entry <= self.high for entry in value)
            and all(first < second for first, second in pairwise(value))
        )


@dataclass(frozen=True)
class Texts:
    """A list of texts that are not blank. `described_by`: what its caller accepts as an entry, for the schema."""

    at_least: int = 0
    described_by: Rule | None = None
    substitute: tuple[str, ...] = ()

    @property
    def remedy(self) -> str:
        """How many."""
        return f"give a list of at least {self.at_least} texts"

    @property
    def schema(self) -> Schema:
        """An array of strings."""
        items = (self.described_by or Text()).schema
        return {"type": "array", "items": items, **({"minItems": self.at_least} if self.at_least else {})}

    def accepts(self, value: object) -> bool:
        """Return whether it is such a list."""
        return (
            isinstance(value, list)
            and len(value) >= self.at_least
            and all(isinstance(entry, str) and entry.strip() for entry in value)
        )


@dataclass(frozen=True)
class TextByName:
    """A table whose values are texts that are not blank."""

    remedy: str = "give a table of texts"
    substitute: Mapping[str, str] = field(default_factory=dict)

    @property
    def schema(self) -> Schema:
        """An object of strings."""
        return {"type": "object", "additionalProperties": Text().schema}

    def accepts(self, value: object) -> bool:
        """Return whether it is such a table."""
        return isinstance(value, Mapping) and all(Text().accepts(text) for text in value.values())


def one_of(schemas: list[Schema]) -> Schema:
    """Return the schema of a value that satisfies any of these: it itself if there is one, everything if there is none."""
    distinct: list[Schema] = []
    for schema in schemas:
        if schema not in distinct:
            distinct.append(schema)
    if len(distinct) == 1:
        return distinct[0]
    return {"anyOf": distinct} if distinct else {}
