"""The one form of an environment's parts, in which two moments, or two buildings of it, can be compared.

A reader gives each part as AWS tells it. `normalised` leaves out what says nothing of how the environment is configured, each with
its reason (`NOT_COMPARED`), and puts ids that AWS draws as names; `read_variables` puts values that may be secret as digests of
themselves. An environment that was rebuilt from the repository then has the configuration of the one that was lost.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from orchestrator.domain.verdict import Json

_A_TIME = "when it was made or changed says nothing of what it is"
_DRAWN = "AWS draws it anew for what is made anew"
_STATE = "how it is at the moment, not how it is configured"
_FOLLOWS = "follows from something that is compared"

NOT_COMPARED: Mapping[str, Mapping[str, str]] = {
    "*": {"**.[Tt]ags.aws:*": "CloudFormation's own tags name the stack by an id that is drawn"},
    "function": {
        "LastModified": _A_TIME,
        "RevisionId": _DRAWN,
        "Version": "it is $LATEST",
        "CodeSize": _FOLLOWS,
        "FunctionArn": _FOLLOWS,
        "State*": _STATE,
        "LastUpdate*": _STATE,
        "RuntimeVersionConfig": "AWS patches the runtime by itself",
        "SnapStart.OptimizationStatus": _STATE,
        "aliases.*.RevisionId": _DRAWN,
        "aliases.*.Description": "whoever moved it last, not where it is",
        "policy.Statement.*.Sid": "CloudFormation draws a part of it",
        "policies.*.Statement.*.Sid": "CloudFormation draws a part of it",
    },
    "api": {
        "id": _DRAWN,
        "rootResourceId": _DRAWN,
        "createdDate": _A_TIME,
        "apiStatus*": _STATE,
        "resources.*.id": _DRAWN,
        "resources.*.parentId": _DRAWN,
        "resources.*.pathPart": _FOLLOWS,
        "resources.*.path": _FOLLOWS,
        "resources.*.resourceMethods.*.methodIntegration.cacheNamespace": _DRAWN,
        "stages.*.deploymentId": "every deployment of the API has another; what it deployed is the routes",
        "stages.*.createdDate": _A_TIME,
        "stages.*.lastUpdatedDate": _A_TIME,
    },
    "role": {"Arn": _FOLLOWS, "RoleId": _DRAWN, "CreateDate": _A_TIME, "RoleLastUsed": _STATE},
    "alarm": {
        "AlarmArn": _FOLLOWS,
        "AlarmConfigurationUpdatedTimestamp": _A_TIME,
        "State*": _STATE,
        "EvaluationState": _STATE,
    },
    "rule": {"Arn": _FOLLOWS, "CreatedBy": "the account"},
    "bus": {"Arn": _FOLLOWS, "CreationTime": _A_TIME, "LastModifiedTime": _A_TIME},
    "schedule": {"Arn": _FOLLOWS, "CreationDate": _A_TIME, "LastModificationDate": _A_TIME},
    "table": {
        "TableArn": _FOLLOWS,
        "TableId": _DRAWN,
        "CreationDateTime": _A_TIME,
        "TableStatus": _STATE,
        "TableSizeBytes": _STATE,
        "ItemCount": _STATE,
        "WarmThroughput": "it grows with the traffic",
        "ProvisionedThroughput.*DateTime": _A_TIME,
        "ProvisionedThroughput.NumberOfDecreasesToday": _STATE,
        "BillingModeSummary.LastUpdate*": _A_TIME,
        "*IndexArn": _FOLLOWS,
        "*Indexes.*.Index[AS]*": _STATE,
        "*Indexes.*.ItemCount": _STATE,
        "*Indexes.*.WarmThroughput": _STATE,
        "LatestStream*": _DRAWN,
        "RestoreSummary": "where it came from; that it is one that was restored shows in its name",
        "ArchivalSummary": _STATE,
        "recovery.*RestorableDateTime": _STATE,
    },
    "key": {
        "AWSAccountId": "the account",
        "KeyId": _DRAWN,
        "Arn": _DRAWN,
        "CreationDate": _A_TIME,
        "CurrentKeyMaterialId": _DRAWN,
        "DeletionDate": _A_TIME,
    },
    "machine": {
        "stateMachineArn": _FOLLOWS,
        "creationDate": _A_TIME,
        "status": _STATE,
        "revisionId": _DRAWN,
        "label": _DRAWN,
    },
    "topic": {
        "TopicArn": _FOLLOWS,
        "Owner": "the account",
        "Subscriptions*": _STATE,
        "EffectiveDeliveryPolicy": _FOLLOWS,
    },
    "queue": {
        "QueueArn": _FOLLOWS,
        "CreatedTimestamp": _A_TIME,
        "LastModifiedTimestamp": _A_TIME,
        "ApproximateNumberOf*": _STATE,
    },
    "logs": {
        "arn": _FOLLOWS,
        "logGroupArn": _FOLLOWS,
        "creationTime": _A_TIME,
        "storedBytes": _STATE,
        "metricFilterCount": _FOLLOWS,
    },
    "bucket": {},
    "stack": {},
}
"""Kind of part (`*`: every kind) to what is left out of it, as a path, and why."""

ORDERED = ("definition", "Layers", "Variables")
"""Where the order of a list says something. Everywhere else it is AWS's whim, and a list is compared as a set."""

PLAIN_VARIABLES = frozenset(
    {
        "CLIENTS", "CLIENTS_TOPIC", "CLIENT_DOCUMENTS", "DECLARED", "DELIVERY", "DEPLOYMENT_MACHINE", "DRILL_SIGNING_KEY",
        "ENVIRONMENT", "EVENT_BUS", "LEAST_EPOCH",
        "EVIDENCE_BUCKET", "ISSUER", "KEYS_TABLE", "KEY_ROTATION_DAYS", "LEDGER_TABLE", "LOG_LEVEL", "OPERATORS_TOPIC",
        "PLATFORMS", "POWERTOOLS_SERVICE_NAME", "RECOVERY", "REGISTRATION", "RELEASE", "ROLLBACK_MACHINE",
        "SELF_DESCRIBED_CLIENT_SCOPES", "SERVICE", "SESSION_KEY_ID", "SIGNING_KEY_ID", "SOURCE_BURST_REQUESTS",
        "SOURCE_REQUESTS_PER_SECOND", "STATE_TABLE", "SYNTHETIC_KEY_ID", "TOKENS_TABLE", "WITNESS_KEY",
    }
)  # fmt: skip
"""Environment variables that may be read by anybody who reads a bundle. Every other one is put as a digest."""

_SECRET = re.compile(r"secret|password|credential|private|sha256$", re.IGNORECASE)
"""Names of members, inside a variable that is JSON, whose values are put as digests."""

_VERSION = re.compile(r"(:function:(?P<name>[A-Za-z0-9-_]+)):(?P<number>[0-9]+)\b")


@dataclass(frozen=True)
class Identities:
    """What is put in the place of text that another building of the environment has otherwise.

    Attributes:
        account: the account's number.
        region: where.
        names: an id that AWS drew to what it is the id of, such as ``{"4a2e8b23-…": "key ib-oauth-synthetic-prod"}``.
        versions: (function name, version number) to the digest of its code.
    """

    account: str
    region: str
    names: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def told(self, text: str) -> str:
        """Return a text with every drawn id as a name."""
        text = _VERSION.sub(self._version, text)
        for drawn, name in self.names.items():
            text = text.replace(drawn, f"<{name}>")
        return text.replace(self.account, "<account>").replace(self.region, "<region>")

    def _version(self, found: re.Match[str]) -> str:
        code = self.versions.get((found["name"], found["number"]))
        return f"{found[1]}:<code {code}>" if code else found[0]


@dataclass(frozen=True)
class Part:
    """One thing of an environment: a function, a role, a table … in its one form."""

    kind: str
    name: str
    facts: Mapping[str, Json]


def canonical(value: object) -> bytes:
    """Write JSON in its one form."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def normalised(kind: str, name: str, facts: Mapping[str, Any], identities: Identities) -> Part:
    """Bring a part, as AWS tells it, into its one form.

    Raises:
        KeyError: nobody said what is left out of this kind.
    """
    left_out = (*NOT_COMPARED["*"], *NOT_COMPARED[kind])
    told = _told(facts, (), left_out, identities)
    assert isinstance(told, dict)
    return Part(kind, identities.told(name), told)


def read_variables(variables: Mapping[str, str]) -> Mapping[str, Json]:
    """Return a function's environment variables as they may stand in a bundle: JSON opened, secrets as digests."""
    return {
        name: _opened(value) if name in PLAIN_VARIABLES else veiled(name, value) for name, value in variables.items()
    }


def veiled(name: str, value: object) -> str:
    """Put a value that may be secret as a digest, which says whether it is the same and nothing else."""
    return f"sha256:{hashlib.sha256(canonical([name, value])).hexdigest()}"


def _opened(text: str) -> Json:
    if not text.startswith(("{", "[")):
        return text
    try:
        return _without_secrets(json.loads(text))
    except ValueError:
        return text


def _without_secrets(value: Any) -> Json:
    if isinstance(value, dict):
        return {
            key: veiled(key, inner)
            if _SECRET.search(key) and not isinstance(inner, dict | list)
            else _without_secrets(inner)
            for key, inner in value.items()
        }
    return [_without_secrets(inner) for inner in value] if isinstance(value, list) else value


def _told(value: Any, path: tuple[str, ...], left_out: Sequence[str], identities: Identities) -> Any:
    if isinstance(value, Mapping):
        kept = ((str(key), inner) for key, inner in value.items())
        return {
            identities.told(key): _told(inner, (*path, key), left_out, identities)
            for key, inner in kept
            if not any(_matches((*path, key), pattern) for pattern in left_out)
        }
    if isinstance(value, list | tuple):
        told = [_told(inner, (*path, "*"), left_out, identities) for inner in value]
        return told if set(path) & set(ORDERED) else sorted(told, key=canonical)
    return identities.told(value) if isinstance(value, str) else value


def _matches(path: tuple[str, ...], pattern: str) -> bool:
    steps = pattern.split(".")
    if steps[0] == "**":
        steps, path = steps[1:], path[1 - len(steps) :]
    return len(path) == len(steps) and all(map(fnmatchcase, path, steps))
