"""Records that a state machine carries through its states: deployments and recoveries, both kept in the same way.

| pk              | sk                    | holds                          |
|-----------------|-----------------------|--------------------------------|
| the index       | time, the record's id | that the record exists         |
| ``{name}#{id}`` | ``record``            | the record                     |
| ``{name}#{id}`` | ``refused``           | why there is no plan           |
| ``lock#drill``  | ``lock``              | the lock of drills             |

Deployments are in `orchestrator.aws.ledger.deployments`, with name ``deployment`` and index ``history``. Recoveries
are here, with name ``recovery`` and index ``recoveries``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from botocore.exceptions import ClientError

from orchestrator.aws.clients import error_code, translate_errors
from orchestrator.aws.ledger.lock import LOCK, LockedTable, decoded, refuse_busy, until_time
from orchestrator.domain.deployment.record import EventRecord
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.record import Recovery

DRILL_LOCK = "lock#drill"
RECORD = "record"
"""The sort key of every record."""

BATCH = 100
FIRST_BATCH = 5
"""How many records are read at once, and first of a search: usually the searched one is among them."""
SEARCHED = 500
"""How many records are searched for the newest that matches: many deployments may have been refused since."""


class Record(Protocol):
    """What every record has."""

    @property
    def id(self) -> str:
        """Its id."""
        ...

    @property
    def requested_at(self) -> datetime:
        """When it was requested; the index is ordered by it."""
        ...


R = TypeVar("R", bound=Record)


class Records(LockedTable, Generic[R]):
    """The ledger's records of one kind, under the lock that fences them.

    Attributes:
        WHAT: the record's name, in keys and in refusals.
        LISTED: partition key of the index.
        KIND: the record's class.
        reads_in_batches: read many records with BatchGetItem. The console does, which persons start; the roles of the
            functions do not allow it.
    """

    WHAT: ClassVar[str]
    LISTED: ClassVar[str]
    KIND: type[R]
    reads_in_batches: bool = False

    def create_record(self, record: R) -> R:
        """Write a new record. If an earlier attempt has written it already, return that one."""
        entry = self._put(self.LISTED, f"{record.requested_at.isoformat()}#{record.id}", record.id)
        put = {**self._put_record(record), "ConditionExpression": "attribute_not_exists(pk)"}
        try:
            with translate_errors():
                self._client.transact_write_items(TransactItems=[{"Put": put}, {"Put": entry}])
        except ClientError as error:
            if error_code(error) != "TransactionCanceledException":
                raise
            refuse_busy(error)
            return self.read_record(record.id)
        return record

    def find_record(self, record_id: str) -> R | None:
        """Read a record, consistently; None if there is none."""
        item = self._get(self._key(record_id), RECORD)
        return decoded(item, self.KIND) if item else None

    def read_record(self, record_id: str) -> R:
        """Read a record, consistently.

        Raises:
            Refused: there is no record of this id; its request may have been refused.
        """
        record = self.find_record(record_id)
        if record is None:
            refusal = self.read_refusal(record_id)
            missing = f"there is no such {self.WHAT}: name one that `orchestrator history` lists"
            raise Refused(self.WHAT, record_id, f"it was refused: {refusal.why}" if refusal else missing)
        return record

    def newest_records(self, limit: int) -> list[R]:
        """Return the newest records, newest first."""
        return list(self._records(self._query(self.LISTED, limit=limit)))

    def ids_since(self, earliest: datetime) -> list[str]:
        """Return the ids of all records that were requested at a time or later, newest first."""
        listed = self._query(self.LISTED, since=earliest.isoformat())
        return [decoded(item, str) for item in listed]

    def records_between(self, start: datetime, end: datetime) -> list[R]:
        """Return all records that were requested from `start` to `end`, both included, newest first."""
        listed = self._query(self.LISTED, since=start.isoformat(), until=until_time(end))
        return list(self._records(listed))

    def find_newest(self, matches: Callable[[R], bool]) -> R | None:
        """Return the newest record that matches; None if none of the `SEARCHED` newest does.

        Records are read until one matches: usually the first or the second.
        """
        records = self._records(self._query(self.LISTED, limit=SEARCHED), first=FIRST_BATCH)
        return next((record for record in records if matches(record)), None)

    def save_record(self, record: R, fencing_token: int) -> R:
        """Write a record back as the holder of its lock.

        Raises:
            LockLost: another execution holds the lock; nothing was written.
        """
        self._write_fenced(fencing_token, [self._put_record(record)])
        return record

    def save_unlocked(self, record: R) -> R:
        """Write back a record whose execution never acquired its lock. It has no other writer."""
        with translate_errors():
            self._client.put_item(**self._put_record(record))
        return record

    def record_refusal(self, refusal: EventRecord) -> None:
        """Write why a request was refused before it had a plan."""
        with translate_errors():
            self._client.put_item(**self._put(self._key(refusal.deployment), "refused", refusal))

    def read_refusal(self, record_id: str) -> EventRecord | None:
        """Read why there is no plan; None if it was not refused."""
        item = self._get(self._key(record_id), "refused")
        return decoded(item, EventRecord) if item else None

    def _records(self, listed: Sequence[Mapping[str, Any]], first: int = BATCH) -> Iterator[R]:
        """Yield the records of items of the index, in their order. With batches, `first` is the size of the first one."""
        ids = [decoded(item, str) for item in listed]
        if not self.reads_in_batches:
            yield from map(self.read_record, ids)
            return
        # Imported here, because the functions read no batches and start faster without it.
        from orchestrator.aws.dynamodb.batch import batch_get  # noqa: PLC0415

        while ids:
            batch, ids, first = ids[:first], ids[first:], BATCH
            keys = [{"pk": {"S": self._key(one)}, "sk": {"S": RECORD}} for one in batch]
            found = {item["pk"]["S"]: item for item in batch_get(self._client, self._table, keys)}
            for one in batch:
                item = found.get(self._key(one))
                yield decoded(item, self.KIND) if item else self.read_record(one)

    def _put_record(self, record: R) -> dict[str, Any]:
        return self._put(self._key(record.id), RECORD, record)

    def _key(self, record_id: str) -> str:
        return f"{self.WHAT}#{record_id}"


class Recoveries(Records[Recovery]):
    """Recoveries, under the lock of their kind: drills have their own, restores use the environment's.

    `newest_records` returns recoveries of both kinds.

    Args:
        client: botocore's DynamoDB client.
        table: the ledger's name.
        kind: DRILL or RESTORE.
    """

    WHAT, LISTED, KIND = "recovery", "recoveries", Recovery

    def __init__(self, client: Any, table: str, kind: Kind) -> None:
        super().__init__(client, table, DRILL_LOCK if kind is Kind.DRILL else LOCK)
