"""The ledger of deployments. Its DynamoDB table is the source of truth of the whole orchestrator.

| pk                     | sk                    | holds                                                    |
|------------------------|-----------------------|----------------------------------------------------------|
| ``lock``               | ``lock``              | the fencing token, and the execution that holds the lock |
| ``history``            | time, deployment id   | that the deployment exists                               |
| ``deployment#{id}``    | ``record``            | the deployment                                           |
| ``deployment#{id}``    | ``refused``           | why there is no plan                                     |
| ``deployment#{id}``    | ``decision#000001`` … | the chain of decisions                                   |
| ``deployment#{id}``    | ``trigger#{time}#…``  | a rollback trigger                                       |
| ``deployment#{id}``    | ``command``           | an operator command, until an evaluation takes it up     |
| ``deployment#{id}``    | ``pause``             | the task token of a pause                                |
| ``deployment#{id}``    | ``approval#001#…``    | a person's approval of a gate                            |
| ``deployment#{id}``    | ``hook#001`` …        | the one-time token of a question to a hook               |
| ``deployment#{id}``    | ``targets``           | the versions that an operator chose for its rollback     |
| ``releases``           | release digest        | that the release was rolled back                         |
| ``events``             | time, event id        | events, and the decision on each                         |
| ``incidents``          | incident id           | rollbacks that took place                                |
| ``freeze``             | ``freeze``            | the freeze switch (`orchestrator.aws.ledger.freeze`)     |

Locks are in lock.py; what deployments and recoveries have in common, and recoveries, are in records.py.

Each item has ``body``, the record as JSON, and the few attributes that conditions refer to. Every write of a lock's
holder is one transaction with a check of its fencing token, so an execution that lost the lock changes nothing
afterwards. Ids begin with the time, so a query in key order is a query by time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import msgspec
from botocore.exceptions import ClientError

from orchestrator.aws.clients import conditional_write, translate_errors
from orchestrator.aws.ledger.lock import decoded, is_condition_unmet, until_time
from orchestrator.aws.ledger.records import Records
from orchestrator.domain.deployment.gates import Approval
from orchestrator.domain.deployment.hooks import HookCall
from orchestrator.domain.deployment.record import (
    DecisionEntry,
    Deployment,
    EventRecord,
    OperatorCommand,
    PauseToken,
    RollbackTrigger,
)
from orchestrator.domain.errors import Throttled, Unreachable
from orchestrator.domain.hash_chain import GENESIS_HASH, entry_hash
from orchestrator.domain.rollback.incident import Incident

_DECISION = "decision#"


@dataclass(frozen=True)
class StoredDeployment:
    """A deployment's record and its decisions, oldest first, as JSON."""

    record: str
    decisions: tuple[str, ...]


class Ledger(Records[Deployment]):
    """Deployments with their decisions, triggers, commands, events and incidents, under the environment's lock.

    Args:
        client: botocore's DynamoDB client.
        table: the table's name.
    """

    WHAT, LISTED, KIND = "deployment", "history", Deployment

    # --- decisions ---------------------------------------------------------------------------------------

    def read_stored(self, deployment_id: str) -> StoredDeployment:
        """Return a deployment and its decisions as they are stored, for a process that decodes them. It is one query.

        Raises:
            Refused: there is no such deployment.
        """
        bodies = {
            item["sk"]["S"]: item["body"]["S"]
            for item in self._query(self._key(deployment_id), since=_DECISION, until="record", forward=True)
        }
        if "record" not in bodies:
            self.read_record(deployment_id)  # which says why there is none
            raise Unreachable(f"{deployment_id} was written only now")
        decisions = (body for key, body in bodies.items() if key.startswith(_DECISION))
        return StoredDeployment(bodies["record"], tuple(decisions))

    def read_decisions(self, deployment_id: str) -> list[DecisionEntry]:
        """Return a deployment's chain of decisions, oldest first."""
        return [decoded(item, DecisionEntry) for item in self._decision_items(deployment_id)]

    def read_decisions_after(self, deployment_id: str, number: int) -> list[DecisionEntry]:
        """Return the decisions after the first `number`, oldest first: only what is new is read."""
        new: list[DecisionEntry] = []
        while item := self._get(f"deployment#{deployment_id}", _decision_key(number + len(new) + 1)):
            new.append(decoded(item, DecisionEntry))
        return new

    def read_decision_bodies(self, deployment_id: str) -> list[Mapping[str, Any]]:
        """Return the chain of decisions as it is stored, to verify its hashes."""
        return [msgspec.json.decode(item["body"]["S"]) for item in self._decision_items(deployment_id)]

    def append_decision(self, entry: DecisionEntry, deployment: Deployment, fencing_token: int) -> DecisionEntry:
        """Append a decision to its deployment's chain and save the deployment, in one transaction.

        Each entry into a state has one decision, so a retry after a lost response finds its own, and so does a second
        invocation at the same time.

        Raises:
            LockLost: another execution holds the lock; nothing was written.
            Throttled: another entry appended a decision at the same time; nothing was written.
        """
        last = self._last_decision(deployment.id)
        if last and (last.state, last.entered) == (entry.state, entry.entered):
            return last
        chained = replace(
            entry, number=last.number + 1 if last else 1, previous_hash=last.hash if last else GENESIS_HASH, hash=""
        )
        chained = replace(chained, hash=entry_hash(chained.previous_hash, msgspec.to_builtins(chained)))
        put = self._put(f"deployment#{deployment.id}", _decision_key(chained.number), chained)
        put["ConditionExpression"] = "attribute_not_exists(pk)"
        try:
            self._write_fenced(fencing_token, [put, self._put_record(deployment)])
        except ClientError as error:
            if not is_condition_unmet(error):
                raise
            appended = self.decision_of(deployment.id, entry.state, entry.entered)
            if appended is None:
                raise Throttled(f"another decision of {deployment.id} was appended at the same time") from error
            return appended
        return chained

    def decision_of(self, deployment_id: str, state: str, entered: str) -> DecisionEntry | None:
        """Return the decision that this entry of a state has made already, if it is the newest; None otherwise."""
        last = self._last_decision(deployment_id)
        return last if last and (last.state, last.entered) == (state, entered) else None

    def _last_decision(self, deployment_id: str) -> DecisionEntry | None:
        items = self._query(f"deployment#{deployment_id}", prefix=_DECISION, limit=1)
        return decoded(items[0], DecisionEntry) if items else None

    def _decision_items(self, deployment_id: str) -> Sequence[Mapping[str, Any]]:
        return self._query(f"deployment#{deployment_id}", prefix=_DECISION, forward=True)

    # --- triggers, operator commands and events ----------------------------------------------------------

    def add_trigger(self, deployment_id: str, trigger: RollbackTrigger) -> None:
        """Record a rollback trigger."""
        key = f"trigger#{trigger.at.isoformat()}#{trigger.source}"
        with translate_errors():
            self._client.put_item(**self._put(f"deployment#{deployment_id}", key, trigger))

    def read_triggers(self, deployment_id: str) -> list[RollbackTrigger]:
        """Return a deployment's rollback triggers, earliest first."""
        items = self._query(f"deployment#{deployment_id}", prefix="trigger#", forward=True)
        return [decoded(item, RollbackTrigger) for item in items]

    def record_command(self, deployment_id: str, command: OperatorCommand) -> None:
        """Record an operator command; the next evaluation takes it up. A later command replaces it."""
        with translate_errors():
            self._client.put_item(**self._put(f"deployment#{deployment_id}", "command", command))

    def pending_command(self, deployment_id: str) -> OperatorCommand | None:
        """Return the newest operator command for a deployment; None if there is none."""
        item = self._get(f"deployment#{deployment_id}", "command")
        return decoded(item, OperatorCommand) if item else None

    def record_pause(self, deployment: Deployment, pause: PauseToken, fencing_token: int) -> None:
        """Record the task token by which an operator command resumes a paused deployment, and save the deployment.

        Raises:
            LockLost: another execution holds the lock; nothing was written.
        """
        writes = [self._put(f"deployment#{deployment.id}", "pause", pause), self._put_record(deployment)]
        self._write_fenced(fencing_token, writes)

    def pause_token(self, deployment_id: str) -> PauseToken | None:
        """Return the deployment's current or last pause; None if it never paused."""
        item = self._get(f"deployment#{deployment_id}", "pause")
        return decoded(item, PauseToken) if item else None

    def record_approval(self, deployment_id: str, gate: int, approval: Approval) -> bool:
        """Record a person's approval of a gate; return False if this person has approved it before.

        Args:
            deployment_id: the deployment.
            gate: the gate's index in its plan.
            approval: who approved it, and when.
        """
        put = self._put(f"deployment#{deployment_id}", f"approval#{gate:03}#{approval.by}", approval)
        put["ConditionExpression"] = "attribute_not_exists(pk)"
        return conditional_write(self._client.put_item, **put) is not None

    def read_approvals(self, deployment_id: str, gate: int) -> list[Approval]:
        """Return the approvals of a deployment's gate, by its index in the plan."""
        items = self._query(f"deployment#{deployment_id}", prefix=f"approval#{gate:03}#", forward=True)
        return [decoded(item, Approval) for item in items]

    def open_hook_call(self, deployment: Deployment, call: HookCall) -> HookCall:
        """Record the question that a deployment asks at the gate that it waits for; a repeated task gets the first one.

        Args:
            deployment: it waits for a hook.
            call: the question if none was asked at this gate yet.
        """
        key = f"hook#{len(deployment.gates):03}"
        put = self._put(f"deployment#{deployment.id}", key, call)
        put["ConditionExpression"] = "attribute_not_exists(pk)"
        if conditional_write(self._client.put_item, **put) is not None:
            return call
        return decoded(self._get(f"deployment#{deployment.id}", key) or {}, HookCall)

    def record_targets(self, deployment_id: str, targets: Mapping[str, str]) -> None:
        """Record the versions to which an operator wants a deployment rolled back. targets: function to version."""
        with translate_errors():
            self._client.put_item(**self._put(f"deployment#{deployment_id}", "targets", targets))

    def read_targets(self, deployment_id: str) -> Mapping[str, str]:
        """Return the versions that an operator chose for a deployment's rollback, by function; empty if none did."""
        item = self._get(f"deployment#{deployment_id}", "targets")
        return msgspec.json.decode(item["body"]["S"], type=dict[str, str]) if item else {}

    def record_event(self, event: EventRecord) -> bool:
        """Record an event and the decision on it; return False if this event was recorded before."""
        put = self._put("events", f"{event.at.isoformat()}#{event.id}", event)
        put["ConditionExpression"] = "attribute_not_exists(pk)"
        return conditional_write(self._client.put_item, **put) is not None

    def find_event(self, event_id: str, at: datetime) -> EventRecord | None:
        """Return the record of an event by its id and time; None if it was not recorded."""
        item = self._get("events", f"{at.isoformat()}#{event_id}")
        return decoded(item, EventRecord) if item else None

    def read_events(self, limit: int) -> list[EventRecord]:
        """Return the newest events, newest first."""
        return [decoded(item, EventRecord) for item in self._query("events", limit=limit)]

    def read_events_between(self, start: datetime, end: datetime) -> list[EventRecord]:
        """Return all events from `start` to `end`, both included, newest first."""
        listed = self._query("events", since=start.isoformat(), until=until_time(end))
        return [decoded(item, EventRecord) for item in listed]

    # --- outcomes ----------------------------------------------------------------------------------------

    def rolled_back_by(self, release_digest: str) -> str:
        """Return the id of the deployment that rolled this release back; empty if none did."""
        item = self._get("releases", release_digest)
        return str(item["body"]["S"]) if item else ""

    def close_incident(
        self, incident: Incident, deployment: Deployment, fencing_token: int, *, bars_release: bool = True
    ) -> None:
        """Record the incident, the deployment's outcome and that its release was rolled back, in one transaction.

        Args:
            incident: the incident.
            deployment: the ended deployment.
            fencing_token: of the rollback.
            bars_release: whether its release must not be deployed again without `--force`.

        Raises:
            LockLost: another execution holds the lock; nothing was written.
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
        self._write_fenced(fencing_token, [*writes, release] if bars_release else writes)

    def read_incident(self, incident_id: str) -> Incident | None:
        """Return an incident by its id; None if there is none."""
        item = self._get("incidents", incident_id)
        return decoded(item, Incident) if item else None


def _decision_key(number: int) -> str:
    return f"{_DECISION}{number:06}"
