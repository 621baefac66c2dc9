"""What the standby region's ledger recorded, and what of it is copied into the home region's ledger. Pure.

A copy has the partition key `copied_key`, such as ``copied#us-east-2#deployment#d-1``: the home region's own records
keep their keys. So no decision of the home region reads a record whose versions are another region's, no two numbers
meet, and each hash chain stays whole. A copy of a whole ledger is registered under `REGISTERED` when it is complete.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from orchestrator.domain.deployment.record import DeploymentPhase
from orchestrator.domain.untrusted_json import decode_untrusted

COPIED: Final = "copied#"
"""What the partition keys of copies begin with."""

REGISTERED: Final = "copied-ledgers"
"""The partition key of the register: an item for each region whose ledger was copied, as `LedgerCopy`."""

Item = Mapping[str, Mapping[str, Any]]
"""In DynamoDB's notation, with the key ``pk`` and ``sk``."""


class Placement(StrEnum):
    """What happens to the items of a kind."""

    ENTRY = "ENTRY"  # copied; it is written once, so a copy with another content is reported, and left as it is
    RECORD = "RECORD"  # copied; a later content replaces the copied one, until the record has ended
    LIST = "LIST"  # copied as ENTRY, after everything else: a record is listed once it is there
    STAYS = "STAYS"  # not copied


@dataclass(frozen=True)
class LedgerKind:
    """One kind of item.

    Attributes:
        name: in the plural, as it is printed.
        pk: the partition key, or what it begins with, followed by ``*``.
        sk: the sort key, in the same way.
        placement: what happens to its items.
        why: why they are not copied; empty for those that are.
        after_end: fields of the record that may still change after its end. The first of them always does then.
    """

    name: str
    pk: str
    sk: str
    placement: Placement
    why: str = ""
    after_end: tuple[str, ...] = ()

    @property
    def is_partition_of_record(self) -> bool:
        """Whether a partition has the items of one record, whose order counts; otherwise it is a list of many."""
        return self.pk.endswith("*")

    def has(self, pk: str, sk: str) -> bool:
        """Return whether an item with this key is of this kind."""
        return _matches(self.pk, pk) and _matches(self.sk, sk)


_SECRET = "it is valid once, in its own region"  # noqa: S105 - a reason, no secret
_STATE = "it is state of its region, and no history"
_EXPIRES = "it expires with its recovery, and serves no later reader"
_EVIDENCE = "the chain is verified where its files and its key are: in its own region"

_BY_ROLLBACK = (
    "rollback",
    "phase",
    "outcome",
    "reason",
    "ended_at",
    "fencing_token",
    "functions",
    "revisions",
    "cutover",
)
"""What a rollback changes of a deployment that has ended."""

LEDGER_KINDS: Final = (
    LedgerKind("deployments", "deployment#*", "record", Placement.RECORD, after_end=_BY_ROLLBACK),
    LedgerKind("refused deployments", "deployment#*", "refused", Placement.ENTRY),
    LedgerKind("decisions", "deployment#*", "decision#*", Placement.ENTRY),
    LedgerKind("rollback triggers", "deployment#*", "trigger#*", Placement.ENTRY),
    LedgerKind("operator commands", "deployment#*", "command", Placement.RECORD),
    LedgerKind("approvals of gates", "deployment#*", "approval#*", Placement.ENTRY),
    LedgerKind("rollback targets", "deployment#*", "targets", Placement.RECORD),
    LedgerKind("pauses", "deployment#*", "pause", Placement.STAYS, _SECRET),
    LedgerKind("questions to hooks", "deployment#*", "hook#*", Placement.STAYS, _SECRET),
    LedgerKind("events", "events", "*", Placement.ENTRY),
    LedgerKind("rollbacks", "incidents", "*", Placement.RECORD),
    LedgerKind("recoveries", "recovery#*", "record", Placement.RECORD, after_end=("cleaned_at",)),
    LedgerKind("refused recoveries", "recovery#*", "refused", Placement.ENTRY),
    LedgerKind("entries of incidents", "incident#*", "entry#*", Placement.ENTRY),
    LedgerKind("failovers", "failover#*", "record", Placement.RECORD, after_end=("reopened_at",)),
    LedgerKind("approvals of failovers", "failover-approvals#*", "*", Placement.ENTRY),
    LedgerKind("status overrides", "status-override-log", "*", Placement.ENTRY),
    LedgerKind("list of deployments", "history", "*", Placement.LIST),
    LedgerKind("list of recoveries", "recoveries", "*", Placement.LIST),
    LedgerKind("list of incidents", "incident-list", "*", Placement.LIST),
    LedgerKind("list of failovers", "failovers", "*", Placement.LIST),
    LedgerKind("locks", "lock", "lock", Placement.STAYS, _STATE),
    LedgerKind("locks of drills", "lock#drill", "lock", Placement.STAYS, _STATE),
    LedgerKind("freezes", "freeze", "freeze", Placement.STAYS, f"{_STATE}: `events` has its changes"),
    LedgerKind(
        "releases rolled back",
        "releases",
        "*",
        Placement.STAYS,
        "a digest has the settings of its region: none is equal",
    ),
    LedgerKind("incident registers", "incident-register", "register", Placement.STAYS, _STATE),
    LedgerKind("registers of findings", "findings", "register", Placement.STAYS, _STATE),
    LedgerKind("status pages", "status-page", "record", Placement.STAYS, _STATE),
    LedgerKind("newest status overrides", "status-override", "*", Placement.STAYS, f"{_STATE}: the log has it"),
    LedgerKind("maintenance schedules", "maintenance-schedule", "schedule", Placement.STAYS, _STATE),
    LedgerKind("maintenance windows", "maintenance", "*", Placement.STAYS, f"{_STATE}: `events` has its changes"),
    LedgerKind("managed clients", "clients", "*", Placement.STAYS, "TAKE_OVER has brought them home already"),
    LedgerKind("issuing assignments", "issuing-assignment", "assignment", Placement.STAYS, _STATE),
    LedgerKind("releases of the home region", "home-releases", "record", Placement.STAYS, _STATE),
    LedgerKind("task tokens of failovers", "failover#*", "token", Placement.STAYS, _SECRET),
    LedgerKind(
        "deliveries", "notification#*", "*", Placement.STAYS, "it expires, and keeps a message from going twice"
    ),
    LedgerKind("evidence", "evidence", "*", Placement.STAYS, _EVIDENCE),
    LedgerKind("configuration snapshots", "configurations", "*", Placement.STAYS, "the files stay in their own bucket"),
    LedgerKind("comparisons", "recovery#*", "comparison", Placement.STAYS, _EXPIRES),
    LedgerKind("segment digests", "recovery#*", "segment#*", Placement.STAYS, _EXPIRES),
    LedgerKind("seeded grants", "recovery#*", "seeded-grants", Placement.STAYS, _SECRET),
    LedgerKind("standing grants", "standing-grants", "*", Placement.STAYS, _SECRET),
    LedgerKind("copies", f"{COPIED}*", "*", Placement.STAYS, "its own region has the original"),
    LedgerKind("registered copies", REGISTERED, "*", Placement.STAYS, _STATE),
)
"""Every kind of item that the ledger holds. `tests/unit/aws/ledger/test_ledger_kinds.py` fails for one that is missing."""


class Comparison(StrEnum):
    """An item of the standby region's ledger, compared with its copy."""

    NEW = "NEW"  # there is no copy
    CHANGED = "CHANGED"  # a record that was written again since it was copied
    SAME = "SAME"
    DIFFERS = "DIFFERS"  # what is written once, or has ended, has two contents: one of them was altered


@dataclass(frozen=True)
class LedgerCopy:
    """That a ledger was copied as a whole.

    Attributes:
        region: whose ledger it is.
        copied_at: when it was copied last.
        items: how many items were there then.
    """

    region: str
    copied_at: datetime
    items: int


@dataclass(frozen=True)
class KindCount:
    """How many items of a kind are new, changed since they were copied, already there, and there with another content."""

    kind: str
    new: int = 0
    changed: int = 0
    same: int = 0
    differ: int = 0


@dataclass(frozen=True)
class HistoryReport:
    """The result of a copy, or what it would be.

    Attributes:
        region: whose ledger is copied.
        copied: False if it only shows what would be copied.
        counts: of the kinds that have items, in the order of `LEDGER_KINDS`.
        updated: keys of records that were written again since they were copied, in alphabetical order.
        differing: keys of items whose copies differ, in alphabetical order.
        unknown: keys of items of no kind of `LEDGER_KINDS`, in alphabetical order: not copied.
    """

    region: str
    copied: bool
    counts: tuple[KindCount, ...]
    updated: tuple[str, ...] = ()
    differing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def new(self) -> int:
        """How many items had no copy."""
        return sum(count.new for count in self.counts)

    @property
    def description(self) -> str:
        """The result in words."""
        same, verb = sum(count.same for count in self.counts), "were" if self.copied else "would be"
        copied = f"{self.new} records of {self.region} {verb} copied, {len(self.updated)} updated"
        text = f"{copied}, {same} are there already"
        return f"{text}, {len(self.differing)} differ" if self.differing else text


def kind_of_item(pk: str, sk: str) -> LedgerKind | None:
    """Return the kind of an item by its key; None if the table has none."""
    return next((kind for kind in LEDGER_KINDS if kind.has(pk, sk)), None)


def copied_key(region: str, pk: str) -> str:
    """Return the partition key of the copy of an item of a region's ledger."""
    return f"{COPIED}{region}#{pk}"


def copy_of(item: Item, region: str) -> Item:
    """Return the copy of an item: all its attributes, under the copy's key."""
    return {**item, "pk": {"S": copied_key(region, item["pk"]["S"])}}


def compare_item(kind: LedgerKind, wanted: Item, found: Item | None) -> Comparison:
    """Compare the copy that is wanted with the one that is there; None if there is none."""
    if found is None:
        return Comparison.NEW
    if found == wanted:
        return Comparison.SAME
    if kind.placement is Placement.RECORD and _may_change(kind, found, wanted):
        return Comparison.CHANGED
    return Comparison.DIFFERS


def report_history(
    region: str,
    compared: Iterable[tuple[LedgerKind, str, Comparison]],
    unknown: Iterable[str] = (),
    *,
    copied: bool,
) -> HistoryReport:
    """Return the result of a copy.

    Args:
        region: whose ledger it is.
        compared: kind, key and comparison of each item that is copied.
        unknown: keys of items of no kind.
        copied: False if nothing was written.
    """
    found = list(compared)
    tally = {kind: dict.fromkeys(Comparison, 0) for kind in LEDGER_KINDS}
    for kind, _, comparison in found:
        tally[kind][comparison] += 1
    counts = tuple(
        KindCount(
            kind.name,
            count[Comparison.NEW],
            count[Comparison.CHANGED],
            count[Comparison.SAME],
            count[Comparison.DIFFERS],
        )
        for kind, count in tally.items()
        if any(count.values())
    )
    updated, differing = (
        tuple(sorted(key for _, key, comparison in found if comparison is wanted))
        for wanted in (Comparison.CHANGED, Comparison.DIFFERS)
    )
    return HistoryReport(region, copied, counts, updated, differing, tuple(sorted(unknown)))


def _may_change(kind: LedgerKind, before: Item, after: Item) -> bool:
    """Return whether a record may have another content than its copy: it had not ended, or ended records do so."""
    try:
        was, now = (decode_untrusted(item["body"]["S"]) for item in (before, after))
    except ValueError:
        return False
    if not isinstance(was, dict) or not isinstance(now, dict):
        return False
    if not was.get("ended_at") or was.get("phase") == DeploymentPhase.ROLLING_BACK:
        return True
    changed = {name for name in was | now if was.get(name) != now.get(name)}
    return bool(kind.after_end) and kind.after_end[0] in changed and changed <= set(kind.after_end)


def _matches(pattern: str, key: str) -> bool:
    return key.startswith(pattern[:-1]) if pattern.endswith("*") else key == pattern
