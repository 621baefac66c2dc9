"""Values of the settings that stand for what only their user knows: names, zones and accounts of examples."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

_EXAMPLE = re.compile(r"\bexample\.(com|org|net)\b|EXAMPLE")


def example_values(tables: object, path: str) -> Mapping[str, str]:
    """Return the settings that have a value of an example, by field.

    Args:
        tables: the settings of an environment.
        path: the name of the environment.
    """
    return dict(_examples(tables, path))


def _examples(value: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, entry in value.items():
            yield from _examples(entry, f"{path}.{key}")
    elif isinstance(value, list):
        for number, entry in enumerate(value):
            yield from _examples(entry, f"{path}[{number}]")
    elif isinstance(value, str) and _EXAMPLE.search(value):
        yield path, value
