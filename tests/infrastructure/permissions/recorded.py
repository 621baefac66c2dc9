"""The calls that the functions made in end-to-end runs, as a file that names no run, account, region or environment.

``python -m tests.infrastructure.permissions.recorded`` runs the end-to-end tests with policies enforced and rewrites the
file. With names of test files as arguments it runs those, and replaces only what their earlier runs recorded. Every such
test file ends with `check_calls`: the calls of a run that the file does not have fail it, so the file cannot be outdated
unnoticed.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

FILE = Path(__file__).with_name("recorded_calls.jsonl")
ROOT = Path(__file__).resolve().parents[3]
RUNS = ("test_least_privilege", "test_drill_checks", "test_main_job")
"""The end-to-end test files whose runs are recorded."""
RECORDING = "RECORD_CALLS"
"""Environment variable: the calls of a run are written into the file instead of being compared with it."""
CHECKING = "CHECK_RECORDED_CALLS"
"""Environment variable: the calls of a run are compared with the file."""

_ROLE = re.compile(r"arn:aws:sts::\d+:assumed-role/ib-oauth-(?P<role>[\w-]+)/.+")
_MADE_LATER = re.compile(
    r"ib-oauth-(?P<kind>drill|restored)-(?P<id>[\w-]+?)-(?P<role>state|tokens|authorize|token|public)-"
)
_PLACEHOLDERS = (
    (re.compile(r"(?<=:execution:)(?P<machine>[\w{}-]+):.+"), r"\g<machine>:{execution}"),
    (re.compile(r"(?<=/stream/).+"), "{label}"),
    (re.compile(r"(?<=/backup/).+"), "{backup}"),
    (re.compile(r"(?<=/export/).+"), "{export}"),
    (re.compile(r"(?<=:function:)(?P<name>[\w{}-]+):\d+$"), r"\g<name>:{version}"),
    (re.compile(r"(?<=::/restapis/)[a-z0-9]+"), "{api}"),
    (re.compile(r"/(?P<kind>stages|resources|deployments)/[\w-]+"), r"/\g<kind>/{id}"),
    (re.compile(r"(?<=:stack/)(?P<name>[\w{}-]+)/[\w-]+$"), r"\g<name>/{id}"),
    (re.compile(r"(?<=^arn:aws:s3:::)(?P<bucket>[\w{}-]+)/.+"), r"\g<bucket>/{object}"),
    (re.compile(r"(?<=:log-stream:).+"), "{stream}"),
)
_KEPT_KEYS = re.compile(
    r"kms:(EncryptionContext:(environment|aws:.+)|ViaService|GrantIsForAWSResource)|aws:RequestTag/ib-oauth:signing-key"
    r"|iam:PassedToService|events:detail-type|application-autoscaling:service-namespace",
    re.IGNORECASE,
)
"""The condition keys that policies of ours use, or could, apart from partition keys."""
FENCED = (
    *("authorize", "token", "public", "event-rotate-signing-keys", "event-write-heartbeats"),
    *("task-block-source-tables", "task-await-cutover", "event-reconcile"),
)
"""Roles with statements that name partition keys. Of the others, which read and write whatever is in a table, the record
has no partition keys: they depend on what clients did in the run."""
_LEADING_KEYS = "dynamodb:LeadingKeys"
SNAPSHOTS = ("task-snapshot-configuration", "event-take-configuration-snapshot")
"""Roles that read the settings of everything of the environment: their record says ``{every}`` instead of each name, so that a
new function changes nothing, and the replay reads everything of the environment that it is about."""
_ITEMS = re.compile(r"dynamodb:(Batch\w+|ConditionCheckItem|DeleteItem|GetItem|PutItem|Query|Scan|UpdateItem)")
_OF_LAMBDA = re.compile(r"lambda\.[\w-]+\.amazonaws\.com")
_OWN_NAME = re.compile(r"ib-oauth-(?:[\w-]+-)?\{environment\}(?:-[\w-]+)?")
_EVERY = re.compile(r"(?<=[:/])(?:ib-oauth-\{environment\}/)?" + _OWN_NAME.pattern)
_READ_BY_NAME = (":stack/", "arn:aws:s3:::", ":event-bus/")
"""Resources that a snapshot reads by their own names."""


@dataclass(frozen=True, order=True)
class Call:
    """A call of a function: what its role was authorized for.

    Attributes:
        role: the role's name without the prefix of the product and without the environment.
        action: IAM's action.
        resource: the ARN, with placeholders in braces.
        context: condition keys with their values, as JSON.
    """

    role: str
    action: str
    resource: str
    context: str = "{}"

    @property
    def keys(self) -> dict[str, Any]:
        """The condition keys with their values."""
        return dict(json.loads(self.context))


@dataclass(frozen=True)
class Place:
    """Where calls were recorded. `aliases` are the names of keys, without prefix and environment, by key ID."""

    environment: str
    account: str
    region: str
    aliases: Mapping[str, str]


def normalise(line: str, place: Place) -> list[Call]:
    """Return a recorded call without what is only of its run; none for a principal that is no role of ours.

    A call with several partition keys is one call for each: which of them are in one batch is chance.
    """
    recorded = json.loads(line)
    found = _ROLE.fullmatch(recorded["principal"])
    if not found:
        return []
    role, request_context = found["role"].removesuffix(f"-{place.environment}"), recorded["context"]
    through = request_context.get("kms:ViaService", "lambda.us-west-1.amazonaws.com")
    settings = role in SNAPSHOTS and not _ITEMS.fullmatch(recorded["action"]) and _OF_LAMBDA.fullmatch(through)
    every = _every if settings else str
    context = {
        key: every(_value(value, place)) if isinstance(value, str) else _value(value, place)
        for key, value in request_context.items()
        if _KEPT_KEYS.fullmatch(key)
    }
    partition_keys = request_context.get(_LEADING_KEYS, []) if role in FENCED else []
    fences = [{_LEADING_KEYS: key} for key in sorted({_partition_key(key, place) for key in partition_keys})] or [{}]
    return [
        Call(
            role,
            recorded["action"],
            every(_text(recorded["resource"], place)),
            json.dumps(context | fence, sort_keys=True),
        )
        for fence in fences
    ]


def _every(text: str) -> str:
    if any(kind in text for kind in _READ_BY_NAME):
        return text
    return re.sub(r"\{key:[\w-]+\}", "{key:every}", _EVERY.sub("{every}", text))


def _text(text: str, place: Place) -> str:
    text = text.replace(place.account, "{account}").replace(place.region, "{region}")
    text = re.sub(rf"(?<=ib-oauth)-((?:[\w*-]+?-)?){place.environment}(?![\w])", r"-\1{environment}", text)
    text = _MADE_LATER.sub(r"ib-oauth-\g<kind>-{recovery}-\g<role>-", text)
    text = re.sub(r"(?<=:key/)[\w-]+", lambda key: f"{{key:{place.aliases.get(key[0], 'rotated')}}}", text)
    for pattern, placeholder in _PLACEHOLDERS:
        text = pattern.sub(placeholder, text)
    return text


def _partition_key(key: str, place: Place) -> str:
    return re.sub(r"#.*", "#{id}", _text(key, place), flags=re.DOTALL)


def _value(value: Any, place: Place) -> Any:
    if isinstance(value, list):
        return sorted(_text(str(one), place) for one in value)
    return "{environment}" if value == place.environment else _text(str(value), place)


def calls_of(file: Path, place: Place) -> frozenset[Call]:
    """Return the calls in a local cloud's record."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return frozenset(call for line in lines for call in normalise(line, place))


def read(file: Path = FILE) -> Mapping[Call, frozenset[str]]:
    """Return the recorded calls, each with the runs that made it."""
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []
    return {
        Call(row["role"], row["action"], row["resource"], json.dumps(row["context"], sort_keys=True)): frozenset(
            row["runs"]
        )
        for row in rows
    }


def write(calls: Mapping[Call, Iterable[str]], file: Path = FILE) -> None:
    """Write the recorded calls, one a line."""
    rows = [
        {
            "role": call.role,
            "action": call.action,
            "resource": call.resource,
            "context": call.keys,
            "runs": sorted(runs),
        }
        for call, runs in sorted(calls.items())
    ]
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


def place_of(here: Any) -> Place:
    """Return the place of a running local environment (`LocalEnvironment`)."""
    kms = here.cloud.clients("kms")
    pages = kms.get_paginator("list_aliases").paginate()
    aliases = {
        alias["TargetKeyId"].rpartition("/")[2]: alias["AliasName"]
        .removeprefix("alias/ib-oauth-")
        .removesuffix("-local")
        for page in pages
        for alias in page["Aliases"]
        if "TargetKeyId" in alias and alias["AliasName"].startswith("alias/ib-oauth-")
    }
    return Place("local", "000000000000", here.local.region, aliases)


complete_record = pytest.mark.skipif(
    not os.environ.get(RECORDING) and not os.environ.get(CHECKING),
    reason=f"a busy machine makes further calls, such as repetitions: `make proof` sets {CHECKING}",
)
"""Marks the end-to-end tests that compare their run's calls with the file."""


def check_calls(here: Any, run: str) -> None:
    """Compare the calls of a run with the file, or write them into it if `RECORDING` is set.

    Args:
        here: the run's local environment.
        run: the name of the test file, without its ending.

    Raises:
        AssertionError: the file lacks calls of the run, or the run recorded none.
    """
    made, known = calls_of(here.local.calls, place_of(here)), read()
    assert made, f"no call was recorded: {here.local.calls}"
    if os.environ.get(RECORDING):
        kept = {call: runs - {run} for call, runs in known.items()}
        merged = {call: kept.get(call, frozenset()) | ({run} if call in made else set()) for call in {*kept, *made}}
        write({call: runs for call, runs in merged.items() if runs})
        return
    missing = sorted(made - known.keys())
    assert not missing, (
        f"{len(missing)} calls of this run are not in {FILE.name}; record it with "
        f"`python -m tests.infrastructure.permissions.recorded {run}` and see what its tests say of the policies: {missing}"
    )


def main(runs: list[str]) -> int:
    """Run end-to-end tests and record their calls. Return pytest's exit code."""
    files = [f"tests/e2e/{run}.py" for run in runs or RUNS]
    if not runs:
        FILE.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files]
    return subprocess.run(command, cwd=ROOT, env=os.environ | {RECORDING: "1"}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
