"""The environment's freeze switch: one item in the ledger's table, ``pk`` and ``sk`` both ``freeze``.

Both ways are conditional writes, so that of two people who freeze at once the second is told of the first, and neither lifts what
the other has put on meanwhile. What was done before is among the signals.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec
from botocore.exceptions import ClientError

from orchestrator.aws.clients import code_of, narrowed
from orchestrator.domain.errors import Refused
from orchestrator.domain.freeze import Freeze

KEY = {"pk": {"S": "freeze"}, "sk": {"S": "freeze"}}


class Freezes:
    """The switch in the ledger's table.

    Args:
        client: botocore's DynamoDB client.
        table: the table's name.
    """

    def __init__(self, client: Any, table: str) -> None:
        self._client, self._table = client, table

    def read(self) -> Freeze | None:
        """The newest freeze, read consistently; None where there never was one."""
        with narrowed():
            item = self._client.get_item(TableName=self._table, Key=KEY, ConsistentRead=True).get("Item")
        return msgspec.json.decode(item["body"]["S"], type=Freeze) if item else None

    def freeze(self, by: str, reason: str, now: datetime) -> Freeze:
        """Freeze the environment.

        Raises:
            Refused: it is frozen already; says by whom and why.
        """
        wanted = Freeze(by, reason, now)
        found = self._write(wanted, "attribute_not_exists(pk) OR is_frozen = :no", {":no": {"S": "no"}})
        if found != wanted:
            raise Refused("freeze", found.told, "it is frozen already; thaw it first to freeze it for another reason")
        return wanted

    def thaw(self, by: str, reason: str, now: datetime) -> Freeze:
        """Lift the freeze that holds.

        Raises:
            Refused: nothing is frozen.
        """
        holding = self.read()
        if holding is None or not holding.holds:
            raise Refused("freeze", "not frozen", "nothing to lift: deployments may begin")
        wanted = replace(holding, thawed_by=by, thaw_reason=reason, thawed_at=now)
        # The freeze that was read, and no later one.
        found = self._write(wanted, "is_frozen = :yes AND since = :since", _values(holding))
        if found != wanted:
            raise Refused("freeze", "changed meanwhile", "look at `orchestrator status` and try again")
        return wanted

    def _write(self, wanted: Freeze, condition: str, values: dict[str, dict[str, str]]) -> Freeze:
        """Write it on a condition; returns what stands there afterwards: a retry of one's own write finds its own."""
        state = _values(wanted)
        item = {
            **KEY,
            "body": {"S": msgspec.json.encode(wanted).decode()},
            "is_frozen": state[":yes"] if wanted.holds else {"S": "no"},
            "since": state[":since"],
        }
        try:
            with narrowed():
                self._client.put_item(
                    TableName=self._table,
                    Item=item,
                    ConditionExpression=condition,
                    ExpressionAttributeValues=values,
                )
        except ClientError as error:
            if code_of(error) != "ConditionalCheckFailedException":
                raise
            found = self.read()
            assert found, "a condition failed on it"
            return found
        return wanted


def _values(freeze: Freeze) -> dict[str, dict[str, str]]:
    return {":yes": {"S": "yes"}, ":since": {"S": freeze.at.isoformat()}}
