"""Records that a machine carries through its states: deployments, and recoveries. Both are opened, found, kept and refused alike.

| pk             | sk                    | holds                          |
|----------------|-----------------------|--------------------------------|
| what lists it  | time, the record's id | that there was one             |
| ``{what}#{id}``| ``record``            | the record                     |
| ``{what}#{id}``| ``refused``           | why there is no plan           |
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from botocore.exceptions import ClientError

from orchestrator.aws.claims import ClaimedTable, decoded, refuse_busy
from orchestrator.aws.clients import code_of, narrowed
from orchestrator.domain.errors import Refused
from orchestrator.domain.records import Signal


class Record(Protocol):
    """What a record has."""

    @property
    def id(self) -> str:
        """Its id."""
        ...

    @property
    def requested_at(self) -> datetime:
        """When it was asked for; they are listed by it."""
        ...


R = TypeVar("R", bound=Record)


class Records(ClaimedTable, Generic[R]):
    """The ledger's records of one kind, under the claim that fences them.

    Attributes:
        WHAT: what one is called, in keys and in refusals.
        LISTED: the partition in which all are listed.
        KIND: the record's class.
    """

    WHAT: ClassVar[str]
    LISTED: ClassVar[str]
    KIND: type[R]

    def open(self, record: R) -> R:
        """Keep a new record; where an earlier try has kept it already, that one stands."""
        entry = self._put(self.LISTED, f"{record.requested_at.isoformat()}#{record.id}", record.id)
        put = {**self._put_record(record), "ConditionExpression": "attribute_not_exists(pk)"}
        try:
            with narrowed():
                self._client.transact_write_items(TransactItems=[{"Put": put}, {"Put": entry}])
        except ClientError as error:
            if code_of(error) != "TransactionCanceledException":
                raise
            refuse_busy(error)
            return self.read(record.id)
        return record

    def find(self, record_id: str) -> R | None:
        """Read a record, consistently; None where there is none."""
        item = self._get(self._key(record_id), "record")
        return decoded(item, self.KIND) if item else None

    def read(self, record_id: str) -> R:
        """Read a record, consistently.

        Raises:
            Refused: there is none of this id.
        """
        found = self.find(record_id)
        if found is None:
            raise Refused(self.WHAT, record_id, "name one that `orchestrator history` lists")
        return found

    def newest(self, limit: int) -> list[R]:
        """The newest records, newest first."""
        return [self.read(decoded(item, str)) for item in self._query(self.LISTED, limit=limit)]

    def keep(self, record: R, epoch: int) -> R:
        """Write a record back as the holder of its claim.

        Raises:
            ClaimLost: another epoch holds it; nothing was written.
        """
        self._fenced(epoch, [self._put_record(record)])
        return record

    def keep_unclaimed(self, record: R) -> R:
        """Write back a record that never got its claim: nobody else writes it either."""
        with narrowed():
            self._client.put_item(**self._put_record(record))
        return record

    def refuse(self, refusal: Signal) -> None:
        """Keep why one was refused whose plan never came to be."""
        with narrowed():
            self._client.put_item(**self._put(self._key(refusal.deployment), "refused", refusal))

    def refusal(self, record_id: str) -> Signal | None:
        """Why there is no plan."""
        item = self._get(self._key(record_id), "refused")
        return decoded(item, Signal) if item else None

    def _put_record(self, record: R) -> dict[str, Any]:
        return self._put(self._key(record.id), "record", record)

    def _key(self, record_id: str) -> str:
        return f"{self.WHAT}#{record_id}"
