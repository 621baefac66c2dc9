"""The settings file: its tables, merged over the defaults, and where it states them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from orchestrator.domain.schema import EnvironmentRefused
from orchestrator.environments.positions import Positions, syntax_error_position

DEFAULTS = "defaults"
NAME = re.compile(r"[a-z][a-z0-9-]{0,15}")


@dataclass(frozen=True)
class SettingsFile:
    """A settings file that was read.

    Attributes:
        text: its content.
        document: its tables.
    """

    file: Path
    text: str
    document: Mapping[str, Mapping[str, object]]

    @classmethod
    def read(cls, file: Path) -> SettingsFile:
        """Read a settings file.

        Raises:
            EnvironmentRefused: there is no such file, it is not TOML in UTF-8, or has something else than tables.
        """
        try:
            content = file.read_bytes()
        except FileNotFoundError as error:
            raise EnvironmentRefused("environments", str(file), "name an existing file") from error
        except OSError as error:
            raise EnvironmentRefused("environments", str(file), f"name a readable file: {error.strerror}") from error
        text = _decoded(file, content)
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            refused = EnvironmentRefused("environments", str(file), f"correct the TOML syntax: {error}")
            place = syntax_error_position(text, error)
            raise refused.at(shown(file), place.line, place.column) from error
        settings = cls(file, text, document)
        for name, table in document.items():
            if not isinstance(table, dict) or not NAME.fullmatch(name):
                remedy = "give a table whose name is a short lower-case word"
                raise settings.located(EnvironmentRefused(name, table, remedy))
        return settings

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all environments, in the file's order."""
        return tuple(name for name in self.document if name != DEFAULTS)

    @cached_property
    def positions(self) -> Positions:
        """Where it states its keys."""
        return Positions.scan(self.text)

    def merged(self, name: str) -> Mapping[str, object]:
        """Return the tables of an environment, merged over the defaults.

        Raises:
            EnvironmentRefused: there is no such environment.
        """
        if name not in self.names:
            raise EnvironmentRefused("environment", name, f"name one of {', '.join(self.names)}")
        return merge(self.document.get(DEFAULTS, {}), self.document[name])

    def located(self, error: EnvironmentRefused) -> EnvironmentRefused:
        """Return a refusal with its place in the file; one that has no place stays as it is."""
        place = self.positions.find(error.field)
        return error if place is None else error.at(shown(self.file), place.line, place.column)


def merge(defaults: Mapping[str, object], overrides: Mapping[str, object]) -> dict[str, object]:
    """Return tables merged key by key; any other value is replaced as a whole."""
    merged = dict(defaults)
    for key, value in overrides.items():
        default = merged.get(key)
        merged[key] = merge(default, value) if isinstance(default, Mapping) and isinstance(value, Mapping) else value
    return merged


def shown(file: Path) -> str:
    """Return the path of a file as an editor opens it from here: relative within the current folder."""
    try:
        return str(file.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(file)


def _decoded(file: Path, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        refused = EnvironmentRefused("environments", str(file), f"encode it in UTF-8: {error.reason}")
        before = content[: error.start].decode()
        place = Positions(before).at(len(before))
        raise refused.at(shown(file), place.line, place.column) from error
