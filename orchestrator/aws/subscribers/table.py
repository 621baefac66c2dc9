"""The table of subscribers, in the stack of the status page.

| pk              | sk                 | holds                                                                     |
|-----------------|--------------------|---------------------------------------------------------------------------|
| ``pending``     | id                 | a request that is not confirmed; deleted after `CONFIRMED_WITHIN`          |
| ``subscriber``  | id                 | a confirmed subscriber                                                    |
| ``announced``   | id of announcement | its messages are in the queue                                             |
| ``limit``       | what, time         | how many confirmations were sent                                          |
| ``notification#{id}`` | dedup key    | what was sent to a subscriber (`orchestrator/aws/ledger/deliveries.py`)   |

DynamoDB deletes items some time after `expires_at`. Readers compare the time themselves.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from orchestrator.aws.clients import conditional_write, translate_errors
from orchestrator.aws.ledger.deliveries import DeliveryStore
from orchestrator.aws.ledger.lock import LockedTable, decoded
from orchestrator.domain.subscribers.announcements import LISTED
from orchestrator.domain.subscribers.subscriber import Pending, Subscriber

_PENDING, _SUBSCRIBER, _ANNOUNCED, _LIMIT = "pending", "subscriber", "announced", "limit"
_DELIVERIES = "notification#"


class SubscriberStore(LockedTable):
    """The subscribers of a page.

    Args:
        client: botocore's DynamoDB client, of the table's region.
        table: the table's name.
    """

    @property
    def deliveries(self) -> DeliveryStore:
        """What was sent to each of them."""
        return DeliveryStore(self._client, self._table)

    def save_pending(self, pending: Pending) -> None:
        """Write a request in the place of an earlier one of the same address."""
        with translate_errors():
            self._client.put_item(**self._put(_PENDING, pending.id, pending, **_expiring(pending.expires_at)))

    def find_pending(self, subscriber: str, now: datetime) -> Pending | None:
        """Return a request that can be confirmed; None if there is none, or it has expired."""
        item = self._get(_PENDING, subscriber)
        pending = decoded(item, Pending) if item else None
        return pending if pending is not None and now < pending.expires_at else None

    def find_subscriber(self, subscriber: str) -> Subscriber | None:
        """Return a confirmed subscriber; None if there is none."""
        item = self._get(_SUBSCRIBER, subscriber)
        return decoded(item, Subscriber) if item else None

    def save_subscriber(self, subscriber: Subscriber) -> None:
        """Write a confirmed subscriber, and delete its request."""
        with translate_errors():
            self._client.put_item(**self._put(_SUBSCRIBER, subscriber.id, subscriber))
            self._delete(_PENDING, subscriber.id)

    def list_subscribers(self) -> list[Subscriber]:
        """Return the confirmed subscribers, by id."""
        return [decoded(item, Subscriber) for item in self._query(_SUBSCRIBER, forward=True)]

    def list_pending(self, now: datetime) -> list[Pending]:
        """Return the requests that can be confirmed, by id."""
        found = [decoded(item, Pending) for item in self._query(_PENDING, forward=True)]
        return [one for one in found if now < one.expires_at]

    def erase(self, subscriber: str) -> bool:
        """Delete everything of a subscriber; return whether it was subscribed. A repetition deletes what is left."""
        was = self.find_subscriber(subscriber) is not None
        for pk, sk in ((_PENDING, subscriber), (_SUBSCRIBER, subscriber)):
            self._delete(pk, sk)
        for item in self._query(f"{_DELIVERIES}{subscriber}", forward=True):
            self._delete(item["pk"]["S"], item["sk"]["S"])
        return was

    def count_within(self, what: str, most: int, expires_at: datetime) -> bool:
        """Count one more of something; return False if there are as many as are allowed already.

        Args:
            what: what is counted, with its time.
            most: how many are allowed.
            expires_at: when the count is no longer needed.
        """
        update = {
            "TableName": self._table,
            "Key": {"pk": {"S": _LIMIT}, "sk": {"S": what}},
            "UpdateExpression": "ADD used :one SET expires_at = :end",
            "ConditionExpression": "attribute_not_exists(used) OR used < :most",
            "ExpressionAttributeValues": {
                ":one": {"N": "1"},
                ":most": {"N": str(most)},
                ":end": {"N": str(int(expires_at.timestamp()))},
            },
        }
        return conditional_write(self._client.update_item, **update) is not None

    def announced(self) -> set[str]:
        """Return the ids of the announcements whose messages are in the queue."""
        return {item["sk"]["S"] for item in self._query(_ANNOUNCED, forward=True)}

    def mark_announced(self, announcement: str, now: datetime) -> None:
        """Note that the messages of an announcement are in the queue."""
        put = self._put(_ANNOUNCED, announcement, announcement, **_expiring(now + 2 * LISTED))
        with translate_errors():
            self._client.put_item(**put)

    def _delete(self, pk: str, sk: str) -> None:
        with translate_errors():
            self._client.delete_item(TableName=self._table, Key={"pk": {"S": pk}, "sk": {"S": sk}})


def _expiring(at: datetime) -> dict[str, dict[str, str]]:
    return {"expires_at": {"N": str(int((at + timedelta(seconds=1)).timestamp()))}}
