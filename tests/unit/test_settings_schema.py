"""Every value of every settings table and of every request: finite, within both bounds, whole where it counts, not blank.

The fields are not listed here. They are those that the readers take from a complete document, so a new field is tested
with its first use; a field that no complete document has fails `test_the_complete_documents_have_every_field`.
"""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest

from orchestrator import environments
from orchestrator.domain.deployment.policy import CHECKLIST, DeliveryPolicy
from orchestrator.domain.deployment.request import read_deployment_request
from orchestrator.domain.deployment.strategy import read_strategy
from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.policy import RecoveryPolicy
from orchestrator.domain.recovery.request import read_recovery_request
from orchestrator.domain.schema import SettingsReader
from orchestrator.environments.settings_document import merge

ROOT = Path(__file__).resolve().parents[2]
READERS = ("number", "whole_number", "whole_number_of", "percent", "whole_numbers")
TEXTS = ("text", "optional_text", "choice", "flag", "texts", "take")
COMPLETE_PROD: dict[str, Any] = tomllib.loads((ROOT / "examples" / "every-setting.toml").read_text(encoding="utf-8"))[
    "prod"
]
"""What prod of environments.toml does not say."""

DEPLOYMENT = {
    "release": f"sha256:{'0' * 64}",
    "strategy": {"type": "canary", "steps": [{"weight_percent": 10, "bake_seconds": 600}]},
    "requested_by": "ann",
    "checklist": dict.fromkeys(CHECKLIST, "https://ci.example/1"),
    "idempotency_key": "k",
    "force": True,
    "schema_change": True,
    "outside_calendar": "the fix of an incident",
    "changelog": "Refresh tokens last 30 days.",
    "requested_as": "arn:aws:sts::123456789012:assumed-role/Pipeline/42",
}
LINEAR = {**DEPLOYMENT, "strategy": {"type": "linear", "step_percent": 10, "bake_seconds": 600}}
CUTOVER = {"cutover": "dr-1", "requested_by": "ann"}
DRILL = {"requested_by": "ann", "to": "2026-11-23T03:00:00Z", "fault": "missing-row", "override_freeze": True}
RESTORE = {"requested_by": "ann", "backup": "b", "skip_comparison": True}
FAILBACK = {"requested_by": "ann", "failback_of": "dr-1"}

BLANK_ALLOWED = {"recovery.drill_schedule", "recovery.standing_grants"}
"""Texts that may be empty: environments.toml says what that means."""


@dataclass(frozen=True)
class Schema:
    """A complete document, and what reads it."""

    name: str
    document: Mapping[str, Any]
    read: Callable[[Mapping[str, Any]], object]

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Number:
    """A number as a reader takes it: how, and with which bounds."""

    path: str
    kind: str
    bounds: tuple[Any, ...]


def complete_environment() -> dict[str, Any]:
    tables = tomllib.loads(environments.settings_file().read_text(encoding="utf-8"))
    return merge(merge(tables["defaults"], tables["prod"]), COMPLETE_PROD)


def read_environment(document: Mapping[str, Any]) -> object:
    return environments.read_environment("prod", SettingsReader("prod", deepcopy(document)))


ENVIRONMENT = environments.load("prod")
DELIVERY = DeliveryPolicy.parse(ENVIRONMENT.delivery)
RECOVERY = RecoveryPolicy.parse({**ENVIRONMENT.recovery, "inject_faults": True})


def read_deployment(document: Mapping[str, Any]) -> object:
    request = read_deployment_request(document, DELIVERY)
    return read_strategy(request.strategy, DELIVERY)


def read_recovery(document: Mapping[str, Any]) -> object:
    return read_recovery_request(document, RECOVERY, "prod")


SCHEMAS = [
    Schema("an environment", complete_environment(), read_environment),
    Schema("a deployment", DEPLOYMENT, read_deployment),
    Schema("a deployment in equal steps", LINEAR, read_deployment),
    Schema("a cutover", CUTOVER, read_deployment),
    Schema("a drill", DRILL, read_recovery),
    Schema("a restore", RESTORE, read_recovery),
    Schema("a failback", FAILBACK, read_recovery),
]


def recorded(schema: Schema) -> tuple[list[Number], set[str]]:
    """Read a complete document; return the numbers that were read, and every key that was."""
    numbers: list[Number] = []
    keys: set[str] = set()

    def wrap(name: str) -> Callable[..., Any]:
        method = getattr(SettingsReader, name)

        def reading(self: SettingsReader, key: str, *bounds: Any, **options: Any) -> Any:
            keys.add(key)
            if name in READERS:
                numbers.append(Number(re.sub(r"^prod\.?", "", self.field(key)), name, bounds))
            return method(self, key, *bounds, **options)

        return reading

    with pytest.MonkeyPatch.context() as patch:
        for name in (*READERS, *TEXTS):
            patch.setattr(SettingsReader, name, wrap(name))
        schema.read(schema.document)
    return list(dict.fromkeys(numbers)), keys


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Yield the place and the value of everything in a document that is no table and no list."""
    if isinstance(value, Mapping):
        for key, entry in value.items():
            yield from leaves(entry, (*path, key))
    elif isinstance(value, list):
        for number, entry in enumerate(value):
            yield from leaves(entry, (*path, number))
    else:
        yield path, value


def changed(document: Mapping[str, Any], path: tuple[Any, ...], value: object) -> dict[str, Any]:
    copy: Any = deepcopy(document)
    place = copy
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return copy


def place_of(number: Number) -> tuple[Any, ...]:
    """Return where a number stands in the document, by the path that its reader has."""
    steps: list[Any] = []
    for part in number.path.split("."):
        name, *numbers = re.split(r"\[(\d+)\]", part)
        steps += [name, *(int(index) for index in numbers if index)]
    # The strategies of the environment are read as a table of their own.
    return tuple(steps)


def cases(kind: Callable[[Schema], list[Any]]) -> list[Any]:
    return [pytest.param(schema, case, id=f"{schema}: {_text(case)}") for schema in SCHEMAS for case in kind(schema)]


def _text(case: Any) -> str:
    return case.path if isinstance(case, Number) else ".".join(map(str, case[0]))


def all_leaves(schema: Schema) -> list[tuple[tuple[Any, ...], Any]]:
    return list(leaves(schema.document))


def all_numbers(schema: Schema) -> list[Number]:
    return recorded(schema)[0]


@pytest.mark.parametrize("schema", SCHEMAS, ids=str)
def test_the_complete_document_is_accepted(schema):
    schema.read(schema.document)


@pytest.mark.parametrize(("schema", "leaf"), cases(all_leaves))
def test_no_value_may_be_infinite_or_not_a_number(schema, leaf):
    path, _ = leaf
    for value in (inf, -inf, nan):
        with pytest.raises(Refused) as refused:
            schema.read(changed(schema.document, path, value))
        assert _names(refused.value.field, path), refused.value.field
        assert refused.value.remedy


@pytest.mark.parametrize(
    ("schema", "leaf"), cases(lambda schema: [leaf for leaf in all_leaves(schema) if isinstance(leaf[1], str)])
)
def test_no_text_may_be_blank(schema, leaf):
    path, _ = leaf
    if ".".join(map(str, path)) in BLANK_ALLOWED:
        return
    for value in ("", "  ", "\t"):
        with pytest.raises(Refused) as refused:
            schema.read(changed(schema.document, path, value))
        assert _names(refused.value.field, path), refused.value.field


@pytest.mark.parametrize(("schema", "number"), cases(all_numbers))
def test_a_number_has_two_bounds_and_is_whole_where_it_counts(schema, number):
    path = place_of(number)
    for value in _outside(number):
        with pytest.raises(Refused) as refused:
            schema.read(changed(schema.document, path, value))
        assert _names(refused.value.field, path), (value, refused.value.field)


def _outside(number: Number) -> list[Any]:
    never = [True, None, "5", {}, 10**30, -(10**30)]
    if number.kind == "percent":
        return [*never, 0, -0.5, 100.5]
    if number.kind == "whole_number_of":
        (among,) = number.bounds
        return [*never, min(among) - 1, max(among) + 7, min(among) + 0.5]
    low, high = number.bounds
    if number.kind == "whole_numbers":
        return [[value] for value in (*never, low - 1, high + 1, low + 0.5)]
    assert -(10**15) <= low <= high <= 10**15, f"{number.path} has no bounds"
    return [*never, low - 1, high + 1, *([low + 0.5] if number.kind == "whole_number" else [])]


def _names(field: str, path: tuple[Any, ...]) -> bool:
    """Return whether an error names a place of the document, or the table or list that holds it."""
    place = ["prod", *map(str, path)] if field.startswith("prod.") else list(map(str, path))
    named = [step for part in field.split(".") for step in re.split(r"[\[\]]", part) if step]
    return (named == place[: len(named)] and len(named) >= len(place) - 2) or _of_another_place(named, place)


def _of_another_place(named: list[str], place: list[str]) -> bool:
    """Return whether the value is refused where it contradicts another one of the same table."""
    return len(named) > 1 and named[: len(named) - 1] == place[: len(named) - 1]


def test_numbers_of_every_kind_are_among_those_that_are_tested():
    numbers = [number for schema in SCHEMAS for number in all_numbers(schema)]
    assert {number.kind for number in numbers} == set(READERS)
    paths = {number.path for number in numbers}
    assert {"delivery.thresholds.max_p99_ms", "delivery.thresholds.minimum_requests", "recovery.max_cost_usd"} <= paths
    assert {"usage.traced_percent", "strategies.linear-10.bake_seconds", "strategy.steps[0].weight_percent"} <= paths


NO_READERS = {"schema.py", "prices.py", "bus_event.py", "bus_events.py", "deployment_events.py", "recovery_events.py"}
"""Modules that read neither settings nor requests."""


def reading_calls() -> Iterator[tuple[str, str]]:
    """Yield the method and the key of every call of a reader in the settings and the requests."""
    files = [*(ROOT / "orchestrator/environments").rglob("*.py"), *(ROOT / "orchestrator/domain").rglob("*.py")]
    for file in files:
        if file.name in NO_READERS:
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
                key = node.args[0]
                if node.func.attr in (*READERS, *TEXTS, "table", "tables") and isinstance(key, ast.Constant):
                    yield node.func.attr, key.value


def test_the_complete_documents_have_every_field():
    taken = set().union(*(recorded(schema)[1] for schema in SCHEMAS))
    covered = {str(step) for schema in SCHEMAS for path, _ in leaves(schema.document) for step in path}
    stated = {key for _, key in reading_calls()}

    assert len(stated) > 90
    assert not stated - taken - covered, "give these fields in the complete documents above"


def test_nothing_of_the_settings_is_converted_without_a_check():
    """A table is read by `SettingsReader` alone: `int()` made 0 of 0.9, and `float()` accepts `nan`."""
    converted = [
        f"{file.name}:{node.lineno}"
        for folder in ("orchestrator/environments", "orchestrator/domain/deployment", "orchestrator/domain/recovery")
        for file in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"int", "float"}
        if any(isinstance(part, ast.Attribute) and part.attr in {*TEXTS, *READERS} for part in ast.walk(node))
    ]
    assert not converted


def test_what_the_functions_read_of_the_settings_is_json():
    for name in environments.names():
        environment = environments.load(name)
        json.dumps([environment.delivery, environment.recovery, environment.usage], allow_nan=False)
