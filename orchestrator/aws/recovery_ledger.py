"""The ledger's recoveries: drills, which have a claim of their own, and restores, which take the environment's.

| pk                  | sk                 | holds                                             |
|---------------------|--------------------|---------------------------------------------------|
| ``claim#drill``     | ``claim``          | epoch, and the execution that drills              |
| ``recoveries``      | time, recovery id  | that there was a recovery                         |
| ``recovery#{id}``   | ``record``         | the recovery                                      |
| ``recovery#{id}``   | ``refused``        | why there is no plan                              |
"""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from orchestrator.aws.claims import CLAIM, ClaimedTable, decoded, refuse_busy
from orchestrator.aws.clients import code_of, narrowed
from orchestrator.domain.errors import Refused
from orchestrator.domain.records import Kind, Signal
from orchestrator.domain.recovery import Recovery

DRILL_CLAIM = "claim#drill"


class Recoveries(ClaimedTable):
    """Recoveries of one kind, under the claim that such a recovery takes.

    Args:
        client: botocore's DynamoDB client.
        table: the ledger's name.
        kind: DRILL or RESTORE.
    """

    def __init__(self, client: Any, table: str, kind: Kind) -> None:
        super().__init__(client, table, DRILL_CLAIM if kind is Kind.DRILL else CLAIM)

    def open(self, recovery: Recovery) -> Recovery:
        """Keep a new recovery; where an earlier try has kept it already, that one stands."""
        entry = self._put("recoveries", f"{recovery.requested_at.isoformat()}#{recovery.id}", recovery.id)
        record = {**self._record(recovery), "ConditionExpression": "attribute_not_exists(pk)"}
        try:
            with narrowed():
                self._client.transact_write_items(TransactItems=[{"Put": record}, {"Put": entry}])
        except ClientError as error:
            if code_of(error) != "TransactionCanceledException":
                raise
            refuse_busy(error)
            return self.read(recovery.id)
        return recovery

    def find(self, recovery_id: str) -> Recovery | None:
        """Read a recovery, consistently; None where there is none."""
        item = self._get(f"recovery#{recovery_id}", "record")
        return decoded(item, Recovery) if item else None

    def read(self, recovery_id: str) -> Recovery:
        """Read a recovery, consistently.

        Raises:
            Refused: there is none of this id.
        """
        found = self.find(recovery_id)
        if found is None:
            raise Refused("recovery", recovery_id, "name one that `orchestrator history` lists")
        return found

    def newest(self, limit: int) -> list[Recovery]:
        """The newest recoveries of either kind, newest first."""
        return [self.read(decoded(item, str)) for item in self._query("recoveries", limit=limit)]

    def keep(self, recovery: Recovery, epoch: int) -> Recovery:
        """Write a recovery back as the holder of its claim.

        Raises:
            ClaimLost: another epoch holds it; nothing was written.
        """
        self._fenced(epoch, [self._record(recovery)])
        return recovery

    def keep_unclaimed(self, recovery: Recovery) -> Recovery:
        """Write back a recovery that never got its claim: nobody else writes it either."""
        with narrowed():
            self._client.put_item(**self._record(recovery))
        return recovery

    def refuse(self, refusal: Signal) -> None:
        """Keep why a recovery was refused whose plan never came to be."""
        with narrowed():
            self._client.put_item(**self._put(f"recovery#{refusal.deployment}", "refused", refusal))

    def refusal(self, recovery_id: str) -> Signal | None:
        """Why a recovery has no plan."""
        item = self._get(f"recovery#{recovery_id}", "refused")
        return decoded(item, Signal) if item else None

    def _record(self, recovery: Recovery) -> dict[str, Any]:
        return self._put(f"recovery#{recovery.id}", "record", recovery)
