"""Edits values in `environments.toml` without changing any other line, or the file itself: its mode, owner and links."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from orchestrator.domain.names import resource_name
from orchestrator.domain.schema import EnvironmentRefused

Value = str | int | list[str]
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_EDIT_MANUALLY = "edit the file manually: its form cannot be edited"


def with_value(document: str, table: str, key: str, value: Value) -> str:
    """Return the document with a key of a table set to a value; a missing table is appended.

    Only the lines that state the value are changed or added, and they end as the lines next to them.

    Args:
        document: the file's content, with its line ends.
        table: the table's name, such as `prod.service`.
        key: a bare key of that table.
        value: a string, an integer or a list of strings.

    Raises:
        EnvironmentRefused: the document is not TOML, or has a form that cannot be edited.
    """
    path = table.split(".")
    wanted = _with_value(_parsed(document), path, key, value)
    if wanted is None:
        raise EnvironmentRefused(f"{table}.{key}", value, _EDIT_MANUALLY)
    for changed in (_appended(document, path, key, value), _edited(document, path, key, value)):
        # The edit is believed only if the document now says what it said before, and the value.
        if _says(changed, wanted):
            return _with_line_ends_of(document, changed)
    raise EnvironmentRefused(f"{table}.{key}", value, _EDIT_MANUALLY)


def with_original_tables(document: str, environment: str) -> str:
    """Return the settings for a new cloud, in which nothing was restored: with the tables that the stack creates.

    Args:
        document: the file's content. After a restore it names the restored tables and their lowest revocation epoch.
        environment: the environment's name.

    Raises:
        EnvironmentRefused: the document is not TOML, or has a form that cannot be edited.
    """
    original: Mapping[str, Value] = {
        "state": resource_name("state", environment),
        "tokens": resource_name("tokens", environment),
        "least_epoch": 0,
    }
    settings = _parsed(document)
    named = {key for table in ("defaults", environment) for key in _service_tables(settings, table)}
    for key, value in original.items():
        if key in named:
            document = with_value(document, f"{environment}.service.tables", key, value)
    return document


def write_in_place(file: Path, document: str) -> None:
    """Replace the content of an existing file, and keep the file: its mode, owner, links and access lists.

    Raises:
        OSError: it cannot be written; the former content was written back as far as possible.
    """
    with file.open("r+b") as stream:
        former = stream.read()
        try:
            _overwrite(stream, document.encode())
        except OSError:
            _overwrite(stream, former)
            raise


def read_exactly(file: Path) -> str:
    """Return the content of a file with its line ends.

    Raises:
        OSError: it cannot be read.
        EnvironmentRefused: it is not UTF-8.
    """
    try:
        return file.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise EnvironmentRefused("environments", str(file), f"encode it in UTF-8: {error.reason}") from error


def _overwrite(stream: Any, content: bytes) -> None:
    stream.seek(0)
    stream.write(content)
    stream.truncate()
    stream.flush()


def _parsed(document: str) -> dict[str, Any]:
    try:
        return tomllib.loads(document)
    except tomllib.TOMLDecodeError as error:
        raise EnvironmentRefused("environments", "the settings file", f"correct the TOML syntax: {error}") from error


def _service_tables(settings: object, environment: str) -> Mapping[str, object]:
    """Return the table ``[ENVIRONMENT.service.tables]``; empty if there is none."""
    for name in (environment, "service", "tables"):
        settings = settings.get(name) if isinstance(settings, Mapping) else None
    return settings if isinstance(settings, Mapping) else {}


def _says(document: str, wanted: Mapping[str, Any]) -> bool:
    try:
        return tomllib.loads(document) == wanted
    except tomllib.TOMLDecodeError:
        return False


def _with_value(tables: object, path: list[str], key: str, value: Value) -> dict[str, Any] | None:
    """Return the parsed document with the value; None if something on the path is not a table."""
    if not isinstance(tables, Mapping):
        return None
    if not path:
        return {**tables, key: value}
    own = _with_value(tables.get(path[0], {}), path[1:], key, value)
    return None if own is None else {**tables, path[0]: own}


def _appended(document: str, path: list[str], key: str, value: Value) -> str:
    """Append a table. A document that has the table, or states one above it inline, is no longer valid TOML."""
    end = "" if document.endswith("\n") else "\n"
    return f"{document}{end}\n[{'.'.join(path)}]\n{key} = {json.dumps(value, allow_nan=False)}\n"


def _edited(document: str, path: list[str], key: str, value: Value) -> str:
    try:
        edited: Any = tomlkit.parse(document)
        table = edited
        for name in path:
            if name not in table:
                table[name] = tomlkit.table()
            table = table[name]
        table[key] = value
        text: str = edited.as_string()
    except (TOMLKitError, TypeError, AttributeError):
        return document
    return _without_added_blank_lines(document, text)


def _without_added_blank_lines(document: str, changed: str) -> str:
    """Undo the blank line that tomlkit adds between a new key and the next table."""
    before, after = _LINE.findall(document), _LINE.findall(changed)
    changes = SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    kept = [
        line for change, _, _, start, end in changes for line in after[start:end] if change != "insert" or line.strip()
    ]
    return "".join(kept)


def _with_line_ends_of(document: str, changed: str) -> str:
    """Return the changed document with new lines that end as the line before them."""
    before, after = _LINE.findall(document), _LINE.findall(changed)
    lines: list[str] = []
    for change, first, last, start, end in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if change == "equal":
            lines += before[first:last]
        elif change != "delete":
            above = (lines or before or ["\n"])[-1 if lines else 0]
            lines += [_ended(line, "\r\n" if above.endswith("\r\n") else "\n") for line in after[start:end]]
    return "".join(lines)


def _ended(line: str, ending: str) -> str:
    return f"{line[:-1].removesuffix(chr(13))}{ending}" if line.endswith("\n") else line
