"""Every setting of a settings file with wrong values: of another type, no choice, out of bounds, or blank."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from orchestrator import environments
from orchestrator.domain import setting_rules as rules
from orchestrator.domain.schema import Observer, SettingsReader
from orchestrator.environments.settings_document import SettingsFile


@dataclass(frozen=True)
class Corruption:
    """A setting with a wrong value.

    Attributes:
        path: the setting, such as `prod.region`.
        line: where the file states it.
        kind: what is wrong.
        text: the whole file with the wrong value.
    """

    path: str
    line: int
    kind: str
    value: str
    text: str

    @property
    def environment(self) -> str:
        return self.path.partition(".")[0]


class Rules(Observer):
    """Records the rules of all settings by their paths, as the file states them."""

    def __init__(self, path: str, found: dict[str, rules.Rule], names: list[str]) -> None:
        self.path, self.found, self.names = path, found, names

    def value(self, key, rule, *, optional):
        self.found[f"{self.path}.{key}"] = rule

    def table(self, key):
        return Rules(f"{self.path}.{key}", self.found, self.names)

    def entry(self, key):
        return Rules(f"{self.path}.{key}[]", self.found, self.names)

    def child(self):
        return Rules(f"{self.path}.*", self.found, self.names)


@cache
def rules_of_settings() -> dict[str, rules.Rule]:
    settings = SettingsFile.read(environments.settings_file())
    found: dict[str, rules.Rule] = {}
    for name in settings.names:
        environments.read_environment(name, SettingsReader(name, settings.merged(name), observer=Rules("", found, [])))
    return found


def rule_of(path: str) -> rules.Rule | None:
    steps = path.split(".")[1:]
    for known, rule in rules_of_settings().items():
        names = known.split(".")[1:]
        if len(names) == len(steps) and all(
            name in {"*", re.sub(r"\[\d+\]", "[]", step)} for name, step in zip(names, steps, strict=True)
        ):
            return rule
    return None


def wrong_values(rule: rules.Rule) -> Iterator[tuple[str, str]]:
    """Yield what is wrong and a value in TOML."""
    match rule:
        case rules.Text() | rules.Anything():
            yield from (("type", "7"), ("type", "true"), ("type", "[]"), ("type", "{}"), ("form", '"  "'))
        case rules.Choice():
            yield from (("type", "7"), ("choice", '"no-such-choice"'))
        case rules.Flag():
            yield from (("type", '"true"'), ("type", "1"))
        case rules.Number(low, high) | rules.WholeNumber(low, high):
            yield from (("type", '"5"'), ("type", "true"), ("type", "[5]"), ("infinity", "inf"), ("nan", "nan"))
            yield from (("bound", repr(low - 1)), ("bound", repr(high * 10 + 1)))
            if isinstance(rule, rules.WholeNumber):
                yield "whole", f"{low}.5"
        case rules.Percent():
            yield from (("type", '"5"'), ("type", "true"), ("bound", "0"), ("bound", "100.5"), ("infinity", "inf"))
        case rules.WholeNumberOf():
            yield from (("type", '"5"'), ("type", "true"), ("choice", "123456789"))
        case rules.WholeNumbers(low, high):
            yield from (("type", "5"), ("type", '["5"]'), ("bound", f"[{low - 1}]"), ("bound", f"[{high + 1}]"))
        case rules.Texts():
            yield from (("type", '"a"'), ("type", "[7]"), ("form", '[" "]'))


DATE = "2026-12-24"
"""A value of TOML that JSON cannot state, and that no setting has. Without quotes it is a date."""


def corruptions() -> list[Corruption]:
    """Return every setting of the default settings file with every wrong value."""
    settings = SettingsFile.read(environments.settings_file())
    found = []
    for path, (begin, end) in settings.positions.spans.items():
        rule = rule_of(path)
        if rule is None:
            continue
        for kind, value in (*wrong_values(rule), ("date", DATE)):
            text = f"{settings.text[:begin]}{value}{settings.text[end:]}"
            found.append(Corruption(path, settings.positions.of[path].line, kind, value, text))
    return found
