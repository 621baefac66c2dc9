"""The ledger: one DynamoDB table that is the truth about claims, deployments, decisions, signals, incidents and recoveries.

| pk                     | sk                    | holds                                           |
|------------------------|-----------------------|-------------------------------------------------|
| ``claim``              | ``claim``             | epoch, and the execution that may change things |
| ``history``            | time, deployment id   | that there was a deployment                     |
| ``deployment#{id}``    | ``record``            | the deployment                                  |
| ``deployment#{id}``    | ``refused``           | why there is no plan                            |
| ``deployment#{id}``    | ``decision#000001`` … | the chain of decisions                          |
| ``deployment#{id}``    | ``trigger#{time}#…``  | what asked for a rollback                       |
| ``deployment#{id}``    | ``ask``               | what a person asked, until a look takes it up   |
| ``deployment#{id}``    | ``held``              | the task token of a HOLD                        |
| ``releases``           | release digest        | that it was rolled back                         |
| ``signals``            | time, event id        | events and what was made of them                |
| ``incidents``          | incident id           | rollbacks that took place                       |
| ``freeze``             | ``freeze``            | the freeze switch (`orchestrator.aws.freezes`)  |

Claims are in claims.py, what is done with the record of a deployment as of a recovery in records.py, recoveries in recovery_ledger.py.

Each item has ``body``, the record as JSON, and the few attributes that conditions are about. Every write of
somebody who holds the claim is one transaction with a check of the claim's epoch, so that whoever lost the
claim changes nothing afterwards. Ids begin with the time, so a query in order is a query by time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
from botocore.exceptions import ClientError

from orchestrator.aws.claims import decoded
from orchestrator.aws.clients import code_of, narrowed
from orchestrator.aws.records import Records
from orchestrator.domain.chain import START, link
from orchestrator.domain.records import (
    Ask,
    DecisionEntry,
    Deployment,
    Held,
    Incident,
    Signal,
    Trigger,
)


class Ledger(Records[Deployment]):
    """Deployments, and everything else that the ledger holds, under the environment's claim.

    Args:
        client: botocore's DynamoDB client.
        table: the table's name.
    """

    WHAT, LISTED, KIND = "deployment", "history", Deployment

    # --- decisions ---------------------------------------------------------------------------------------

    def decisions(self, deployment_id: str) -> list[DecisionEntry]:
        """A deployment's chain of decisions, first one first."""
        return [decoded(item, DecisionEntry) for item in self._decision_items(deployment_id)]

    def decision_bodies(self, deployment_id: str) -> list[Mapping[str, Any]]:
        """The chain as kept, for checking its hashes."""
        return [msgspec.json.decode(item["body"]["S"]) for item in self._decision_items(deployment_id)]

    def decide(self, entry: DecisionEntry, deployment: Deployment, epoch: int) -> DecisionEntry:
        """Append a decision to its deployment's chain and keep the deployment, in one transaction.

        A retry after a lost response finds its own: within one entry into a state there is one decision.

        Raises:
            ClaimLost: another epoch holds the claim; nothing was written.
        """
        last = self._last_decision(deployment.id)
        if last and (last.state, last.entered) == (entry.state, entry.entered):
            return last
        chained = replace(
            entry, number=last.number + 1 if last else 1, previous_hash=last.hash if last else START, hash=""
        )
        chained = replace(chained, hash=link(chained.previous_hash, msgspec.to_builtins(chained)))
        put = self._put(f"deployment#{deployment.id}", f"decision#{chained.number:06}", chained)
        put["ConditionExpression"] = "attribute_not_exists(pk)"
        self._fenced(epoch, [put, self._put_record(deployment)])
        return chained

    def _last_decision(self, deployment_id: str) -> DecisionEntry | None:
        found = self._query(f"deployment#{deployment_id}", prefix="decision#", limit=1)
        return decoded(found[0], DecisionEntry) if found else None

    def _decision_items(self, deployment_id: str) -> Sequence[Mapping[str, Any]]:
        return self._query(f"deployment#{deployment_id}", prefix="decision#", forward=True)

    # --- what people and events ask ----------------------------------------------------------------------

    def add_trigger(self, deployment_id: str, trigger: Trigger) -> None:
        """Keep what asks for a rollback."""
        key = f"trigger#{trigger.at.isoformat()}#{trigger.source}"
        with narrowed():
            self._client.put_item(**self._put(f"deployment#{deployment_id}", key, trigger))

    def triggers(self, deployment_id: str) -> list[Trigger]:
        """Everything that asked for a rollback of this deployment, earliest first."""
        found = self._query(f"deployment#{deployment_id}", prefix="trigger#", forward=True)
        return [decoded(item, Trigger) for item in found]

    def ask(self, deployment_id: str, ask: Ask) -> None:
        """Keep what a person asks of a deployment; the next look takes it up. A later ask replaces it."""
        with narrowed():
            self._client.put_item(**self._put(f"deployment#{deployment_id}", "ask", ask))

    def asked(self, deployment_id: str) -> Ask | None:
        """What a person has asked of this deployment."""
        item = self._get(f"deployment#{deployment_id}", "ask")
        return decoded(item, Ask) if item else None

    def hold(self, deployment: Deployment, held: Held, epoch: int) -> None:
        """Keep the task token by which a person's answer reaches the held deployment.

        Raises:
            ClaimLost: another epoch holds the claim; nothing was written.
        """
        writes = [self._put(f"deployment#{deployment.id}", "held", held)]
        self._fenced(epoch, [*writes, self._put_record(deployment)])

    def held(self, deployment_id: str) -> Held | None:
        """The HOLD that this deployment waits in or last waited in."""
        item = self._get(f"deployment#{deployment_id}", "held")
        return decoded(item, Held) if item else None

    def signal(self, signal: Signal) -> bool:
        """Keep an event and its ruling; False where this very event was kept before."""
        put = self._put("signals", f"{signal.at.isoformat()}#{signal.id}", signal)
        put["ConditionExpression"] = "attribute_not_exists(pk)"
        try:
            with narrowed():
                self._client.put_item(**put)
        except ClientError as error:
            if code_of(error) != "ConditionalCheckFailedException":
                raise
            return False
        return True

    def signals(self, limit: int) -> list[Signal]:
        """The newest events, newest first."""
        return [decoded(item, Signal) for item in self._query("signals", limit=limit)]

    # --- endings -----------------------------------------------------------------------------------------

    def rolled_back_by(self, release_digest: str) -> str:
        """The deployment that rolled this release back; empty where none did."""
        item = self._get("releases", release_digest)
        return str(item["body"]["S"]) if item else ""

    def close_incident(self, incident: Incident, deployment: Deployment, epoch: int) -> None:
        """Keep the incident, the deployment's ending and the release's mark, in one transaction.

        Raises:
            ClaimLost: another epoch holds the claim; nothing was written.
        """
        release = {
            "TableName": self._table,
            "Item": {
                "pk": {"S": "releases"},
                "sk": {"S": deployment.release.digest},
                "body": {"S": deployment.id},
            },
        }
        writes = [self._put("incidents", incident.id, incident), self._put_record(deployment)]
        self._fenced(epoch, [*writes, release])

    def incident(self, incident_id: str) -> Incident | None:
        """An incident, by its id."""
        item = self._get("incidents", incident_id)
        return decoded(item, Incident) if item else None
