"""Copy what the standby region's ledger recorded into the home region's ledger. It may be repeated at any time.

A repetition finds what is there already, so a copy that stopped is continued by the next one. A record is listed only
once it is there as a whole, and the copy as a whole is registered last. The standby region may write meanwhile: the
lists are read first, so a record that is opened later is listed by the next copy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from orchestrator.application.cloud import for_each
from orchestrator.application.failover.back.regions import BothRegions
from orchestrator.aws.failover.ledger_copies import ItemKey, LedgerCopies, OriginalLedger, key_of
from orchestrator.domain.errors import Throttled, Unreachable
from orchestrator.domain.failover.back.history import (
    LEDGER_KINDS,
    Comparison,
    HistoryReport,
    Item,
    LedgerCopy,
    LedgerKind,
    Placement,
    compare_item,
    copy_of,
    kind_of_item,
    report_history,
)

LISTS = tuple(kind for kind in LEDGER_KINDS if kind.placement is Placement.LIST)
WITH_RECORDS = frozenset({Placement.ENTRY, Placement.RECORD})

Placed = tuple[LedgerKind, Item]
Compared = tuple[LedgerKind, str, Comparison]


def copy_history(regions: BothRegions, *, dry_run: bool = False) -> HistoryReport:
    """Copy the history of the standby region; return how much of which kind.

    Args:
        regions: both.
        dry_run: write nothing.

    Raises:
        Throttled, Unreachable: a region did not answer. What was copied stays; a repetition copies the rest.
    """
    home, standby, region = regions.home, regions.standby, regions.standby_region
    copies = LedgerCopies(home.clients("dynamodb"), home.settings["LEDGER_TABLE"], sleep=home.sleep)
    compared: list[Compared] = []
    unknown: list[str] = []
    original = OriginalLedger(standby.clients("dynamodb"), standby.settings["LEDGER_TABLE"])
    # The standby region may write meanwhile. A record that is listed by now is on one of the pages that are read below.
    with _names_region(region):
        lists = [(kind, item) for kind in LISTS for item in original.read_partition(kind.pk)]
    for page in _read_pages(original, region):
        items, others = _place(page)
        unknown += others
        with _names_region(regions.home_region):
            compared += _copy_items(items, region, copies, dry_run=dry_run)
    with _names_region(regions.home_region):
        compared += _copy_items(lists, region, copies, dry_run=dry_run)
        if not dry_run:
            copies.register(LedgerCopy(region, home.now(), len(compared)))
    return report_history(region, compared, unknown, copied=not dry_run)


def _read_pages(original: OriginalLedger, region: str) -> Iterator[Sequence[Item]]:
    with _names_region(region):
        yield from original.read_pages()


@contextmanager
def _names_region(region: str) -> Iterator[None]:
    """Have a failure name the region whose ledger did not answer, and the remedy."""
    again = "what was copied stays, and a repetition copies the rest: `orchestrator failover back history`"
    try:
        yield
    except Unreachable as error:
        raise Unreachable(f"the ledger of {region} did not answer: {error}; {again}") from error
    except Throttled as error:
        raise Throttled(f"the ledger of {region} was throttled: {error}; {again}") from error


def _place(page: Sequence[Item]) -> tuple[list[Placed], list[str]]:
    """Return the items that are copied with the records, with their kinds, and the keys of those of no kind."""
    kinds = [(kind_of_item(*key_of(item)), item) for item in page]
    placed = [(kind, item) for kind, item in kinds if kind and kind.placement in WITH_RECORDS]
    return placed, [_name(item) for kind, item in kinds if kind is None]


def _copy_items(items: Iterable[Placed], region: str, copies: LedgerCopies, *, dry_run: bool) -> list[Compared]:
    wanted = [(kind, _name(item), copy_of(item, region)) for kind, item in items]
    found = copies.find_items(key_of(copy) for _, _, copy in wanted)

    def copied(group: Sequence[tuple[LedgerKind, str, Item]]) -> list[Compared]:
        results = []
        for kind, name, copy in group:
            seen = found.get(key_of(copy))
            comparison = compare_item(kind, copy, seen)
            if comparison in {Comparison.NEW, Comparison.CHANGED} and not dry_run and not copies.put_copy(copy, seen):
                comparison = Comparison.SAME
            results.append((kind, name, comparison))
        return results

    groups: dict[ItemKey, list[tuple[LedgerKind, str, Item]]] = {}
    for one in wanted:
        pk, sk = key_of(one[2])
        # A chain is copied in its order: what a run that dies has copied of it is its beginning.
        groups.setdefault((pk, "" if one[0].is_partition_of_record else sk), []).append(one)
    return [one for results in for_each(groups.values(), copied) for one in results]


def _name(item: Item) -> str:
    return " ".join(key_of(item))
