"""The definitions of the state machines, read from their files: by CDK, tests, docs and the command line alike.

A definition is Amazon States Language with placeholders ``${CamelCase}``, each naming the task module `camel_case` of the
orchestrator. A placeholder is always a whole quoted text, so that a definition is JSON before and after it is bound.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
SUFFIX = ".asl.json"

_PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")
_WHOLE = re.compile(r'"\$\{([A-Z][A-Za-z0-9]*)\}"')
_WORD = re.compile(r"(?<!^)(?=[A-Z])")


class DefinitionRefused(Exception):
    """A definition cannot be read or bound; says which and why."""


@dataclass(frozen=True)
class Definition:
    """A state machine's definition as its file has it.

    Attributes:
        name: `deployment`, `rollback`, …
        text: Amazon States Language with placeholders.
        placeholders: their names, without ``${}``.
    """

    name: str
    text: str
    placeholders: frozenset[str]

    @property
    def states(self) -> Mapping[str, Any]:
        """The states by name, with placeholders where they are."""
        found = json.loads(self.text)["States"]
        assert isinstance(found, dict)
        return found

    @property
    def distributed(self) -> bool:
        """Whether a state maps over its items in child executions."""
        return any(
            state.get("ItemProcessor", {}).get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED"
            for state in self.states.values()
        )


def names() -> tuple[str, ...]:
    """Return the names of all definitions, sorted."""
    return tuple(sorted(file.name.removesuffix(SUFFIX) for file in FOLDER.glob(f"*{SUFFIX}")))


def load(name: str) -> Definition:
    """Read a definition.

    Raises:
        DefinitionRefused: there is none of this name, it is no JSON, or a placeholder is not a whole quoted text.
    """
    if name not in names():
        raise DefinitionRefused(f"there is no definition {name!r}; there are {', '.join(names())}")
    return read(name, (FOLDER / f"{name}{SUFFIX}").read_text(encoding="utf-8"))


def read(name: str, text: str) -> Definition:
    """Read a definition from its text. Raises DefinitionRefused as `load` does."""
    try:
        json.loads(text)
    except ValueError as error:
        raise DefinitionRefused(f"{name} is no JSON: {error}") from error
    placeholders = _PLACEHOLDER.findall(text)
    if sorted(placeholders) != sorted(_WHOLE.findall(text)):
        raise DefinitionRefused(f"{name} has a placeholder that is not a whole quoted CamelCase text")
    return Definition(name, text, frozenset(placeholders))


def bind(definition: Definition, arns: Mapping[str, str]) -> str:
    """Return the definition with every placeholder replaced.

    Raises:
        DefinitionRefused: a placeholder has no ARN, or an ARN no placeholder.
    """
    if definition.placeholders != arns.keys():
        different = sorted(definition.placeholders ^ arns.keys())
        raise DefinitionRefused(f"{definition.name} and what it is bound to differ in {', '.join(different)}")
    return _PLACEHOLDER.sub(lambda found: arns[found[1]], definition.text)


def module_of(placeholder: str) -> str:
    """Return the task module that a placeholder names: `VerifyAfterTraffic` is `verify_after_traffic`."""
    return _WORD.sub("_", placeholder).lower()
