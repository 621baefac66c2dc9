"""Managed clients in a failover: the records that the standby region has, and what they change in restored tables. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from orchestrator.domain.clients.client import Action, Change, ManagedClient, Status, disable

_NAMED = 3
"""So many clients are named in a reason; of others only the number is reported."""


@dataclass(frozen=True)
class ClientCopies:
    """The records of managed clients in the ledgers of both regions.

    Attributes:
        at_home: those of the home region; empty if they could not be read.
        copies: those of the standby region.
        unread: why one of both could not be read; empty if both were.
    """

    at_home: tuple[ManagedClient, ...] = ()
    copies: tuple[ManagedClient, ...] = ()
    unread: str = ""


@dataclass(frozen=True)
class ClientItem:
    """What decides in a tokens table who may use a client.

    Attributes:
        revision: of the record that the item was written from; 0 without one.
        disabled: whether the service refuses the client.
        secrets: hex SHA-256 of its secret and of the one before it, each None without one.
    """

    revision: int
    disabled: bool = False
    secrets: tuple[str | None, str | None] = (None, None)

    def differs_in_access(self, record: ManagedClient) -> bool:
        """Return whether a record that enables the client accepts what the item refuses, or another secret."""
        return self.disabled or self.secrets != (record.secret_sha256, record.earlier_secret_sha256)


@dataclass(frozen=True)
class AppliedClients:
    """What a failover found when it brought the clients of its tokens table into the state of the ledger's records.

    Attributes:
        known: how many records there are. A client without a record stays as the table has it.
        changed: ids of those whose items had another state.
        newer: ids of those whose items are newer than a record that enables them, and differ in nothing that decides who may
            use the client; they stay as they are.
        brought: on the way back, ids of those whose records were first brought into the home region's ledger.
        kept: on the way back, ids of those that the home region's ledger disables or has removed, and the other one has not:
            they stay so until a person decides.
        created: ids of those that had a record and no item.
        disabled: ids of those whose newer items are disabled or have another secret than a record that enables them. The
            record now disables them, until a person decides.
    """

    known: int = 0
    changed: tuple[str, ...] = ()
    newer: tuple[str, ...] = ()
    brought: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    created: tuple[str, ...] = ()
    disabled: tuple[str, ...] = ()

    def with_earlier(self, earlier: AppliedClients | None) -> AppliedClients:
        """Return it with what an attempt before it had found, which may have changed everything already."""
        if earlier is None:
            return self
        return AppliedClients(
            self.known,
            _union(earlier.changed, self.changed),
            self.newer,
            _union(earlier.brought, self.brought),
            _union(earlier.kept, self.kept),
            _union(earlier.created, self.created),
            _union(earlier.disabled, self.disabled),
        )

    @property
    def description(self) -> str:
        """What was changed, in words."""
        words = [f"{self.known} managed clients are as the ledger has them, changed: {_listed(self.changed)}"]
        if self.created:
            words.append(f"created from a record alone: {_listed(self.created)}")
        if self.disabled:
            words.append(
                "disabled, because their newer items were disabled or had another secret than the ledger's record:"
                f" {_listed(self.disabled)}"
            )
        if self.newer:
            words.append(f"newer than the ledger's record, and left as they are: {_listed(self.newer)}")
        if self.brought:
            words.append(f"records brought from the other ledger: {_listed(self.brought)}")
        if self.kept:
            words.append(f"disabled or removed here, and not in the other ledger, and left so: {_listed(self.kept)}")
        return "; ".join(words)


@dataclass(frozen=True)
class ComingRecords:
    """What a ledger gets from the one of the region that is left.

    Attributes:
        records: that are written.
        kept: ids of those that stay disabled or removed, against the record of the other ledger.
    """

    records: tuple[ManagedClient, ...]
    kept: tuple[str, ...]


def compare_items(records: Sequence[ManagedClient], items: Sequence[ClientItem | None]) -> AppliedClients:
    """Return what applying the records to a tokens table changes.

    Args:
        records: of the ledger.
        items: of the client in the table, for each record; None without an item.
    """
    found: dict[str, list[str]] = {"changed": [], "newer": [], "created": [], "disabled": []}
    for record, item in zip(records, items, strict=True):
        difference = _difference_of(record, item)
        if difference:
            found[difference].append(record.client_id)
    return AppliedClients(len(records), **{name: tuple(ids) for name, ids in found.items()})


def _difference_of(record: ManagedClient, item: ClientItem | None) -> str:
    """Return the field of `AppliedClients` for a client; empty if its item is as recorded."""
    if item is None:
        return "" if record.removed else "created"
    if item.revision == record.revision and not record.removed:
        return ""
    if item.revision < record.revision or record.status is not Status.ENABLED:
        return "changed"
    return "disabled" if item.differs_in_access(record) else "newer"


def disabled_records(
    records: Iterable[ManagedClient], items: Iterable[ClientItem | None], change: Change
) -> Mapping[str, ManagedClient]:
    """Return by their ids the records that disable the clients of `AppliedClients.disabled`, above the items' revisions.

    The item has a change that did not come here, or was written by hand, and either may have been made because the client
    is attacked. With the record below it, the next command would undo it without a word.

    Args:
        records: of the ledger.
        items: of the client in the table, for each record.
        change: by which the clients are disabled.
    """
    return {
        record.client_id: disable(replace(record, revision=item.revision), change)
        for record, item in zip(records, items, strict=True)
        if item is not None and _difference_of(record, item) == "disabled"
    }


def replaced_revision(record: ManagedClient, item: ClientItem | None) -> int:
    """Return the newer revision of an item that its record replaces; 0 for none.

    An item that is newer than its record has a change that did not come here, or was written by hand. A record that disables
    or removes the client replaces it: the client is refused until a person has decided.
    """
    return 0 if item is None or record.status is Status.ENABLED else item.revision


def records_to_copy(records: Iterable[ManagedClient], there: Iterable[ManagedClient]) -> tuple[ManagedClient, ...]:
    """Return the records that the other ledger does not have, or has otherwise."""
    found = {client.client_id: client for client in there}
    return tuple(client for client in records if found.get(client.client_id) != client)


def records_to_bring(coming: Iterable[ManagedClient], here: Iterable[ManagedClient]) -> ComingRecords:
    """Return what the ledger of a region that takes over again gets from the one that is left.

    The records that come replace those that are here: the tables in use are theirs. But a change that disabled or removed
    a client here may never have reached the other region, so it stays.

    Args:
        coming: records of the region that is left.
        here: records of the region that takes over. Those of clients that only it has stay.
    """
    found = {client.client_id: client for client in here}
    differing = records_to_copy(coming, found.values())
    kept = {client.client_id for client in differing if _stays(found.get(client.client_id), client)}
    records = [
        _refused_still(found[client.client_id], client) if client.client_id in kept else client for client in differing
    ]
    written = tuple(client for client in records if client != found.get(client.client_id))
    return ComingRecords(written, tuple(client.client_id for client in differing if client.client_id in kept))


def _stays(here: ManagedClient | None, coming: ManagedClient) -> bool:
    """Return whether a record stays although another one comes: it refuses the client, which the other does not."""
    if here is None or here.status is Status.ENABLED or coming.removed:
        return False
    if here.removed:
        return True
    # Only an operator who saw the client disabled can have enabled it.
    enabled_since = coming.action is Action.ENABLE and coming.changed.at > here.changed.at
    return coming.status is Status.ENABLED and not enabled_since


def _refused_still(here: ManagedClient, coming: ManagedClient) -> ManagedClient:
    """Return the record that refuses a client, with a revision above the one that comes."""
    if here.revision > coming.revision:
        return here
    if here.removed:
        return replace(here, revision=coming.revision + 1)
    # The other region's newer secrets and contacts come all the same.
    return replace(
        coming,
        revision=coming.revision + 1,
        disabled_at=here.disabled_at,
        action=here.action,
        changed=here.changed,
    )


def clients_problem(copies: ClientCopies, home: str, region: str) -> str:
    """Return which clients a failover would bring into an older state; empty for none.

    Args:
        copies: the records of both regions.
        home: the region whose records are the truth.
        region: the standby region.
    """
    if copies.unread:
        return f"the records of managed clients could not be compared: {copies.unread}"
    there = {client.client_id: client for client in copies.copies}
    differing = [
        _difference(client, there.get(client.client_id)) for client in records_to_copy(copies.at_home, copies.copies)
    ]
    at_home = {client.client_id for client in copies.at_home}
    # One that was removed adds no client.
    only_there = [
        client.client_id for client in copies.copies if client.client_id not in at_home and not client.removed
    ]
    problems = []
    if differing:
        problems.append(
            f"managed clients of which {region} has not the record of {home}: {_first(differing)}:"
            " `orchestrator clients reapply` brings them over"
        )
    if only_there:
        problems.append(
            f"managed clients recorded only in {region}, which a failover would create: {_first(only_there)}: find out"
            " who wrote them (docs/runbooks/region-failover.md#clients-that-only-the-standby-region-has)"
        )
    return "; ".join(problems)


def _first(named: Sequence[str]) -> str:
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return f"{', '.join(named[:_NAMED])}{more}"


def _difference(client: ManagedClient, there: ManagedClient | None) -> str:
    copy = "no record" if there is None else f"revision {there.revision}"
    return f"{client.client_id} ({client.status}, revision {client.revision}; there {copy})"


def _union(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *second)))


def _listed(ids: tuple[str, ...]) -> str:
    return ", ".join(ids) or "none"
