"""Changing a value in `environments.toml`, and leaving every other character of it as it is."""

from __future__ import annotations

import json
import re
import tomllib

from environments.tables import EnvironmentRefused

_HEADER = re.compile(r"^\[[^\[].*\]\s*(#.*)?$", re.MULTILINE)


def with_value(document: str, table: str, key: str, value: str | int) -> str:
    """Return the document with a value at a key of a table; a table that is not there is put at the end.

    Args:
        document: the file's content.
        table: such as `prod.service`.
        key: a bare key of that table.
        value: a text or a whole number.

    Raises:
        EnvironmentRefused: it is written in a way that this does not change, such as over several lines.
    """
    header = re.search(rf"^\[{re.escape(table)}\][^\n]*\n", document, re.MULTILINE)
    line = f"{key} = {json.dumps(value)}"
    if header is None:
        changed = f"{document.rstrip()}\n\n[{table}]\n{line}\n"
    else:
        following = _HEADER.search(document, header.end())
        end = following.start() if following else len(document)
        own = document[header.end() : end]
        known = re.search(rf'^{re.escape(key)}\s*=\s*("[^"\n]*"|\d+)', own, re.MULTILINE)
        own = f"{own[: known.start()]}{line}{own[known.end() :]}" if known else f"{line}\n{own}"
        changed = f"{document[: header.end()]}{own}{document[end:]}"
    if _value(changed, table, key) != value:
        raise EnvironmentRefused(
            f"{table}.{key}", value, "write it into the file by hand: it stands there in another way"
        )
    return changed


def _value(document: str, table: str, key: str) -> object:
    try:
        found = tomllib.loads(document)
        for name in table.split("."):
            found = found[name]
        return found[key]
    except (tomllib.TOMLDecodeError, KeyError):
        return None
