"""A cut-over: a deployment that changes which tables the service uses.

Moving a share of the traffic to other tables would split what is written, so a cut-over moves all of it at once, behind a closed
door: before the aliases move, the tables that are left are closed to everybody by a statement in their resource policies, and it is
seen that they are. They are opened again only where the deployment is undone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from orchestrator.domain.levelling import Levelling
from orchestrator.domain.verdict import Json

Policy: TypeAlias = Mapping[str, Json]

SID = "IbOauthClosed"
"""The statement that closes a table; break-glass removes it by this name."""

WRITES = (
    "dynamodb:BatchWriteItem",
    "dynamodb:DeleteItem",
    "dynamodb:PartiQLDelete",
    "dynamodb:PartiQLInsert",
    "dynamodb:PartiQLUpdate",
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
)
"""Everything that writes items: denied while what is in a table is still to be read."""

CLOSED_ACTIONS = tuple(
    sorted(
        (
            *WRITES,
            "dynamodb:BatchGetItem",
            "dynamodb:ConditionCheckItem",
            "dynamodb:GetItem",
            "dynamodb:PartiQLSelect",
            "dynamodb:Query",
            "dynamodb:Scan",
        )
    )
)
"""Everything that reads or writes items. What manages the table, its backups and this policy stays allowed."""

DENIALS_IN_A_ROW = 3
"""A policy reaches the parts of DynamoDB one after the other: one denial does not say that all deny."""


@dataclass(frozen=True)
class Table:
    """A table, by name and ARN."""

    name: str
    arn: str


@dataclass(frozen=True)
class TableChange:
    """Which table takes another's place. role: what both are to the service, `state` or `tokens`."""

    role: str
    leaves: Table
    enters: Table


@dataclass(frozen=True)
class CutOver:
    """What a deployment does to the service's tables.

    Attributes:
        recovery: the restore that asked for it.
        changes: every table that is left, with the one that takes its place; a table that is gone cannot be closed.
        gone: names of the tables among those that are not there any more.
        closed_at: when all tables that are left were seen to deny; None before that.
        back: it goes back to tables that a restore had left: they are closed, and are brought level before they are used.
        levelling: how far that has come; None before it began.
    """

    recovery: str
    changes: tuple[TableChange, ...]
    gone: tuple[str, ...] = ()
    closed_at: datetime | None = None
    back: bool = False
    levelling: Levelling | None = None

    @property
    def level(self) -> bool:
        """Whether the tables that the service is to use may be used: those that a restore has made, or that were brought level."""
        return not self.back or (self.levelling is not None and self.levelling.level)

    @property
    def to_open(self) -> tuple[Table, ...]:
        """The tables that are entered and were closed before: those that are gone back to."""
        return tuple(change.enters for change in self.changes) if self.back else ()

    @property
    def to_close(self) -> tuple[Table, ...]:
        """The tables that are left and still there."""
        return tuple(change.leaves for change in self.changes if change.leaves.name not in self.gone)

    @property
    def entered(self) -> tuple[str, ...]:
        """Names of the tables that the service uses afterwards."""
        return tuple(change.enters.name for change in self.changes)


def closed(policy: Policy | None, table_arn: str, actions: Sequence[str] = CLOSED_ACTIONS) -> Policy:
    """Return a table's resource policy with the statement that closes it; statements of others stay as they are.

    Args:
        policy: as it is; None where there is none.
        table_arn: the table's.
        actions: what everybody is denied.
    """
    kept = _others(policy)
    statement: Policy = {
        "Sid": SID,
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": list(actions),
        "Resource": [table_arn, f"{table_arn}/index/*"],
    }
    return {**(policy or {"Version": "2012-10-17"}), "Statement": [*kept, statement]}


def opened(policy: Policy | None) -> Policy | None:
    """Return a table's resource policy without the statement that closes it; None where nothing else is in it."""
    kept = _others(policy)
    return {**policy, "Statement": kept} if policy and kept else None


def is_closed(policy: Policy | None) -> bool:
    """Whether a resource policy has the statement that closes its table, be it to writes alone."""
    return any(_sid(statement) == SID for statement in _statements(policy))


def denies(policy: Policy | None, actions: Sequence[str]) -> bool:
    """Whether the statement that closes a table denies these actions, and no others."""
    return any(
        isinstance(one, Mapping) and one.get("Sid") == SID and _texts(one.get("Action")) == set(actions)
        for one in _statements(policy)
    )


def _others(policy: Policy | None) -> list[Json]:
    return [statement for statement in _statements(policy) if _sid(statement) != SID]


def _statements(policy: Policy | None) -> Sequence[Json]:
    found = (policy or {}).get("Statement", [])
    return [found] if isinstance(found, Mapping) else found if isinstance(found, list) else []


def _texts(value: Json) -> set[object]:
    return set(value) if isinstance(value, list) else {value}


def _sid(statement: Json) -> object:
    return statement.get("Sid") if isinstance(statement, Mapping) else None
