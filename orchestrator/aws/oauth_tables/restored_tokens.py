"""The restored tokens table while it is sanitized: its sanitization state, its epoch, and its refresh token families.

Attribute names are those of the service (service/storage/item_codec.py, service/storage/revocations.py), which does
not import the orchestrator; a test compares the two. No other client writes to a restored table before it is in use,
so families are written whole, 25 in a call. Memory does not grow with a table: it holds one page per segment.

The revocation log is never scanned to its end. Clients can make it grow at will: a token of a family that does not exist
is logged as well. Both of a family's entries have keys that follow from the family and its client, so they are read by
key. While all of the log fits into one small page, that page is read instead, once for each page of families.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from time import sleep
from typing import Any

import msgspec
from botocore.exceptions import ClientError

from orchestrator.aws.clients import conditional_write, error_code, translate_errors
from orchestrator.aws.dynamodb.batch import BatchClient, ScanPage, batch_get, batch_write, chunks_of_page, scan_segment
from orchestrator.aws.dynamodb.read_pace import ReadPace
from orchestrator.domain.recovery.token_sanitization import (
    ROTATION,
    VALID_DISPOSITIONS,
    Disposition,
    DispositionCounts,
    FamilyPair,
    KnownEpochs,
    LoggedEpoch,
    RevocationLog,
    SanitizationRules,
    SanitizationState,
    TokenFamily,
    before_adoption,
    count_dispositions,
    disowned_name,
    disposition,
    may_be_logged,
    must_be_invalid,
)

STATE_KEY = {"pk": {"S": "recovery"}}
EPOCH_KEY = {"pk": {"S": "epoch"}}
SYNTHETIC = "synthetic#"
FAMILY, REVOKED, DISOWNED = "family#", "revoked#", "disowned#"
REVOKED_BECAUSE = "request"
"""The service's word for a family that was revoked on request."""

PAGE_ITEMS = 10_000
"""Usually more than fit into a page's megabyte: few large pages are read faster than many small ones."""

CHUNK_ITEMS = 50
"""Items of a page that are judged and written before the time is checked: two calls of BatchWriteItem, which take at
most 13 s even if the table throttles. Their entries in the revocation log are read by one call of BatchGetItem."""

LOG_ITEMS = 1000
"""The most entries of a revocation log that is read at once. A page of families has more keys to look up."""

_UNREADABLE = frozenset({"ResourceNotFoundException", "AccessDeniedException"})
_FAMILY_PREFIXES = (FAMILY, f"{SYNTHETIC}{FAMILY}")

Item = Mapping[str, Any]


class RestoredTokens:
    """A restored tokens table.

    Args:
        client: botocore's DynamoDB client.
        table: the restored table's name.
        source: the table that it was restored from; it may no longer exist.
        log: the table with the revocation log.
        batches: opens the client that reads and writes families; without it, `client` does.
        source_pace: limits the reads of the source, which clients use.
        sleep: waits for some seconds.
    """

    def __init__(
        self,
        client: Any,
        table: str,
        source: str,
        log: str,
        batches: Callable[[], AbstractContextManager[BatchClient]] | None = None,
        *,
        source_pace: ReadPace | None = None,
        sleep: Callable[[float], None] = sleep,
    ) -> None:
        self._source_pace = source_pace
        self._client = client
        self._table, self._source, self._log = table, source, log
        self._batches = batches or (lambda: nullcontext(client))
        self._sleep = sleep

    # --- sanitization state and epoch --------------------------------------------------------------------

    def read_state(self) -> SanitizationState | None:
        """Read the table's sanitization state, consistently; None before sanitization began."""
        with translate_errors():
            item = self._client.get_item(TableName=self._table, Key=STATE_KEY, ConsistentRead=True).get("Item")
        return msgspec.json.decode(item["body"]["S"], type=SanitizationState) if item else None

    def save_state(self, state: SanitizationState) -> SanitizationState:
        """Write the table's sanitization state."""
        with translate_errors():
            body = msgspec.json.encode(state).decode()
            self._client.put_item(TableName=self._table, Item={**STATE_KEY, "body": {"S": body}})
        return state

    def read_known_epochs(self) -> KnownEpochs:
        """Read the epochs of the restored table, of the revocation log, and of the source, if that is readable."""
        restored, logged = self.read_epoch(), _logged_epoch(self._item(self._log, EPOCH_KEY))
        try:
            return KnownEpochs(restored, _epoch(self._item(self._source, EPOCH_KEY)), logged)
        except ClientError as error:
            if error_code(error) not in _UNREADABLE:
                raise
            return KnownEpochs(restored, None, logged)

    def read_epoch(self) -> int:
        """Read the table's own epoch; 0 if it has none."""
        return _epoch(self._item(self._table, EPOCH_KEY))

    def raise_epoch(self, epoch: int) -> None:
        """Raise the table's epoch to `epoch`. An epoch that is as high already stays."""
        conditional_write(
            self._client.update_item,
            TableName=self._table,
            Key=EPOCH_KEY,
            UpdateExpression="SET epoch = :epoch",
            ConditionExpression="attribute_not_exists(epoch) OR epoch < :epoch",
            ExpressionAttributeValues={":epoch": {"N": str(epoch)}},
        )

    def log_epoch(self, logged: LoggedEpoch) -> None:
        """Record in the revocation log, which no restore replaces, which epoch is in force.

        A later restore's entry stays: a task that outlived its execution may write late.
        """
        conditional_write(
            self._client.put_item,
            TableName=self._log,
            Item={
                **EPOCH_KEY,
                "epoch": {"N": str(logged.epoch)},
                "recovery": {"S": logged.recovery},
            },
            ConditionExpression="attribute_not_exists(recovery) OR epoch <= :epoch",
            ExpressionAttributeValues={":epoch": {"N": str(logged.epoch)}},
        )

    # --- refresh token families --------------------------------------------------------------------------

    def read_revocation_log(self, families: Iterable[tuple[str, str]]) -> RevocationLog:
        """Read what the revocation log holds about some families. A family in it is dead, whenever it was revoked.

        families: the name and the client of each.
        """
        with self._batches() as batches:
            return self._read_log(batches, families)

    def _read_small_log(self, batches: BatchClient) -> frozenset[str] | None:
        """Return the keys of the whole revocation log, read consistently; None if it is not small."""
        with translate_errors():
            page = batches.scan(TableName=self._log, ConsistentRead=True, Limit=LOG_ITEMS, ProjectionExpression="pk")
        return None if page.get("LastEvaluatedKey") else frozenset(item["pk"]["S"] for item in page["Items"])

    def _read_log(
        self, batches: BatchClient, families: Iterable[tuple[str, str]], whole: frozenset[str] | None = None
    ) -> RevocationLog:
        """Return what the log holds about some families. whole: its keys, if they were read a moment ago."""
        listed = frozenset(families)
        revoked = {_log_key(REVOKED, name): name for name, _ in listed}
        disowned = {_log_key(DISOWNED, name): name for name in (disowned_name(*family) for family in listed)}
        keys = {*revoked, *disowned}
        found = self._read_items(batches, self._log, sorted(keys)) if whole is None else keys & whole
        return RevocationLog(
            frozenset(name for key, name in revoked.items() if key in found),
            frozenset(name for key, name in disowned.items() if key in found),
        )

    def judge_segment(
        self,
        segment: tuple[int, int],
        after: str,
        rules: SanitizationRules,
        until: Callable[[], bool],
        *,
        source_readable: bool,
    ) -> tuple[DispositionCounts, str | None]:
        """Decide on a segment's families, and move those that stay alive into the new epoch.

        A page may hold thousands of families. So it is worked through in chunks, and each chunk is a checkpoint.

        Args:
            segment: its number, and how many segments there are.
            after: the key to continue after; empty at the segment's beginning.
            rules: what decides on a family; the log's entries are read for each chunk.
            until: whether it is time to stop; called after each chunk of a page.
            source_readable: whether the source can be read.

        Returns:
            How many families got which disposition, and the key to continue after; None at the segment's end.
        """
        counts = DispositionCounts()
        with self._batches() as batches:
            for page in self._pages(batches, segment, after):
                whole_log = self._read_small_log(batches)
                for chunk, last_key in chunks_of_page(page, self._chunk_items(), ("pk",)):
                    counts += self._judge(batches, _families(chunk), rules, whole_log, source_readable=source_readable)
                    after = _key_after(last_key)
                    if not after or until():
                        return counts, after or None
        return counts, after or None

    def _judge(
        self,
        batches: BatchClient,
        items: Sequence[Item],
        rules: SanitizationRules,
        whole_log: frozenset[str] | None,
        *,
        source_readable: bool,
    ) -> DispositionCounts:
        families = [family_of(item) for item in items]
        log = self._read_log(batches, _named(family for family in families if may_be_logged(family, rules)), whole_log)
        rules = replace(rules, log=log)
        pairs = self._pairs(batches, items, rules, source_readable=source_readable)
        dispositions = [disposition(pair, rules) for pair, _, _ in pairs]
        living = [
            _adopted(item, source if decided is Disposition.TAKEN_OVER else None, rules.epoch)
            for decided, (_, item, source) in zip(dispositions, pairs, strict=True)
            if decided in VALID_DISPOSITIONS and decided is not Disposition.KEPT
        ]
        batch_write(batches, self._table, living, sleep=self._sleep)
        return count_dispositions(dispositions)

    def _chunk_items(self) -> int:
        """Return the items of a chunk: no more than the source's pace reads in a second."""
        return min(CHUNK_ITEMS, self._source_pace.items) if self._source_pace else CHUNK_ITEMS

    def read_back_segment(
        self, segment: tuple[int, int], after: str, rules: SanitizationRules, until: Callable[[], bool]
    ) -> tuple[int, list[str], str | None]:
        """Read a segment back. The arguments are those of `judge_segment`.

        Returns:
            How many families are alive, the names of those that must not be, and the key to continue after.
        """
        alive, wrong = 0, []
        with self._batches() as batches:
            for page in self._pages(batches, segment, after):
                whole_log = self._read_small_log(batches)
                for chunk, last_key in chunks_of_page(page, CHUNK_ITEMS, ("pk",)):
                    families = [family_of(item) for item in _families(chunk)]
                    adopted = [family for family in families if family.epoch >= rules.epoch]
                    alive += sum(1 for family in adopted if not family.revoked)
                    before = (before_adoption(family, rules) for family in adopted)
                    named = _named(family for family in before if may_be_logged(family, rules))
                    log = self._read_log(batches, named, whole_log)
                    wrong += [family.name for family in adopted if must_be_invalid(family, replace(rules, log=log))]
                    after = _key_after(last_key)
                    if not after or until():
                        return alive, wrong, after or None
        return alive, wrong, after or None

    def revoke_listed(self, log: RevocationLog, pace: ReadPace | None = None) -> int:
        """Revoke the families that some entries of the revocation log list, and that are alive; return how many were.

        It reads these families by key, so it takes as long as there are entries, however large the table is.

        Args:
            log: what the entries list.
            pace: limits the reads of a table that clients use.
        """
        revoked = 0
        names = {*log.revoked, *(name.rpartition("#")[0] for name in log.disowned)}
        with self._batches() as batches:
            keys = sorted(map(_family_key, names))
            for item in batch_get(
                batches,
                self._table,
                [{"pk": {"S": key}} for key in keys],
                sleep=self._sleep,
                pace=pace,
                consistent=True,
            ):
                family = family_of(item)
                if not family.revoked and log.lists(family.name, family.client_id):
                    revoked += self._revoke(_family_key(family.name))
        return revoked

    def revoke_logged(
        self,
        segment: tuple[int, int] = (0, 1),
        after: str = "",
        until: Callable[[], bool] = lambda: False,
        pace: ReadPace | None = None,
    ) -> tuple[int, str | None]:
        """Revoke every family of a segment that is alive and in the revocation log, whenever it was logged.

        It covers revocations that came after the families were judged, while the source was still in use. It scans the
        table, with a call for 50 families, and one for each that it revokes.

        Args:
            segment: its number, and how many segments there are.
            after: the key to continue after; empty at the segment's beginning.
            until: whether it is time to stop; called after each chunk of a page.
            pace: limits the reads of a table that clients use.

        Returns:
            How many were revoked, and the key to continue after; None at the segment's end.
        """
        revoked = 0
        with self._batches() as batches:
            for page in self._pages(batches, segment, after, pace):
                for chunk, last_key in chunks_of_page(page, CHUNK_ITEMS, ("pk",)):
                    families = [family for family in map(family_of, _families(chunk)) if not family.revoked]
                    log = self._read_log(batches, _named(families))
                    for family in families:
                        if log.lists(family.name, family.client_id):
                            revoked += self._revoke(_family_key(family.name))
                    after = _key_after(last_key)
                    if not after or until():
                        return revoked, after or None
        return revoked, after or None

    def revive_logged(self, epoch: int, segment: tuple[int, int] = (0, 1)) -> int:
        """Inject a fault: bring families of a segment that must stay dead back to life; return how many those were.

        They are the families that the revocation log lists as revoked.
        """
        revived = 0
        with self._batches() as batches:
            for families in self._chunks_of_families(batches, segment):
                log = self._read_log(batches, _named(families))
                dead = self._read_items(batches, self._table, sorted(_family_key(name) for name in log.revoked))
                alive = [
                    {key: value for key, value in item.items() if key not in {"revoked_because", "revoked_at"}}
                    for item in dead.values()
                ]
                batch_write(batches, self._table, [_adopted(item, None, epoch) for item in alive], sleep=self._sleep)
                revived += len(alive)
        return revived

    def _chunks_of_families(self, batches: BatchClient, segment: tuple[int, int]) -> Iterator[list[TokenFamily]]:
        for page in self._pages(batches, segment, ""):
            for chunk, _ in chunks_of_page(page, CHUNK_ITEMS, ("pk",)):
                yield list(map(family_of, _families(chunk)))

    def _revoke(self, key: str) -> bool:
        """Revoke a family; return False if it was deleted meanwhile."""
        revoked = conditional_write(
            self._client.update_item,
            TableName=self._table,
            Key={"pk": {"S": key}},
            UpdateExpression="SET revoked_because = if_not_exists(revoked_because, :because)",
            ConditionExpression="attribute_exists(pk)",
            ExpressionAttributeValues={":because": {"S": REVOKED_BECAUSE}},
        )
        return revoked is not None

    def _pairs(
        self, batches: BatchClient, items: Sequence[Item], rules: SanitizationRules, *, source_readable: bool
    ) -> list[tuple[FamilyPair, Item, Item | None]]:
        """Pair each family with its source. The source is read only where it can change the disposition."""
        restored = [(family_of(item), item) for item in items]
        keys = [
            item["pk"]["S"]
            for family, item in restored
            if source_readable and disposition(FamilyPair(family, family), rules) is Disposition.ADOPTED
        ]
        sources = self._read_items(batches, self._source, keys, self._source_pace)
        return [
            (FamilyPair(family, family_of(source) if source else None), item, source)
            for family, item in restored
            for source in (sources.get(item["pk"]["S"]),)
        ]

    # --- DynamoDB ----------------------------------------------------------------------------------------

    def _pages(
        self, batches: BatchClient, segment: tuple[int, int], after: str, pace: ReadPace | None = None
    ) -> Iterator[ScanPage]:
        start = {"pk": {"S": after}} if after else None
        return scan_segment(batches, self._table, *segment, start=start, pace=pace, Limit=PAGE_ITEMS)

    def _item(self, table: str, key: Item) -> Item | None:
        with translate_errors():
            item: Item | None = self._client.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item")
        return item

    def _read_items(
        self, batches: BatchClient, table: str, keys: Sequence[str], pace: ReadPace | None = None
    ) -> dict[str, Item]:
        items = batch_get(batches, table, [{"pk": {"S": key}} for key in keys], sleep=self._sleep, pace=pace)
        return {item["pk"]["S"]: item for item in items}


def _families(items: Sequence[Item]) -> list[Item]:
    """Return the families among a page's items.

    They are filtered here and not by a filter expression: DynamoDB reads the same items for that, and slower.
    """
    return [item for item in items if item["pk"]["S"].startswith(_FAMILY_PREFIXES)]


def family_of(item: Item) -> TokenFamily:
    """Read a family from its item."""
    return TokenFamily(
        name=item["pk"]["S"].replace(FAMILY, "", 1),
        client_id=item["client_id"]["S"],
        epoch=int(item["epoch"]["N"]),
        generation=int(item["generation"]["N"]),
        refresh_hash=item["refresh_hash"]["S"],
        expires_at=int(item["expires_at"]["N"]),
        revoked="revoked_because" in item,
    )


def _family_key(name: str) -> str:
    prefix, _, own = name.rpartition("#")
    return f"{prefix}#{FAMILY}{own}" if prefix else f"{FAMILY}{own}"


def _log_key(kind: str, name: str) -> str:
    """Return the key of a log entry. name: of a family, or with its client's digest, in both with a prefix."""
    own = name.removeprefix(SYNTHETIC)
    return f"{SYNTHETIC}{kind}{own}" if own != name else f"{kind}{name}"


def listed_by(keys: Iterable[str]) -> RevocationLog:
    """Return what entries of the revocation log list, by their keys. Other items of the log list nothing."""
    listed: dict[str, set[str]] = {REVOKED: set(), DISOWNED: set()}
    for key in keys:
        own = key.removeprefix(SYNTHETIC)
        for kind, names in listed.items():
            if own.startswith(kind):
                name = own.removeprefix(kind)
                names.add(f"{SYNTHETIC}{name}" if own != key else name)
    return RevocationLog(frozenset(listed[REVOKED]), frozenset(listed[DISOWNED]))


def _named(families: Iterable[TokenFamily]) -> list[tuple[str, str]]:
    return [(family.name, family.client_id) for family in families]


def _adopted(item: Item, source: Item | None, epoch: int) -> Item:
    if source is not None:
        kept = {name: value for name, value in item.items() if name not in ROTATION}
        item = {**kept, **{name: source[name] for name in ROTATION if name in source}}
    return {**item, "epoch": {"N": str(epoch)}}


def _epoch(item: Item | None) -> int:
    return int(item["epoch"]["N"]) if item else 0


def _logged_epoch(item: Item | None) -> LoggedEpoch:
    """Read the log's epoch. Entries of earlier releases name no recovery."""
    return LoggedEpoch(_epoch(item), item["recovery"]["S"] if item and "recovery" in item else "")


def _key_after(last_key: Item | None) -> str:
    return str(last_key["pk"]["S"]) if last_key else ""
