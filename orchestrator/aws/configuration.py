"""Configuration bundles: taken from what is there, kept in the evidence bucket, listed in the ledger."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.aws.clients import code_of, narrowed
from orchestrator.aws.configuration_readers import READERS, Clients, Names, Raw, keys_by_alias
from orchestrator.domain.configuration import Bundle, bundle_of
from orchestrator.domain.normal_form import Identities, canonical, normalised

_VERSION = re.compile(r":function:([A-Za-z0-9-_]+):([0-9]+)\b")
READERS_AT_ONCE = 6
"""Each is another service, with a request limit of its own."""


def read_configuration(clients: Clients, names: Names, *, account: str, region: str, now: datetime, why: str) -> Bundle:
    """Read what an environment is, as it is now.

    Raises:
        Throttled: a request limit was met.
        Unreachable: a service did not answer.
    """
    with ThreadPoolExecutor(READERS_AT_ONCE) as threads:
        reading = {kind: threads.submit(_all, reader(clients, names)) for kind, reader in READERS.items()}
        raw = {kind: found.result() for kind, found in reading.items()}
    identities = Identities(account, region, _drawn(clients, names, raw), _versions(clients, raw))
    parts = [normalised(kind, name, _plain(facts), identities) for kind, found in raw.items() for name, facts in found]
    return bundle_of(names.environment, identities, now, why, parts)


def _all(found: Iterable[Raw]) -> list[Raw]:
    return list(found)


def _drawn(clients: Clients, names: Names, raw: Mapping[str, Sequence[Raw]]) -> Mapping[str, str]:
    """Name every id that AWS drew and that stands in the configuration of something else."""
    ids = {facts["id"]: f"api {name}" for name, facts in raw["api"]}
    ids |= {key_id: f"key {name}" for name, key_id in keys_by_alias(clients, names)}
    made_up = [name for name, _ in raw["role"] if names.without_tail(name) != name]
    return {**ids, **{name: names.without_tail(name) for name in made_up}}


def _versions(clients: Clients, raw: Mapping[str, Sequence[Raw]]) -> Mapping[tuple[str, str], str]:
    """Find the code of every published version that something names: its number says only how often there was another."""
    named = {
        found
        for kind in raw.values()
        for _, facts in kind
        for found in _VERSION.findall(canonical(_plain(facts)).decode())
    }
    client, found = clients("lambda"), {}
    for function, number in sorted(named):
        try:
            with narrowed():
                answer = client.get_function_configuration(FunctionName=function, Qualifier=number)
        except ClientError as error:
            if code_of(error) != "ResourceNotFoundException":
                raise
            continue  # its number stays: whoever names a version that is gone has a difference to show
        found[function, number] = str(answer["CodeSha256"])
    return found


def _plain(value: Any) -> Any:
    """Return an answer of botocore's as JSON has it."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value.isoformat() if isinstance(value, datetime) else value
