"""Take a configuration snapshot of an environment from its deployed resources."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.aws.clients import error_code, translate_errors
from orchestrator.aws.configuration.readers import READERS, Clients, Names, Raw, keys_by_alias
from orchestrator.domain.configuration.normalization import Identities, canonical_json, normalize_part
from orchestrator.domain.configuration.snapshot import ConfigurationSnapshot, snapshot_of

_VERSION = re.compile(r":function:([A-Za-z0-9-_]+):([0-9]+)\b")
READERS_AT_ONCE = 6
"""Each reads another service, with a request limit of its own."""


def read_configuration(
    clients: Clients, names: Names, *, account: str, region: str, now: datetime, why: str
) -> ConfigurationSnapshot:
    """Read the configuration of an environment as it is now.

    Args:
        clients: botocore client by service.
        names: of the environment's resources.
        account: the account's id.
        region: the region.
        now: the time of the snapshot.
        why: the reason for it.

    Raises:
        Throttled: a request limit was reached.
        Unreachable: a service did not answer.
    """
    with ThreadPoolExecutor(READERS_AT_ONCE) as threads:
        readings = {kind: threads.submit(_all, reader(clients, names)) for kind, reader in READERS.items()}
        raw = {kind: reading.result() for kind, reading in readings.items()}
    identities = Identities(account, region, _generated_ids(clients, names, raw), _versions(clients, raw))
    parts = [
        normalize_part(kind, name, _plain(facts), identities)
        for kind, resources in raw.items()
        for name, facts in resources
    ]
    return snapshot_of(names.environment, identities, now, why, parts)


def _all(resources: Iterable[Raw]) -> list[Raw]:
    return list(resources)


def _generated_ids(clients: Clients, names: Names, raw: Mapping[str, Sequence[Raw]]) -> Mapping[str, str]:
    """Return a name for every id that AWS generated and that the configuration of another resource contains."""
    ids = {facts["id"]: f"api {name}" for name, facts in raw["api"]}
    ids |= {key_id: f"key {name}" for name, key_id in keys_by_alias(clients, names)}
    generated = [name for name, _ in raw["role"] if names.without_generated_id(name) != name]
    return {**ids, **{name: names.without_generated_id(name) for name in generated}}


def _versions(clients: Clients, raw: Mapping[str, Sequence[Raw]]) -> Mapping[tuple[str, str], str]:
    """Return the code digest of every published version that a resource names: a number says nothing about the code."""
    named = {
        version
        for kind in raw.values()
        for _, facts in kind
        for version in _VERSION.findall(canonical_json(_plain(facts)).decode())
    }
    client, digests = clients("lambda"), {}
    for function, number in sorted(named):
        try:
            with translate_errors():
                response = client.get_function_configuration(FunctionName=function, Qualifier=number)
        except ClientError as error:
            if error_code(error) != "ResourceNotFoundException":
                raise
            continue  # its number stays, so a resource that names a deleted version shows a difference
        digests[function, number] = str(response["CodeSha256"])
    return digests


def _plain(value: Any) -> Any:
    """Return a response of botocore in the types of JSON."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value.isoformat() if isinstance(value, datetime) else value
