"""Strict reader of tables: a value that is missing, unknown or out of range is refused with its place and remedy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise

from orchestrator.domain.errors import Refused
from orchestrator.domain.printable import is_encodable


class EnvironmentRefused(Refused):
    """A setting of environments.toml is wrong."""


ENCODABLE_REMEDY = "remove the lone surrogates (\\ud800 to \\udfff), which UTF-8 cannot encode"


class SettingsReader:
    """Reads a table key by key. `refuse_unknown_keys` then refuses every key that was not read.

    Every reading method raises `refusal` for a value of another type or outside the bounds. Booleans, NaN and
    infinity are not numbers.

    Args:
        path: place of the table, such as ``prod.service``; empty for the input of a state machine.
        values: the table.
        refusal: the class of the error for this table and the tables in it.
    """

    def __init__(self, path: str, values: Mapping[str, object], refusal: type[Refused] = EnvironmentRefused) -> None:
        self.path = path
        self._values = dict(values)
        self._known: list[str] = []
        self._refusal = refusal

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def field(self, key: str) -> str:
        """Return the full name of a key, such as ``prod.service.issuer``."""
        return f"{self.path}.{key}" if self.path else key

    def refused(self, key: str, value: object, remedy: str) -> Refused:
        """Return the error for a value that only the caller can judge."""
        return self._refusal(self.field(key), value, remedy)

    def take(self, key: str, default: object = None) -> object:
        """Take a value of any type, or the default."""
        self._known.append(key)
        return self._values.pop(key, default)

    def table(self, key: str) -> SettingsReader:
        """Take a table; an absent one is empty."""
        value = self.take(key, {})
        if not isinstance(value, Mapping):
            raise self.refused(key, value, "give a table")
        return SettingsReader(self.field(key), value, self._refusal)

    def tables(self, key: str) -> list[SettingsReader]:
        """Take an array of tables; an absent one is empty."""
        value = self.take(key, [])
        if not isinstance(value, list):
            raise self.refused(key, value, "give an array of tables")
        for number, entry in enumerate(value):
            if not isinstance(entry, Mapping):
                raise self.refused(f"{key}[{number}]", entry, "give a table")
        return [
            SettingsReader(f"{self.field(key)}[{number}]", entry, self._refusal) for number, entry in enumerate(value)
        ]

    def children(self) -> dict[str, SettingsReader]:
        """Take all remaining values, as tables."""
        return {key: self.table(key) for key in list(self._values)}

    def text(
        self,
        key: str,
        *,
        matching: re.Pattern[str] | None = None,
        remedy: str = "give a text",
        at_most: int | None = None,
    ) -> str:
        """Take a text that is not blank, matches the pattern, and has at most so many characters."""
        value = self.take(key)
        if not isinstance(value, str) or not value.strip() or (matching is not None and not matching.fullmatch(value)):
            raise self.refused(key, value, remedy)
        self._refuse_unencodable(key, value)
        refuse_long_text(self.field(key), value, len(value) if at_most is None else at_most, self._refusal)
        return value

    def optional_text(
        self, key: str, *, matching: re.Pattern[str] | None = None, remedy: str = "give a text"
    ) -> str | None:
        """Take a text that is not blank and matches the pattern, or None if the key is absent."""
        return self.text(key, matching=matching, remedy=remedy) if key in self else None

    def choice(self, key: str, among: tuple[str, ...]) -> str:
        """Take one of these texts."""
        value = self.take(key)
        if not isinstance(value, str) or value not in among:
            raise self.refused(key, value, f"give one of {', '.join(among)}")
        return value

    def flag(self, key: str, *, default: bool | None = None) -> bool:
        """Take true or false."""
        value = self.take(key, default)
        if not isinstance(value, bool):
            raise self.refused(key, value, "give true or false")
        return value

    def number(self, key: str, low: float, high: float) -> float:
        """Take a number from low to high."""
        value = self.take(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise self.refused(key, value, f"give a number from {low:.10g} to {high:.10g}")
        return value

    def whole_number(self, key: str, low: int, high: int) -> int:
        """Take a whole number from low to high. A JSON number such as 10.0 is whole."""
        value = self.take(key)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self.refused(key, value, f"give a whole number from {low} to {high}")
        return value

    def whole_numbers(self, key: str, low: int, high: int) -> tuple[int, ...]:
        """Take a list of ascending whole numbers from low to high; an absent one is empty."""
        value = self.take(key, [])
        entries = value if isinstance(value, list) else []
        whole = all(isinstance(entry, int) and not isinstance(entry, bool) for entry in entries)
        if (
            entries != value
            or not whole
            or not all(low <= entry <= high for entry in entries)
            or not _ascending(entries)
        ):
            remedy = f"give a list of whole numbers from {low} to {high}, each greater than the one before"
            raise self.refused(key, value, remedy)
        return tuple(entries)

    def whole_number_of(self, key: str, among: tuple[int, ...]) -> int:
        """Take one of these whole numbers."""
        value = self.take(key)
        if isinstance(value, bool) or not isinstance(value, int) or value not in among:
            raise self.refused(key, value, f"give one of {', '.join(map(str, among))}")
        return value

    def percent(self, key: str) -> float:
        """Take a percentage above 0, up to 100."""
        value = self.take(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 100:  # noqa: PLR2004
            raise self.refused(key, value, "give a percentage above 0 and up to 100")
        return value

    def texts(self, key: str, *, at_least: int = 0) -> tuple[str, ...]:
        """Take a list of texts; an absent one is empty."""
        value = self.take(key, [])
        entries = value if isinstance(value, list) else []
        if (
            entries != value
            or len(entries) < at_least
            or not all(isinstance(entry, str) and entry.strip() for entry in entries)
        ):
            raise self.refused(key, value, f"give a list of at least {at_least} texts")
        self._refuse_unencodable(key, *entries)
        return tuple(entries)

    def refuse_unknown_keys(self) -> None:
        """Refuse the first key that was not taken."""
        for key, value in self._values.items():
            raise self.refused(key, value, f"remove it; known keys are {', '.join(self._known)}")

    def _refuse_unencodable(self, key: str, *texts: str) -> None:
        for text in texts:
            if not is_encodable(text):
                raise self.refused(key, text, ENCODABLE_REMEDY)


def refuse_long_text(field: str, value: str, at_most: int, refusal: type[Refused] = Refused) -> None:
    """Refuse a text that would not fit into the records, events and executions that carry it.

    Args:
        field: the field, as the user wrote it.
        value: the text.
        at_most: the most characters it may have.
        refusal: the class of the error.

    Raises:
        Refused: it is longer. The error names its length and the limit.
    """
    if len(value) > at_most:
        raise refusal(field, value, f"give at most {at_most} characters instead of {len(value)}")


def _ascending(numbers: list[int]) -> bool:
    return all(first < second for first, second in pairwise(numbers))
