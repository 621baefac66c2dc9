"""The JSON Schema of the settings is current, accepts what the readers accept, and refuses wrong values as they do."""

import json
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cache
from typing import Any

import pytest

from orchestrator import environments
from orchestrator.domain.errors import Refused
from orchestrator.domain.schema import SettingsReader
from orchestrator.environments import json_schema
from orchestrator.environments.settings_document import SettingsFile, merge
from tests.json_schema import draft7_validator
from tests.unit.environments.corruptions import corruptions

SCHEMA = json.loads(json_schema.document())
SETTINGS = SettingsFile.read(environments.settings_file())
EXAMPLE = SettingsFile.read(json_schema.EXAMPLE)


@cache
def validator():
    return draft7_validator(SCHEMA)


def accepts(document: object) -> bool:
    return validator().is_valid(document)


def test_the_page_is_current():
    text = json_schema.SCHEMA.read_text(encoding="utf-8")
    assert text == json_schema.document(), "run `python -m orchestrator.environments.json_schema`"


def test_it_is_a_json_schema_and_editors_find_it():
    assert validator().schema == SCHEMA
    directive = SETTINGS.text.splitlines()[0]
    assert environments.settings_file().parent / directive.removeprefix("#:schema ") == json_schema.SCHEMA
    directive = EXAMPLE.text.splitlines()[0]
    assert (json_schema.EXAMPLE.parent / directive.removeprefix("#:schema ")).resolve() == json_schema.SCHEMA


@pytest.mark.parametrize("settings", [SETTINGS, EXAMPLE], ids=lambda settings: settings.file.name)
def test_the_settings_files_are_valid(settings):
    assert not [error.message for error in validator().iter_errors(settings.document)]


@pytest.mark.parametrize("name", SETTINGS.names)
def test_a_whole_environment_is_valid_without_its_defaults(name):
    merged = SETTINGS.merged(name)
    assert accepts({name: merged})
    if name in EXAMPLE.document:
        assert accepts({name: merge(merged, EXAMPLE.document[name])})


def test_wrong_values_are_refused_by_the_schema_too():
    """JSON has no dates and no NaN; Python's validator finds NaN neither less nor greater than a bound."""
    every = [corruption for corruption in corruptions() if corruption.kind not in {"date", "nan"}]
    accepted = [
        corruption
        for corruption in every
        if accepts({corruption.environment: tomllib.loads(corruption.text)[corruption.environment]})
    ]
    kinds = Counter(corruption.kind for corruption in every)
    assert kinds.keys() == {"type", "choice", "bound", "whole", "infinity", "form"}
    assert len(every) > 1000
    assert not [f"{corruption.path} = {corruption.value}" for corruption in accepted]


@pytest.mark.parametrize(
    "text",
    [
        "[Prod]",
        "prod = 1",
        "[prod]\nregin = 'us-west-1'",
        "[prod.service.alarms]\nwindow = 1",
        "[prod.delivery]\nstrategies = {}",
        "[prod.strategies.mine]\ntype = 'canary'\nsteps = [{ weight = 1 }]",
        "[[prod.service.clients]]\nname = 'no id'\nscopes = []",
        "[[prod.delivery.hooks]]\nname = 'h'\nkind = 'webhook'\nphases = ['whenever']\ntimeout_seconds = 1",
        "[prod.contacts]\noperators = ['no address']",
        "[prod.api.throttles]\n'POST /token' = { requests_per_second = 1, burst = 1 }",
    ],
)
def test_unknown_keys_and_incomplete_entries_are_refused(text):
    assert not accepts(tomllib.loads(text))


def parts(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the place of everything in a document."""
    entries = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in entries:
        yield (*path, key)
        yield from parts(entry, (*path, key))


def without(document: Mapping[str, Any], path: tuple[Any, ...]) -> dict[str, Any]:
    copy: Any = deepcopy(document)
    place = copy
    for step in path[:-1]:
        place = place[step]
    del place[path[-1]]
    return copy


COMPLETE = {
    "prod": merge(SETTINGS.merged("prod"), EXAMPLE.document["prod"]),
    "local": SETTINGS.merged("local"),
    "dev": SETTINGS.merged("dev"),
}


@pytest.mark.parametrize("name", COMPLETE)
def test_whatever_may_be_left_out_may_be_left_out_in_the_schema(name):
    left_out = 0
    for path in parts(COMPLETE[name]):
        document = without(COMPLETE[name], path)
        try:
            environments.read_environment(name, SettingsReader(name, document))
        except Refused:
            continue
        left_out += 1
        assert accepts({name: document}), path
    assert left_out > 5


def test_descriptions_come_from_the_comments_of_the_settings():
    table = SCHEMA["definitions"]["table"]["properties"]
    assert table["log_retention_days"] == {
        "type": "integer",
        "enum": list(environments.RETENTION_DAYS),
    }
    assert table["key_rotation_days"]["description"].startswith("lifetime of a signing key")
    assert table["contacts"]["description"].startswith("Who receives notifications")
    assert table["network"]["properties"]["cidr"]["description"].startswith("a private IPv4 block")
