"""A cutover: a deployment that changes which tables the service uses.

A gradual shift would split writes between two sets of tables, so a cutover shifts all traffic at once. Before the
aliases move, a statement in the resource policies of the previous tables denies all access. The statement is removed
only if the deployment is rolled back.

A resource policy is eventually consistent, without a documented bound
(https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_PutResourcePolicy.html). So a table counts as
blocked when probes over new connections were refused, all of them, for a while (`ProbeRun`). Writes that it accepted
in spite of the request are replayed (`orchestrator.domain.deployment.late_writes`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias

from orchestrator.domain.deployment.late_writes import ReplayProgress
from orchestrator.domain.deployment.table_sync import SyncProgress
from orchestrator.domain.verdict import Json

Policy: TypeAlias = Mapping[str, Json]

SID = "IbOauthBlockAccess"
"""The statement that blocks a table; break-glass removes it by this name."""

WRITE_ACTIONS = (
    "dynamodb:BatchWriteItem",
    "dynamodb:DeleteItem",
    "dynamodb:PartiQLDelete",
    "dynamodb:PartiQLInsert",
    "dynamodb:PartiQLUpdate",
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
)
"""All actions that write items. They are denied while the items of a table still have to be read."""

BLOCKED_ACTIONS = tuple(
    sorted(
        (
            *WRITE_ACTIONS,
            "dynamodb:BatchGetItem",
            "dynamodb:ConditionCheckItem",
            "dynamodb:GetItem",
            "dynamodb:PartiQLSelect",
            "dynamodb:Query",
            "dynamodb:Scan",
        )
    )
)
"""All actions that read or write items. Managing the table, its backups and this policy stays allowed."""


@dataclass(frozen=True)
class ProbeRun:
    """The probes of a table since the last one whose result was not the expected one. began_at: the first of them."""

    began_at: datetime | None = None

    def after(self, at: datetime, *, expected: bool) -> ProbeRun:
        """Return the run after a probe. expected: whether its result was the expected one."""
        if not expected:
            return ProbeRun()
        return self if self.began_at is not None else ProbeRun(at)

    def holds(self, at: datetime, hold: timedelta) -> bool:
        """Return whether all probes had the expected result for at least `hold`."""
        return self.began_at is not None and at - self.began_at >= hold

    def can_hold(self, at: datetime, hold: timedelta, deadline: datetime) -> bool:
        """Return whether the run can reach the length `hold` before a deadline."""
        return (self.began_at or at) + hold <= deadline


@dataclass(frozen=True)
class TableRef:
    """A table's name and ARN."""

    name: str
    arn: str


@dataclass(frozen=True)
class TableChange:
    """One table that replaces another. role: the role of both, `state` or `tokens`."""

    role: str
    leaves: TableRef
    enters: TableRef


@dataclass(frozen=True)
class Cutover:
    """The change of the service's tables by a deployment.

    Attributes:
        recovery: the restore that requested it.
        changes: every previous table (`leaves`) with its replacement (`enters`).
        gone: names of previous tables that no longer exist, and so cannot be blocked.
        block_requested_at: when their block was first requested, or since when a failback's closing holds; None before
            that.
        block_revisions: table name to the revision of its policy with the block, as PutResourcePolicy returned it.
        blocked_at: when all previous tables were verified to deny; None before that.
        failback: it returns to the original tables of a restore. They are blocked, and synchronized before the tables
            in use are closed to writes.
        sync: progress of the synchronization; None before it began.
        replay: what the previous tables accepted after the request, or since the sync began, and the new ones were
            given; None before that.
        replayed_at: when that was done, in a failback when the promotion began; before it, no alias points at the new
            tables.
        replay_back: what the new tables accepted and a rollback gave to the previous ones; None before that.
        unblock_requested_at: when a rollback first requested to unblock the previous tables; None before that. Clients
            may use them from then on, so no later attempt blocks them again.
        opens_at: until when a failback has closed the service to writes
            (`orchestrator.domain.recovery.lost_writes.closing`); None before that.
    """

    recovery: str
    changes: tuple[TableChange, ...]
    gone: tuple[str, ...] = ()
    blocked_at: datetime | None = None
    failback: bool = False
    sync: SyncProgress | None = None
    block_requested_at: datetime | None = None
    block_revisions: Mapping[str, str] = field(default_factory=dict)
    replay: ReplayProgress | None = None
    replayed_at: datetime | None = None
    unblock_requested_at: datetime | None = None
    opens_at: datetime | None = None
    replay_back: ReplayProgress | None = None

    @property
    def in_sync(self) -> bool:
        """Whether the new tables may be used: restored tables always, original tables once they are in sync."""
        return not self.failback or (self.sync is not None and self.sync.in_sync)

    @property
    def synced_since(self) -> datetime | None:
        """When a failback's table sync began: later writes to the tables in use are replayed. None before that."""
        return self.sync.began_at if self.sync else None

    @property
    def to_unblock(self) -> tuple[TableRef, ...]:
        """The new tables that are blocked: the original tables of a failback."""
        return tuple(change.enters for change in self.changes) if self.failback else ()

    @property
    def to_block(self) -> tuple[TableRef, ...]:
        """The previous tables that still exist."""
        return tuple(change.leaves for change in self.changes if change.leaves.name not in self.gone)

    @property
    def tokens_in_use(self) -> str:
        """Name of the tokens table that clients use until the aliases move; its epoch has a failback's closing."""
        return next(change.leaves.name for change in self.changes if change.role == "tokens")

    @property
    def new_table_names(self) -> tuple[str, ...]:
        """Names of the tables that the service uses after the cutover."""
        return tuple(change.enters.name for change in self.changes)


def blocked_policy(
    policy: Policy | None, table_arn: str, actions: Sequence[str] = BLOCKED_ACTIONS, exempt_role: str = ""
) -> Policy:
    """Return a table's resource policy with the statement that blocks it. Other statements stay unchanged.

    Args:
        policy: the current policy; None if there is none.
        table_arn: ARN of the table.
        actions: the actions to deny to every caller.
        exempt_role: ARN of the only role that is not denied; empty for none.
    """
    others = _other_statements(policy)
    statement: Policy = {
        "Sid": SID,
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": list(actions),
        "Resource": [table_arn, f"{table_arn}/index/*"],
        **_exemption(exempt_role),
    }
    return {**(policy or {"Version": "2012-10-17"}), "Statement": [*others, statement]}


def unblocked_policy(policy: Policy | None) -> Policy | None:
    """Return a table's resource policy without the statement that blocks it; None if nothing else is left."""
    others = _other_statements(policy)
    return {**policy, "Statement": others} if policy and others else None


def is_blocked(policy: Policy | None) -> bool:
    """Return whether a resource policy has the statement that blocks its table, fully or for writes only."""
    return any(_sid(statement) == SID for statement in _statements(policy))


def blocks(policy: Policy | None, actions: Sequence[str], exempt_role: str = "") -> bool:
    """Return whether the blocking statement denies exactly these actions, to all but this role."""
    return any(
        isinstance(statement, Mapping)
        and statement.get("Sid") == SID
        and _action_set(statement.get("Action")) == set(actions)
        and statement.get("Condition") == _exemption(exempt_role).get("Condition")
        for statement in _statements(policy)
    )


def _exemption(role: str) -> Policy:
    return {"Condition": {"ArnNotEquals": {"aws:PrincipalArn": role}}} if role else {}


def _other_statements(policy: Policy | None) -> list[Json]:
    return [statement for statement in _statements(policy) if _sid(statement) != SID]


def _statements(policy: Policy | None) -> Sequence[Json]:
    statements = (policy or {}).get("Statement", [])
    return [statements] if isinstance(statements, Mapping) else statements if isinstance(statements, list) else []


def _action_set(value: Json) -> set[object]:
    return set(value) if isinstance(value, list) else {value}


def _sid(statement: Json) -> object:
    return statement.get("Sid") if isinstance(statement, Mapping) else None
