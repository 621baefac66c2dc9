"""Verify an evidence chain where it is kept: the ledger, the bucket, and the second place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from orchestrator.aws.ledger.artifacts import ArtifactStore
from orchestrator.aws.ledger.evidence_heads import EvidenceHeads
from orchestrator.domain.evidence.chain import (
    ChainEntry,
    ChainFault,
    EvidenceFile,
    entry_file,
    readable_entries,
    verify_chain,
)
from orchestrator.domain.evidence.ledger_items import (
    LedgerItem,
    entries_of,
    head_of,
    item_faults,
    newest_successes,
    record_faults,
)
from orchestrator.domain.evidence.signatures import PublishedKeys, second_place_faults, signature_faults

ENTRIES_PREFIX = "evidence/links/"


def entry_key(entry: ChainEntry) -> str:
    """Return the key of an entry's file in the evidence bucket."""
    return f"{ENTRIES_PREFIX}{entry.number:06}-{entry.recovery}.json"


def verify_stored_chain(
    stored: Sequence[Mapping[str, Any]],
    artifacts: ArtifactStore,
    heads: EvidenceHeads | None,
    keys: PublishedKeys,
    read_outcomes: Callable[[Iterable[ChainEntry]], Mapping[str, str | None]],
) -> tuple[ChainFault, ...]:
    """Verify the chain, its signatures, its three copies, and the outcomes of the ledger's records; return every fault.

    The bucket and the ledger are compared in either direction. So the deletion of entries from the ledger is found,
    because the bucket still has their files, whatever the head says. If they are gone there, too, the second place
    still has their heads.

    Args:
        stored: the ledger's items of the evidence, as DynamoDB returns them.
        artifacts: the bucket.
        heads: the second place; None if there is none.
        keys: the environment's public keys.
        read_outcomes: reads what `record_faults` compares with the entries.
    """
    items = [LedgerItem(item["sk"]["S"], _attributes(item)) for item in stored]
    entries = entries_of(items)

    def read_file(file: EvidenceFile) -> bytes | None:
        return artifacts.find_file(file.key)

    faults = [*verify_chain(entries, read_file, head_of(items)), *signature_faults(entries, keys)]
    if heads:
        faults += second_place_faults(heads.read_versions(), entries, keys)
    readable = list(readable_entries(entries))
    faults += _bucket_faults(readable, artifacts)
    faults += item_faults(items, newest_successes(readable, read_file))
    return (*faults, *record_faults(readable, read_outcomes(readable)))


def _bucket_faults(entries: Sequence[ChainEntry], artifacts: ArtifactStore) -> Iterator[ChainFault]:
    named = {entry_key(entry): entry for entry in entries}
    for key, entry in named.items():
        kept = artifacts.find_file(key)
        if kept is None:
            yield ChainFault(f"entry {entry.number}", f"its file is missing: {key}")
        elif kept != entry_file(entry):
            yield ChainFault(f"entry {entry.number}", f"its file is not what the ledger holds: {key}")
    for key in artifacts.list_keys_of_versions(ENTRIES_PREFIX):
        if key not in named:
            yield ChainFault("the ledger", f"it lacks the entry of {key}, which the bucket holds")


def _attributes(item: Mapping[str, Any]) -> Mapping[str, str]:
    return {name: value.get("S", "") for name, value in item.items() if name not in {"pk", "sk"}}
