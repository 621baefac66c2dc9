"""Strict reader of tables: a value that is missing, unknown or out of range is refused with its place and remedy."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from orchestrator.domain.errors import Refused
from orchestrator.domain.printable import is_encodable
from orchestrator.domain.setting_rules import (
    Anything,
    Choice,
    Flag,
    Number,
    Percent,
    Rule,
    Text,
    Texts,
    WholeNumber,
    WholeNumberOf,
    WholeNumbers,
)


class EnvironmentRefused(Refused):
    """A setting of environments.toml is wrong.

    Attributes:
        file, line, column: where the settings file states it, counted from 1; empty and 0 if that is not known.
    """

    file: str = ""
    line: int = 0
    column: int = 0

    @property
    def place(self) -> str:
        """Where it is, such as ``environments.toml:31``; empty if that is not known."""
        return f"{self.file}:{self.line}" if self.file else ""

    def at(self, file: str, line: int, column: int) -> EnvironmentRefused:
        """Return the same error with its place in a file."""
        found = type(self)(self.field, self.value, self.remedy)
        found.file, found.line, found.column = file, line, column
        return found

    def __str__(self) -> str:
        message = super().__str__()
        return f"{self.place}: {message}" if self.place else message


ENCODABLE_REMEDY = "remove the lone surrogates (\\ud800 to \\udfff), which UTF-8 cannot encode"


class Observer:
    """What a reader reports to. This one raises the first refusal, and ignores what is read.

    A table in a table, the entries of an array and the tables of a map each have an observer of their own.
    """

    def value(self, key: str, rule: Rule, *, optional: bool) -> None:
        """Report that a value is read. `optional`: it may be absent."""

    def key_tested(self, key: str) -> None:
        """Report that the caller tested whether a key is given, so it may be absent."""

    def closed(self) -> None:
        """Report that every other key is refused."""

    def table(self, key: str) -> Observer:  # noqa: ARG002 - it has the form of all observers
        """Return the observer of a table."""
        return self

    def entry(self, key: str) -> Observer:  # noqa: ARG002 - it has the form of all observers
        """Return the observer of an entry of an array of tables."""
        return self

    def child(self) -> Observer:
        """Return the observer of a table whose name is free."""
        return self

    def refused(self, error: Refused, substitute: object) -> object:  # noqa: ARG002 - as above
        """Raise the error, or return the substitute to continue with."""
        raise error


class Findings(Observer):
    """Collects the refusals and continues, so that one reading reports all of them."""

    def __init__(self) -> None:
        self.errors: list[Refused] = []

    def refused(self, error: Refused, substitute: object) -> object:
        """Collect the error."""
        self.errors.append(error)
        return substitute


class _Unreported(Observer):
    """For a table that is not there, because something else is in its place, which was reported."""

    def refused(self, error: Refused, substitute: object) -> object:  # noqa: ARG002 - as above
        return substitute


class SettingsReader:
    """Reads a table key by key. `refuse_unknown_keys` then refuses every key that was not read.

    Every reading method raises `refusal` for a value that its rule does not accept
    (orchestrator/domain/setting_rules.py). Booleans, NaN and infinity are not numbers.

    Args:
        path: place of the table, such as ``prod.service``; empty for the input of a state machine.
        values: the table.
        refusal: the class of the error for this table and the tables in it.
        observer: is informed of what is read, and decides what a refusal does; by default it raises.
    """

    def __init__(
        self,
        path: str,
        values: Mapping[str, object],
        refusal: type[Refused] = EnvironmentRefused,
        observer: Observer | None = None,
    ) -> None:
        self.path = path
        self.observer = observer or Observer()
        self._values = dict(values)
        self._known: list[str] = []
        self._refusal = refusal

    def __contains__(self, key: str) -> bool:
        self.observer.key_tested(key)
        return key in self._values

    def field(self, key: str) -> str:
        """Return the full name of a key, such as ``prod.service.issuer``."""
        return f"{self.path}.{key}" if self.path else key

    def refused(self, key: str, value: object, remedy: str) -> Refused:
        """Return the error for a value that only the caller can judge."""
        return self._refusal(self.field(key), value, remedy)

    def take(self, key: str, default: object = None, *, described_by: tuple[Rule, ...] = ()) -> object:
        """Take a value of any type, or the default. `described_by`: what the caller accepts, for the schema."""
        self.observer.value(key, Anything(described_by), optional=True)
        return self._taken(key, default)

    def table(self, key: str) -> SettingsReader:
        """Take a table; an absent one is empty."""
        value = self._taken(key, {})
        if isinstance(value, Mapping):
            return SettingsReader(self.field(key), value, self._refusal, self.observer.table(key))
        self.observer.refused(self.refused(key, value, "give a table"), {})
        return SettingsReader(self.field(key), {}, self._refusal, _Unreported())

    def tables(self, key: str) -> list[SettingsReader]:
        """Take an array of tables; an absent one is empty."""
        value = self._taken(key, [])
        if not isinstance(value, list):
            self.observer.refused(self.refused(key, value, "give an array of tables"), [])
            return []
        for number, entry in enumerate(value):
            if not isinstance(entry, Mapping):
                self.observer.refused(self.refused(f"{key}[{number}]", entry, "give a table"), {})
        return [
            SettingsReader(f"{self.field(key)}[{number}]", entry, self._refusal, self.observer.entry(key))
            for number, entry in enumerate(value)
            if isinstance(entry, Mapping)
        ]

    def children(self) -> dict[str, SettingsReader]:
        """Take all remaining values, as tables."""
        found = {}
        for key in list(self._values):
            value = self._taken(key, {})
            if isinstance(value, Mapping):
                found[key] = SettingsReader(self.field(key), value, self._refusal, self.observer.child())
            else:
                self.observer.refused(self.refused(key, value, "give a table"), {})
        return found

    def text(
        self,
        key: str,
        *,
        matching: re.Pattern[str] | None = None,
        remedy: str = "give a text",
        at_most: int | None = None,
    ) -> str:
        """Take a text that is not blank, matches the pattern, and has at most so many characters."""
        value: str = self._read(key, Text(remedy, matching, at_most))
        try:
            self._refuse_unencodable(key, value)
            refuse_long_text(self.field(key), value, len(value) if at_most is None else at_most, self._refusal)
        except Refused as error:
            self.observer.refused(error, value)
        return value

    def optional_text(
        self, key: str, *, matching: re.Pattern[str] | None = None, remedy: str = "give a text"
    ) -> str | None:
        """Take a text that is not blank and matches the pattern, or None if the key is absent."""
        self.observer.value(key, Text(remedy, matching), optional=True)
        return self.text(key, matching=matching, remedy=remedy) if key in self else None

    def choice(
        self, key: str, among: tuple[str, ...], *, described_by: Rule | None = None, decides: bool = False
    ) -> str:
        """Take one of these texts.

        Args:
            key: its key.
            among: the texts.
            described_by: for the schema, if the texts depend on other settings.
            decides: other keys of the table depend on it, so nothing can be said of them if it is wrong.
        """
        wrong = decides and not Choice(among).accepts(self._values.get(key))
        value: str = self._read(key, Choice(among), described_by=described_by)
        if wrong:
            self.observer = _Unreported()
        return value

    def flag(self, key: str, *, default: bool | None = None) -> bool:
        """Take true or false."""
        value: bool = self._read(key, Flag(), default)
        return value

    def number(self, key: str, low: float, high: float) -> float:
        """Take a number from low to high."""
        value: float = self._read(key, Number(low, high))
        return value

    def whole_number(
        self, key: str, low: int, high: int, *, default: int | None = None, described_by: Rule | None = None
    ) -> int:
        """Take a whole number from low to high. A JSON number such as 10.0 is whole.

        `default`: of an absent one; without it, it is required. `described_by`: for the schema, if the bounds depend on
        other settings.
        """
        return int(self._read(key, WholeNumber(low, high), default, described_by=described_by))

    def whole_numbers(self, key: str, low: int, high: int) -> tuple[int, ...]:
        """Take a list of ascending whole numbers from low to high; an absent one is empty."""
        return tuple(self._read(key, WholeNumbers(low, high), []))

    def whole_number_of(self, key: str, among: tuple[int, ...]) -> int:
        """Take one of these whole numbers."""
        value: int = self._read(key, WholeNumberOf(among))
        return value

    def percent(self, key: str) -> float:
        """Take a percentage above 0, up to 100."""
        value: float = self._read(key, Percent())
        return value

    def texts(self, key: str, *, at_least: int = 0, described_by: Rule | None = None) -> tuple[str, ...]:
        """Take a list of texts; an absent one is empty. `described_by`: what the caller accepts as an entry."""
        value = tuple(self._read(key, Texts(at_least, described_by), []))
        try:
            self._refuse_unencodable(key, *value)
        except Refused as error:
            self.observer.refused(error, value)
        return value

    def refuse_unknown_keys(self) -> None:
        """Refuse the keys that were not taken."""
        self.observer.closed()
        for key, value in self._values.items():
            self.observer.refused(
                self.refused(key, value, f"remove it; known keys are {', '.join(self._known)}"), value
            )

    def _taken(self, key: str, default: object) -> object:
        self._known.append(key)
        return self._values.pop(key, default)

    def _read(self, key: str, rule: Rule, default: object = None, described_by: Rule | None = None) -> Any:
        self.observer.value(key, described_by or rule, optional=default is not None)
        value = self._taken(key, default)
        if rule.accepts(value):
            return value
        return self.observer.refused(self.refused(key, value, rule.remedy), rule.substitute)

    def _refuse_unencodable(self, key: str, *texts: str) -> None:
        for text in texts:
            if not is_encodable(text):
                raise self.refused(key, text, ENCODABLE_REMEDY)


def refuse_long_text(field: str, value: str, at_most: int, refusal: type[Refused] = Refused) -> None:
    """Refuse a text that would not fit into the records, events and executions that carry it: too long, or no UTF-8.

    Args:
        field: the field, as the user wrote it.
        value: the text.
        at_most: the most characters it may have.
        refusal: the class of the error.

    Raises:
        Refused: it is longer, and the error names its length and the limit; or it has a lone surrogate, as a terminal
            of another encoding makes it.
    """
    if not is_encodable(value):
        raise refusal(field, value, ENCODABLE_REMEDY)
    if len(value) > at_most:
        raise refusal(field, value, f"give at most {at_most} characters instead of {len(value)}")


class Named(Protocol):
    """A value that settings give a name."""

    @property
    def name(self) -> str:
        """The name."""


_Named = TypeVar("_Named", bound=Named)


def read_named(
    settings: SettingsReader, key: str, one: str, at_most: int, read: Callable[[SettingsReader], _Named]
) -> tuple[_Named, ...]:
    """Read an array of tables, each of which has a name of its own.

    Args:
        settings: the table that has the array.
        key: the array's key.
        one: what an entry is, in the singular, for errors.
        at_most: how many entries there may be.
        read: reads an entry.

    Raises:
        Refused: there are too many entries, two have the same name, or an entry is wrong. The error names the field,
            the value and the remedy.
    """
    tables = settings.tables(key)
    if len(tables) > at_most:
        raise settings.refused(key, f"{len(tables)} {one}s", f"give at most {at_most}")
    found: list[_Named] = []
    for number, table in enumerate(tables):
        entry = read(table)
        if entry.name in {earlier.name for earlier in found}:
            raise settings.refused(f"{key}[{number}].name", entry.name, f"give each {one} a name of its own")
        found.append(entry)
    return tuple(found)
