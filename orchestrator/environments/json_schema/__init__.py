"""The JSON Schema of `environments.toml`, for editors: `python -m orchestrator.environments.json_schema` writes it.

No list of settings is kept for it. The environments of the settings file, and those of `examples/every-setting.toml`,
are read as every command reads them, and an observer records what the readers read: names, types, bounds and choices.
What several settings must satisfy together is no part of it; `orchestrator lint` finds that.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.domain.schema import Observer, SettingsReader
from orchestrator.domain.setting_rules import Anything, Rule, Schema, one_of
from orchestrator.environments import read_environment
from orchestrator.environments.positions import comments
from orchestrator.environments.settings_document import DEFAULTS, NAME, SettingsFile, merge

ROOT = Path(__file__).resolve().parents[3]
FILE = ROOT / "environments.toml"
EXAMPLE = ROOT / "examples" / "every-setting.toml"
SCHEMA = ROOT / "docs" / "reference" / "environments.schema.json"
_HEADER = re.compile(r"\[\[?([\w.-]+)\]\]?\s*(?:#(.*))?")
_SENTENCE = re.compile(r"# [^\[\s-]")
DRAFT = "http://json-schema.org/draft-07/schema#"


class Record(Observer):
    """What is read of one table, or of all entries of one array."""

    def __init__(self) -> None:
        self.times = 0
        self._read: Counter[str] = Counter()
        self._rules: dict[str, list[Rule]] = {}
        self._optional: set[str] = set()
        self._tables: dict[str, Record] = {}
        self._arrays: dict[str, Record] = {}
        self._children: Record | None = None
        self._closed = False

    def value(self, key: str, rule: Rule, *, optional: bool) -> None:
        """Record a value."""
        self._read[key] += 1
        if not (isinstance(rule, Anything) and not rule.described_by):
            self._rules.setdefault(key, []).append(rule)
        if optional:
            self._optional.add(key)

    def key_tested(self, key: str) -> None:
        """Record that a key may be absent."""
        self._optional.add(key)

    def closed(self) -> None:
        """Record that other keys are refused."""
        self._closed = True

    def table(self, key: str) -> Record:
        """Return the record of a table."""
        return self._tables.setdefault(key, Record())

    def entry(self, key: str) -> Record:
        """Return the record of all entries of an array."""
        record = self._arrays.setdefault(key, Record())
        record.times += 1
        return record

    def child(self) -> Record:
        """Return the record of all tables whose names are free."""
        self._children = self._children or Record()
        return self._children

    def schema(self, described: Mapping[str, str], path: str = "") -> Schema:
        """Return the JSON Schema of the table.

        Args:
            described: descriptions, by the path of the setting in an environment.
            path: of this table.
        """
        properties: dict[str, Any] = {}
        for key, rules in self._rules.items():
            properties[key] = one_of([rule.schema for rule in rules])
        for key, table in self._tables.items():
            properties[key] = table.schema(described, _below(path, key))
        for key, entries in self._arrays.items():
            properties[key] = {"type": "array", "items": entries.schema(described, f"{_below(path, key)}[0]")}
        with_texts = {
            key: {"description": text, **schema} if (text := described.get(_below(path, key))) else schema
            for key, schema in sorted(properties.items())
        }
        schema: dict[str, Any] = {"type": "object", "properties": with_texts}
        # In a table every setting may be inherited. The entries of an array are not merged with others.
        required = sorted(key for key in self._rules if self.times and self._is_in_every_entry(key))
        if required:
            schema["required"] = required
        if self._children is not None:
            schema["additionalProperties"] = self._children.schema(described, _below(path, "*"))
        elif self._closed:
            schema["additionalProperties"] = False
        return schema

    def _is_in_every_entry(self, key: str) -> bool:
        return key not in self._optional and self._read[key] >= self.times


def schema_of(settings: SettingsFile, example: SettingsFile) -> dict[str, Any]:
    """Return the JSON Schema of a settings file.

    Args:
        settings: with the settings that every environment has.
        example: with those that it does not have; each of its tables is merged over the one of the same name.
    """
    record = Record()
    documents = {
        **{name: settings.merged(name) for name in settings.names},
        **{f"{name} of the example": merge(settings.merged(name), example.document[name]) for name in example.names},
    }
    for name, tables in documents.items():
        environment = name.partition(" ")[0]
        read_environment(environment, SettingsReader(environment, tables, observer=record))
    record.closed()
    described = {**_descriptions(example, example.names), **_descriptions(settings, (DEFAULTS,))}
    return {
        "$schema": DRAFT,
        "$comment": "Generated by `python -m orchestrator.environments.json_schema`.",
        "title": "environments.toml of the orchestrator",
        "description": "The settings of the environments: docs/reference/environments.md",
        "type": "object",
        "propertyNames": {"pattern": f"^(?:{NAME.pattern})$"},
        "properties": {
            DEFAULTS: {"description": "What every environment inherits.", "allOf": [{"$ref": "#/definitions/table"}]}
        },
        "additionalProperties": {"$ref": "#/definitions/table"},
        "definitions": {"table": record.schema(described)},
    }


def _descriptions(settings: SettingsFile, tables_of: tuple[str, ...]) -> dict[str, str]:
    """Return the comments of a file by the path of the setting in its environment; those of the defaults win.

    Args:
        settings: the file.
        tables_of: the environments whose comments on tables count; what an environment says of its own table is not
            true of the same table of another one.
    """
    found: dict[str, str] = {}
    of_tables = {path: text for path, text in _of_headers(settings.text).items() if path.partition(".")[0] in tables_of}
    for path, text in {**comments(settings.text, settings.positions), **of_tables}.items():
        environment, _, setting = path.partition(".")
        if environment == DEFAULTS:
            found[setting] = text
        else:
            found.setdefault(setting, text)
    return found


def _of_headers(text: str) -> dict[str, str]:
    """Return the comments of tables by path: on the line of the header, or directly above it."""
    lines = text.splitlines()
    found: dict[str, str] = {}
    for number, line in enumerate(lines):
        header = _HEADER.fullmatch(line)
        if header is None:
            continue
        words = [header[2].strip()] if header[2] else []
        for above in reversed(lines[:number] if not words else []):
            if not _SENTENCE.match(above):
                break
            words.insert(0, above.removeprefix("#").strip())
        if words:
            found.setdefault(header[1], " ".join(words))
    return found


def _below(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def document() -> str:
    """Return the schema of this project's settings file, as text."""
    schema = schema_of(SettingsFile.read(FILE), SettingsFile.read(EXAMPLE))
    return f"{json.dumps(schema, indent=2, ensure_ascii=False, allow_nan=False)}\n"


def main(target: Path = SCHEMA) -> None:
    """Write the schema."""
    target.write_text(document(), encoding="utf-8")
    sys.stderr.write(f"wrote {target}\n")
