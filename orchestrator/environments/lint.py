"""All findings in a settings file: its environments are read as every command reads them, and reading goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from orchestrator.domain.errors import Refused
from orchestrator.domain.schema import EnvironmentRefused, Findings, SettingsReader
from orchestrator.environments import LOCAL, Attempts, read_parts
from orchestrator.environments.policies import in_environment
from orchestrator.environments.settings_document import DEFAULTS, SettingsFile, merge, shown

T = TypeVar("T")

OWN, API = "", "api"


@dataclass
class _Collected(Attempts):
    """Collects the refusals of an environment and goes on with its next part.

    A wrong value is replaced with a valid one and reading goes on, so a contradiction that is found in a part after
    that may be one of the replacement. It counts only if all that it depends on is valid: the part itself, and the
    region, the cloud and the API of the environment.
    """

    environment: str
    findings: Findings = field(default_factory=Findings)
    contradictions: list[EnvironmentRefused] = field(default_factory=list)
    wrong: set[str] = field(default_factory=set)

    def part(self, name: str, read: Callable[[], T]) -> T | None:
        """Return what `read` returns; None if the part is wrong."""
        before, contradiction, value = len(self.findings.errors), None, None
        try:
            value = read()
        except Refused as error:
            contradiction = in_environment(self.environment, error)
        if len(self.findings.errors) > before:
            self.wrong.add(name)
            return None
        if contradiction is not None:
            if not self.wrong & {OWN, API}:
                self.contradictions.append(contradiction)
            self.wrong.add(name)
            return None
        return value

    def values(self) -> list[EnvironmentRefused]:
        """Return the values that are wrong by themselves."""
        return [in_environment(self.environment, error) for error in self.findings.errors]

    def errors(self) -> list[EnvironmentRefused]:
        """Return everything that was found."""
        return [*self.values(), *self.contradictions]


def findings(file: Path) -> list[EnvironmentRefused]:
    """Return what is wrong with a settings file, by line; empty if every environment can be read.

    A value that several environments inherit is reported once.
    """
    try:
        settings = SettingsFile.read(file)
    except EnvironmentRefused as error:
        return [error if error.place else error.at(shown(file), 1, 1)]
    if not settings.names:
        remedy = "give a table with the name of an environment, such as [dev]"
        return [EnvironmentRefused("environments", str(file), remedy).at(shown(file), 1, 1)]
    found = [error for name in settings.names for error in _read(name, settings.merged(name)).errors()]
    found += _of_defaults(settings)
    return sorted(_once(map(settings.located, found)), key=lambda error: (error.line, error.column, error.field))


def _of_defaults(settings: SettingsFile) -> list[EnvironmentRefused]:
    """Return the wrong values of the defaults. No environment may inherit them, so they replace those of one."""
    first = next((name for name in settings.names if name != LOCAL), settings.names[0])
    defaults = settings.document.get(DEFAULTS, {})
    values = _read(DEFAULTS, merge(settings.document[first], defaults)).values()
    return [error for error in values if error.field in settings.positions.of]


def _read(name: str, tables: Mapping[str, object]) -> _Collected:
    collected = _Collected(name)
    read_parts(name, SettingsReader(name, tables, observer=collected.findings), collected)
    return collected


def _once(errors: Iterable[EnvironmentRefused]) -> list[EnvironmentRefused]:
    """Return the errors without those that another environment has at the same place for the same reason."""
    seen: dict[tuple[object, ...], EnvironmentRefused] = {}
    for error in errors:
        rest = error.field.partition(".")[2]
        seen.setdefault((error.line, error.column, rest, repr(error.value), error.remedy), error)
    return list(seen.values())
