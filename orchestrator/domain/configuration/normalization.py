"""Canonical form of an environment's parts, in which two times, or two deployments of it, can be compared.

A reader returns each part as AWS describes it. `normalize_part` omits everything that is not configuration, each with
its reason (`NOT_COMPARED`), and replaces generated ids by names. `normalize_variables` replaces values that may be
secret by their digests. An environment that is rebuilt from the repository then has the same configuration as before.
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

_TIMESTAMP = "a time of creation or change, which is not configuration"
_GENERATED_ID = "AWS generates a new one for each resource"
_STATE = "current state, not configuration"
_DERIVED = "derived from something that is compared"

NOT_COMPARED: Mapping[str, Mapping[str, str]] = {
    "*": {"**.[Tt]ags.aws:*": "CloudFormation's own tags contain the generated id of the stack"},
    "function": {
        "LastModified": _TIMESTAMP,
        "RevisionId": _GENERATED_ID,
        "Version": "it is $LATEST",
        "CodeSize": _DERIVED,
        "FunctionArn": _DERIVED,
        "State*": _STATE,
        "LastUpdate*": _STATE,
        "RuntimeVersionConfig": "AWS patches the runtime by itself",
        "SnapStart.OptimizationStatus": _STATE,
        "aliases.*.RevisionId": _GENERATED_ID,
        "aliases.*.Description": "the owner tag of the last change, not its target",
        "policy.Statement.*.Sid": "CloudFormation generates a part of it",
        "policies.*.Statement.*.Sid": "CloudFormation generates a part of it",
    },
    "api": {
        "id": _GENERATED_ID,
        "rootResourceId": _GENERATED_ID,
        "createdDate": _TIMESTAMP,
        "apiStatus*": _STATE,
        "resources.*.id": _GENERATED_ID,
        "resources.*.parentId": _GENERATED_ID,
        "resources.*.pathPart": _DERIVED,
        "resources.*.path": _DERIVED,
        "resources.*.resourceMethods.*.methodIntegration.cacheNamespace": _GENERATED_ID,
        "stages.*.deploymentId": "every deployment of the API has another; what it deployed is the routes",
        "stages.*.createdDate": _TIMESTAMP,
        "stages.*.lastUpdatedDate": _TIMESTAMP,
    },
    "role": {"Arn": _DERIVED, "RoleId": _GENERATED_ID, "CreateDate": _TIMESTAMP, "RoleLastUsed": _STATE},
    "alarm": {
        "AlarmArn": _DERIVED,
        "AlarmConfigurationUpdatedTimestamp": _TIMESTAMP,
        "State*": _STATE,
        "EvaluationState": _STATE,
    },
    "rule": {"Arn": _DERIVED, "CreatedBy": "the account"},
    "bus": {"Arn": _DERIVED, "CreationTime": _TIMESTAMP, "LastModifiedTime": _TIMESTAMP},
    "schedule": {"Arn": _DERIVED, "CreationDate": _TIMESTAMP, "LastModificationDate": _TIMESTAMP},
    "table": {
        "TableArn": _DERIVED,
        "TableId": _GENERATED_ID,
        "CreationDateTime": _TIMESTAMP,
        "TableStatus": _STATE,
        "TableSizeBytes": _STATE,
        "ItemCount": _STATE,
        "WarmThroughput": "it grows with the traffic",
        "ProvisionedThroughput.*DateTime": _TIMESTAMP,
        "ProvisionedThroughput.NumberOfDecreasesToday": _STATE,
        "BillingModeSummary.LastUpdate*": _TIMESTAMP,
        "*IndexArn": _DERIVED,
        "*Indexes.*.Index[AS]*": _STATE,
        "*Indexes.*.ItemCount": _STATE,
        "*Indexes.*.WarmThroughput": _STATE,
        "LatestStream*": _GENERATED_ID,
        "RestoreSummary": "the origin of a restored table, whose name shows that it was restored",
        "ArchivalSummary": _STATE,
        "recovery.*RestorableDateTime": _STATE,
    },
    "key": {
        "AWSAccountId": "the account",
        "KeyId": _GENERATED_ID,
        "Arn": _GENERATED_ID,
        "CreationDate": _TIMESTAMP,
        "CurrentKeyMaterialId": _GENERATED_ID,
        "DeletionDate": _TIMESTAMP,
    },
    "machine": {
        "stateMachineArn": _DERIVED,
        "creationDate": _TIMESTAMP,
        "status": _STATE,
        "revisionId": _GENERATED_ID,
        "label": _GENERATED_ID,
    },
    "topic": {
        "TopicArn": _DERIVED,
        "Owner": "the account",
        "Subscriptions*": _STATE,
        "EffectiveDeliveryPolicy": _DERIVED,
    },
    "queue": {
        "QueueArn": _DERIVED,
        "CreatedTimestamp": _TIMESTAMP,
        "LastModifiedTimestamp": _TIMESTAMP,
        "ApproximateNumberOf*": _STATE,
    },
    "logs": {
        "arn": _DERIVED,
        "logGroupArn": _DERIVED,
        "creationTime": _TIMESTAMP,
        "storedBytes": _STATE,
        "metricFilterCount": _DERIVED,
    },
    "bucket": {},
    "stack": {},
}
"""Kind of part (`*`: every kind) to the paths that are omitted, each with its reason."""

ORDERED_LISTS = ("definition", "Layers", "Variables")
"""Paths with lists whose order matters. AWS returns all other lists in any order, so they are compared as sets."""

PLAIN_VARIABLES = frozenset(
    {
        "CLIENTS", "CLIENTS_TOPIC", "CLIENT_DOCUMENTS", "DEFAULT_TABLE_SETTINGS", "DELIVERY_POLICY",
        "DEPLOYMENT_MACHINE", "DRILL_SIGNING_KEY", "ENVIRONMENT", "EVENT_BUS", "LEAST_EPOCH",
        "EVIDENCE_BUCKET", "EVIDENCE_HEADS_BUCKET", "EVIDENCE_HEADS_REGION", "EVIDENCE_KEYS", "ISSUER", "ISSUING_LEASE", "KEYS_TABLE", "KEY_ROTATION_DAYS", "LEDGER_TABLE", "LOG_LEVEL",
        "MANAGED_CLIENTS", "OPERATORS_TOPIC",
        "PLATFORMS", "POWERTOOLS_SERVICE_NAME", "RECOVERY_POLICY", "REFRESH_GRACE_SECONDS", "REGISTRATION", "RELEASE",
        "ROLLBACK_MACHINE",
        "SELF_DESCRIBED_CLIENT_SCOPES", "SERVICE", "SESSION_KEY_ID", "SIGNING_KEY_ID", "SOURCE_BURST_REQUESTS",
        "SOURCE_REQUESTS_PER_SECOND", "STATE_TABLE", "SYNTHETIC_KEY_ID", "TOKENS_TABLE", "SEED_GRANTS_KEY",
    }
)  # fmt: skip
"""Environment variables that every reader of a snapshot may see. All others are replaced by digests."""

_SECRET = re.compile(r"secret|password|credential|private|sha256$", re.IGNORECASE)
"""Names of members, in variables with JSON, whose values are replaced by digests."""

_VERSION = re.compile(r"(:function:(?P<name>[A-Za-z0-9-_]+)):(?P<number>[0-9]+)\b")


@dataclass(frozen=True)
class Identities:
    """Replacements for text that differs between two deployments of the same environment.

    Attributes:
        account: account id.
        region: name of the region.
        names: generated id to the resource's name, such as ``{"4a2e8b23-…": "key ib-oauth-synthetic-prod"}``.
        versions: (function name, version number) to the digest of its code.
    """

    account: str
    region: str
    names: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def substitute_names(self, text: str) -> str:
        """Return a text with names instead of generated ids."""
        text = _VERSION.sub(self._version, text)
        for generated_id, name in self.names.items():
            text = text.replace(generated_id, f"<{name}>")
        return text.replace(self.account, "<account>").replace(self.region, "<region>")

    def _version(self, match: re.Match[str]) -> str:
        code = self.versions.get((match["name"], match["number"]))
        return f"{match[1]}:<code {code}>" if code else match[0]


@dataclass(frozen=True)
class Part:
    """One resource of an environment (a function, a role, a table …) in canonical form."""

    kind: str
    name: str
    facts: Mapping[str, Json]


def canonical_json(value: object) -> bytes:
    """Serialize JSON in canonical form."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def normalize_part(kind: str, name: str, facts: Mapping[str, Any], identities: Identities) -> Part:
    """Return a part in canonical form.

    Args:
        kind: its kind, a key of `NOT_COMPARED`.
        name: its name.
        facts: its description by AWS.
        identities: the replacements.

    Raises:
        KeyError: the kind is not in `NOT_COMPARED`.
    """
    left_out = (*NOT_COMPARED["*"], *NOT_COMPARED[kind])
    normalized = _normalize_value(facts, (), left_out, identities)
    assert isinstance(normalized, dict)
    return Part(kind, identities.substitute_names(name), normalized)


def normalize_variables(variables: Mapping[str, str]) -> Mapping[str, Json]:
    """Return a function's environment variables for a snapshot: JSON parsed, secrets as digests."""
    return {
        name: _parse_json_text(value) if name in PLAIN_VARIABLES else redact(name, value)
        for name, value in variables.items()
    }


def redact(name: str, value: object) -> str:
    """Return the digest of a value that may be secret. It only shows whether two values are equal."""
    return f"sha256:{hashlib.sha256(canonical_json([name, value])).hexdigest()}"


def _parse_json_text(text: str) -> Json:
    if not text.startswith(("{", "[")):
        return text
    try:
        document = json.loads(text)
    except ValueError:
        return text
    except RecursionError:
        return redact("", text)
    try:
        plain = _without_secrets(document)
        canonical_json(plain)
    except (ValueError, RecursionError):  # A snapshot cannot hold it, and its text may contain secrets.
        return redact("", text)
    return plain


def _without_secrets(value: Any) -> Json:
    if isinstance(value, dict):
        return {
            key: redact(key, inner)
            if _SECRET.search(key) and not isinstance(inner, dict | list)
            else _without_secrets(inner)
            for key, inner in value.items()
        }
    return [_without_secrets(inner) for inner in value] if isinstance(value, list) else value


def _normalize_value(value: Any, path: tuple[str, ...], left_out: Sequence[str], identities: Identities) -> Any:
    if isinstance(value, Mapping):
        members = ((str(key), inner) for key, inner in value.items())
        return {
            identities.substitute_names(key): _normalize_value(inner, (*path, key), left_out, identities)
            for key, inner in members
            if not any(_matches((*path, key), pattern) for pattern in left_out)
        }
    if isinstance(value, list | tuple):
        elements = [_normalize_value(inner, (*path, "*"), left_out, identities) for inner in value]
        return elements if set(path) & set(ORDERED_LISTS) else sorted(elements, key=canonical_json)
    return identities.substitute_names(value) if isinstance(value, str) else value


def _matches(path: tuple[str, ...], pattern: str) -> bool:
    steps = pattern.split(".")
    if steps[0] == "**":
        steps, path = steps[1:], path[1 - len(steps) :]
    return len(path) == len(steps) and all(map(fnmatchcase, path, steps))
