"""The environment's freeze switch: one item in the ledger's table, with ``pk`` and ``sk`` both ``freeze``.

Freezing and unfreezing are conditional writes. If two operators freeze at once, the second gets the first one's
freeze as a refusal, and no operator lifts a freeze that another one has just set. The ledger's event records hold the
history.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec

from orchestrator.aws.clients import conditional_write, translate_errors
from orchestrator.domain.deployment.freeze import Freeze
from orchestrator.domain.errors import Refused

KEY = {"pk": {"S": "freeze"}, "sk": {"S": "freeze"}}


class FreezeStore:
    """The freeze switch in the ledger's table.

    Args:
        client: botocore's DynamoDB client.
        table: the table's name.
    """

    def __init__(self, client: Any, table: str) -> None:
        self._client, self._table = client, table

    def read_freeze(self) -> Freeze | None:
        """Return the newest freeze, read consistently, whether or not it was lifted; None before the first."""
        with translate_errors():
            item = self._client.get_item(TableName=self._table, Key=KEY, ConsistentRead=True).get("Item")
        return msgspec.json.decode(item["body"]["S"], type=Freeze) if item else None

    def freeze(self, by: str, reason: str, now: datetime) -> Freeze:
        """Freeze the environment.

        Raises:
            Refused: it is frozen already; the message names by whom and why.
        """
        wanted = Freeze(by, reason, now, announced=False)
        stored = self._write(wanted, "attribute_not_exists(pk) OR is_frozen = :no", {":no": {"S": "no"}})
        if stored != wanted:
            raise Refused(
                "freeze",
                stored.description,
                "the environment is frozen already: unfreeze it first to change the reason",
            )
        return wanted

    def unfreeze(self, by: str, reason: str, now: datetime) -> Freeze:
        """Lift the freeze.

        Raises:
            Refused: the environment is not frozen, or the freeze changed meanwhile.
        """
        current = self.read_freeze()
        if current is None or not current.is_active:
            raise Refused("freeze", "not frozen", "there is nothing to lift: deployments may start")
        wanted = replace(current, unfrozen_by=by, unfreeze_reason=reason, unfrozen_at=now, announced=False)
        # The condition names the freeze that was read, so that no later one is lifted.
        stored = self._write(wanted, "is_frozen = :yes AND since = :since", _values(current))
        if stored != wanted:
            raise Refused("freeze", "changed meanwhile", "check `orchestrator status` and try again")
        return wanted

    def mark_announced(self, freeze: Freeze) -> Freeze:
        """Note that a freeze, or its end, was recorded and announced; return it so.

        If another operator has ended it, or has frozen the environment again, that stays as it is.
        """
        wanted = replace(freeze, announced=True)
        state = {":state": {"S": "yes" if freeze.is_active else "no"}, ":since": _values(freeze)[":since"]}
        self._write(wanted, "is_frozen = :state AND since = :since", state)
        return wanted

    def _write(self, wanted: Freeze, condition: str, values: dict[str, dict[str, str]]) -> Freeze:
        """Write a freeze on a condition; return what is stored afterwards. A retry finds its own earlier write."""
        attributes = _values(wanted)
        item = {
            **KEY,
            "body": {"S": msgspec.json.encode(wanted).decode()},
            "is_frozen": attributes[":yes"] if wanted.is_active else {"S": "no"},
            "since": attributes[":since"],
        }
        response = conditional_write(
            self._client.put_item,
            TableName=self._table,
            Item=item,
            ConditionExpression=condition,
            ExpressionAttributeValues=values,
        )
        if response is not None:
            return wanted
        stored = self.read_freeze()
        assert stored, "the condition failed on an item"
        return stored


def _values(freeze: Freeze) -> dict[str, dict[str, str]]:
    return {":yes": {"S": "yes"}, ":since": {"S": freeze.at.isoformat()}}
