"""Read the definitions of the state machines from their files: for the CDK, the tests, the docs and the command line.

A definition is Amazon States Language with placeholders ``${CamelCase}``. A placeholder is always a whole quoted
string, so a file is valid JSON before and after its placeholders are replaced. There are two kinds:

- A fragment, such as ``"Retry": "${PatientRetry}"``: `read` replaces it with the block of `state_machines.fragments`.
- A task, such as ``"${PlanDeployment}"``: the task module `plan_deployment`; `bind` or the CDK replaces it with an ARN.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from state_machines.fragments import FRAGMENTS

FOLDER = Path(__file__).parent
SUFFIX = ".asl.json"

_PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")
_QUOTED_PLACEHOLDER = re.compile(r'"\$\{([A-Z][A-Za-z0-9]*)\}"')
_WORD_START = re.compile(r"(?<!^)(?=[A-Z])")


class DefinitionRefused(Exception):
    """A definition cannot be read or bound. The message names the definition and the reason."""


@dataclass(frozen=True)
class Definition:
    """A state machine's definition with its fragments in place.

    Attributes:
        name: `deployment`, `rollback`, `drill` or `restore`.
        text: Amazon States Language with the placeholders of tasks.
        placeholders: the tasks' names, without ``${}``.
    """

    name: str
    text: str
    placeholders: frozenset[str]

    @property
    def states(self) -> Mapping[str, Any]:
        """The states by name, with the placeholders of tasks."""
        states = json.loads(self.text)["States"]
        assert isinstance(states, dict)
        return states

    @property
    def distributed(self) -> bool:
        """Whether a Map state runs its items in child executions."""
        return any(
            state.get("ItemProcessor", {}).get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED"
            for state in self.states.values()
        )


def names() -> tuple[str, ...]:
    """Return the names of all definitions, sorted."""
    return tuple(sorted(file.name.removesuffix(SUFFIX) for file in FOLDER.glob(f"*{SUFFIX}")))


def load(name: str) -> Definition:
    """Read a definition from its file.

    Raises:
        DefinitionRefused: no definition has this name, or as `read`.
    """
    if name not in names():
        raise DefinitionRefused(f"there is no definition {name!r}; there are {', '.join(names())}")
    return read(name, (FOLDER / f"{name}{SUFFIX}").read_text(encoding="utf-8"))


def read(name: str, text: str) -> Definition:
    """Read a definition from the text of a file, and replace its fragments.

    Raises:
        DefinitionRefused: the text is not valid JSON, or a placeholder is not a whole quoted CamelCase string.
    """
    try:
        json.loads(text)
    except ValueError as error:
        raise DefinitionRefused(f"{name} is not valid JSON: {error}") from error
    expanded = _QUOTED_PLACEHOLDER.sub(_fragment_or_task, text)
    placeholders = _PLACEHOLDER.findall(expanded)
    if sorted(placeholders) != sorted(_QUOTED_PLACEHOLDER.findall(expanded)):
        raise DefinitionRefused(f"{name} has a placeholder that is not a whole quoted CamelCase string")
    return Definition(name, expanded, frozenset(placeholders))


def bind(definition: Definition, arns: Mapping[str, str]) -> str:
    """Return the definition's text with every task's placeholder replaced by an ARN.

    Raises:
        DefinitionRefused: a placeholder has no ARN, or an ARN has no placeholder.
    """
    if definition.placeholders != arns.keys():
        different = sorted(definition.placeholders ^ arns.keys())
        raise DefinitionRefused(f"{definition.name}: placeholders and ARNs differ in {', '.join(different)}")
    return _PLACEHOLDER.sub(lambda placeholder: arns[placeholder[1]], definition.text)


def module_of(placeholder: str) -> str:
    """Return the task module that a placeholder names: `VerifyAfterPromotion` names `verify_after_promotion`."""
    return _WORD_START.sub("_", placeholder).lower()


def _fragment_or_task(placeholder: re.Match[str]) -> str:
    return json.dumps(FRAGMENTS[placeholder[1]], allow_nan=False) if placeholder[1] in FRAGMENTS else placeholder[0]
