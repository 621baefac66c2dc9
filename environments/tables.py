"""Reading tables of settings strictly: what is missing, unknown or out of range is refused by its place and value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise


class EnvironmentRefused(Exception):
    """A setting is wrong.

    Args:
        field: where, such as ``prod.service.alarms.datapoints``.
        value: what stands there.
        remedy: what would be right.
    """

    def __init__(self, field: str, value: object, remedy: str) -> None:
        self.field, self.value, self.remedy = field, value, remedy
        super().__init__(f"{field}: {value!r} is refused: {remedy}")


class Table:
    """A table that is emptied by reading it, so that what nobody asked for can be refused.

    Every reading method raises EnvironmentRefused for a value that is not what it says.
    """

    def __init__(self, path: str, values: Mapping[str, object]) -> None:
        self.path = path
        self._values = dict(values)
        self._known: list[str] = []

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def take(self, key: str, default: object = None) -> object:
        """Take a value as it is, or the default."""
        self._known.append(key)
        return self._values.pop(key, default)

    def field(self, key: str) -> str:
        """Name a key by its whole place, such as ``prod.service.issuer``."""
        return f"{self.path}.{key}"

    def table(self, key: str) -> Table:
        """Take a table; an absent one is empty."""
        value = self.take(key, {})
        if not isinstance(value, Mapping):
            raise EnvironmentRefused(self.field(key), value, "give a table")
        return Table(self.field(key), value)

    def tables(self, key: str) -> list[Table]:
        """Take an array of tables; an absent one is empty."""
        value = self.take(key, [])
        if not isinstance(value, list) or not all(isinstance(entry, Mapping) for entry in value):
            raise EnvironmentRefused(self.field(key), value, "give an array of tables")
        return [Table(f"{self.field(key)}[{number}]", entry) for number, entry in enumerate(value)]

    def children(self) -> dict[str, Table]:
        """Take every value that is left, as tables."""
        return {key: self.table(key) for key in list(self._values)}

    def text(self, key: str, *, matching: re.Pattern[str] | None = None, remedy: str = "give a text") -> str:
        """Take a text that is not empty and matches."""
        value = self.take(key)
        if not isinstance(value, str) or not value or (matching is not None and not matching.fullmatch(value)):
            raise EnvironmentRefused(self.field(key), value, remedy)
        return value

    def optional_text(self, key: str, *, matching: re.Pattern[str], remedy: str) -> str | None:
        """Take a text that matches, or None where there is none."""
        return self.text(key, matching=matching, remedy=remedy) if key in self else None

    def choice(self, key: str, among: tuple[str, ...]) -> str:
        """Take one of some texts."""
        value = self.take(key)
        if not isinstance(value, str) or value not in among:
            raise EnvironmentRefused(self.field(key), value, f"give one of {', '.join(among)}")
        return value

    def flag(self, key: str, *, default: bool | None = None) -> bool:
        """Take true or false."""
        value = self.take(key, default)
        if not isinstance(value, bool):
            raise EnvironmentRefused(self.field(key), value, "give true or false")
        return value

    def whole(self, key: str, low: int, high: int) -> int:
        """Take a whole number from low to high."""
        value = self.take(key)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise EnvironmentRefused(self.field(key), value, f"give a whole number from {low} to {high}")
        return value

    def wholes(self, key: str, low: int, high: int) -> tuple[int, ...]:
        """Take a list of whole numbers from low to high, each greater than the one before; an absent one is empty."""
        value = self.take(key, [])
        entries = value if isinstance(value, list) else []
        whole = all(isinstance(entry, int) and not isinstance(entry, bool) for entry in entries)
        if entries != value or not whole or not all(low <= entry <= high for entry in entries) or _falls(entries):
            remedy = f"give a list of whole numbers from {low} to {high}, each greater than the one before"
            raise EnvironmentRefused(self.field(key), value, remedy)
        return tuple(entries)

    def one_of(self, key: str, among: tuple[int, ...]) -> int:
        """Take one of some whole numbers."""
        value = self.take(key)
        if isinstance(value, bool) or not isinstance(value, int) or value not in among:
            raise EnvironmentRefused(self.field(key), value, f"give one of {', '.join(map(str, among))}")
        return value

    def percent(self, key: str) -> float:
        """Take a percentage above 0, up to 100."""
        value = self.take(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 100:  # noqa: PLR2004
            raise EnvironmentRefused(self.field(key), value, "give a percentage above 0 and up to 100")
        return value

    def texts(self, key: str, *, at_least: int = 0) -> tuple[str, ...]:
        """Take a list of texts; an absent one is empty."""
        value = self.take(key, [])
        entries = value if isinstance(value, list) else []
        if (
            entries != value
            or len(entries) < at_least
            or not all(isinstance(entry, str) and entry for entry in entries)
        ):
            raise EnvironmentRefused(self.field(key), value, f"give a list of at least {at_least} texts")
        return tuple(entries)

    def end(self) -> None:
        """Refuse what nobody took."""
        for key, value in self._values.items():
            raise EnvironmentRefused(self.field(key), value, f"remove it; known keys are {', '.join(self._known)}")


def _falls(numbers: list[int]) -> bool:
    return any(second <= first for first, second in pairwise(numbers))
