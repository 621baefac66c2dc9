"""Gates: what a strategy waits for before a step, before the promotion, or after it. Read from settings, and decided.

| type      | passes                                                                                                |
|-----------|-------------------------------------------------------------------------------------------------------|
| `pause`   | when an operator resumes the deployment                                                               |
| `approve` | when as many of the named approvers as `quorum` says have approved it, one of them not the requester  |
| `window`  | while one of its weekly windows is open, in UTC (`calendar.py`)                                       |
| `hook`    | when a hook of the environment answers PASS (`hooks.py`)                                              |

A gate that has not passed by its deadline rolls the deployment back. `orchestrator promote` skips the steps, pauses and
windows that are left, and no approval. Of the hooks it calls those before the promotion.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from orchestrator.domain.deployment.calendar import MAX_WAIT, Blackout, Calendar, read_windows
from orchestrator.domain.schema import SettingsReader
from orchestrator.domain.setting_rules import Text

MAX_DEADLINE_SECONDS = int(MAX_WAIT.total_seconds())
"""Six days, for every gate as for the calendar."""

MAX_QUORUM = 20

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_APPROVER = re.compile(
    r"arn:aws:iam::[0-9]{12}:(role|user)/[\w+=,.@/-]+|arn:aws:sts::[0-9]{12}:assumed-role/[\w+=,.@-]+/[\w+=,.@-]+"
    r"|[\w+=,.@-]{1,128}"
)
_ARN = re.compile(r"arn:aws:(iam|sts)::(?P<account>[0-9]{12}):(?P<kind>role|user|assumed-role)/(?P<names>.+)")


class GateKind(StrEnum):
    """What a gate waits for."""

    PAUSE = "pause"
    APPROVE = "approve"
    WINDOW = "window"
    HOOK = "hook"


@dataclass(frozen=True)
class Gate:
    """One gate of a plan.

    Attributes:
        name: its name in records and messages, such as ``approve``.
        before_step: index of the step that it precedes; the number of steps if it precedes the promotion, and one more
            if it follows the promotion.
        deadline: how long it may take to pass, from the moment it is reached.
        approvers: names, or ARNs of IAM roles and users, of those who may approve.
        quorum: how many different people must approve.
        requester_alone: whether the requester's own approval may be the only one.
        windows: weekly windows, such as ``Mon-Thu 08:00-16:00``.
        time_zone: of the windows and blackouts; UTC, but for the gate of the environment's calendar.
        blackouts: days without any window.
    """

    kind: GateKind
    name: str
    before_step: int
    deadline: timedelta
    approvers: tuple[str, ...] = ()
    quorum: int = 1
    requester_alone: bool = False
    windows: tuple[str, ...] = ()
    time_zone: str = "UTC"
    blackouts: tuple[Blackout, ...] = ()

    @property
    def skipped_by_promotion(self) -> bool:
        """Whether an operator's promotion skips it."""
        return self.kind in {GateKind.PAUSE, GateKind.WINDOW}

    @property
    def description(self) -> str:
        """What it waits for, in words."""
        if self.kind is GateKind.APPROVE:
            return f"{self.name}: {self.quorum} of {', '.join(self.approvers)}"
        if self.kind is GateKind.WINDOW:
            return f"{self.name}: {', '.join(self.windows)} {self.time_zone}"
        if self.kind is GateKind.HOOK:
            return f"{self.name}: hook"
        return f"{self.name}: until it is resumed"


@dataclass(frozen=True)
class GateRecord:
    """A gate that a deployment has reached.

    Attributes:
        gate: its index in the plan.
        passed_at: when it passed; None while the deployment waits for it.
        by: what or who let it pass.
        failed: a hook answered FAIL.
    """

    gate: int
    reached_at: datetime
    passed_at: datetime | None = None
    by: str = ""
    failed: bool = False


@dataclass(frozen=True)
class Approval:
    """One person's approval of a gate. `by`: the caller's ARN by STS, or the operator's name on the local cloud."""

    by: str
    at: datetime


def read_gate(table: SettingsReader, kind: GateKind, before_step: int) -> Gate:
    """Read a gate from an entry of a strategy, whose type was taken: a pause, an approval or a window.

    Raises:
        Refused: the entry is wrong. The error names the field, the value and the remedy.
    """
    gate = Gate(
        kind=kind,
        name=table.text("name", matching=_NAME, remedy=_NAME_REMEDY) if "name" in table else kind.value,
        before_step=before_step,
        deadline=timedelta(seconds=table.whole_number("deadline_seconds", 1, MAX_DEADLINE_SECONDS)),
        approvers=_approvers(table) if kind is GateKind.APPROVE else (),
        quorum=table.whole_number("quorum", 1, MAX_QUORUM) if kind is GateKind.APPROVE and "quorum" in table else 1,
        requester_alone=kind is GateKind.APPROVE and table.flag("requester_may_approve_alone", default=False),
        windows=read_windows(table, "windows") if kind is GateKind.WINDOW else (),
    )
    table.refuse_unknown_keys()
    return gate


def calendar_gate(calendar: Calendar, deadline: timedelta) -> Gate:
    """Return the gate that holds a deployment before its first traffic until the calendar opens."""
    return Gate(
        kind=GateKind.WINDOW,
        name="calendar",
        before_step=0,
        deadline=deadline,
        windows=calendar.windows,
        time_zone=calendar.time_zone,
        blackouts=calendar.blackouts,
    )


_NAME_REMEDY = "give a name of up to 32 lower-case letters, digits and hyphens"


def _approvers(table: SettingsReader) -> tuple[str, ...]:
    approvers = table.texts("approvers", at_least=1, described_by=Text(matching=_APPROVER))
    for approver in approvers:
        if not _APPROVER.fullmatch(approver):
            raise table.refused("approvers", approver, "give the ARN of an IAM role or user, or a name without spaces")
    return approvers


def is_approver(gate: Gate, person: str) -> bool:
    """Return whether a person is among a gate's approvers.

    A name in the settings is a name of the local cloud's operators: the name of a role's session is chosen by the
    caller and proves nothing. The ARN of a session has no path, so a role is recognised by its account and its name.

    Args:
        gate: an approval gate.
        person: the caller's ARN by STS, such as ``arn:aws:sts::123456789012:assumed-role/Approvers/ann``, or a name.
    """
    return any(
        approver == person or (":iam::" in approver and _principal(approver) == _principal(person))
        for approver in gate.approvers
    )


def _last_name(person: str) -> str:
    """Return the last name of an ARN, or a name, in lower case and without the domain of an address.

    One person is ``ann`` to a login and ``Ann@example.com`` to IAM Identity Center.
    """
    last = person.rpartition("/")[2].casefold()
    return last.partition("@")[0] or last


def _principal(person: str) -> str:
    """Return the account and the role or user of an ARN without its path; other texts as they are."""
    found = _ARN.fullmatch(person)
    if found is None:
        return person
    account, kind, names = found["account"], found["kind"], found["names"].split("/")
    return f"{account} role {names[0]}" if kind == "assumed-role" else f"{account} {kind} {names[-1]}"


def missing_approvals(gate: Gate, approvals: Sequence[Approval], requester: str, requested_as: str = "") -> str:
    """Return what an approval gate still lacks, in words; empty if it passes.

    Approvals of those who are not approvers, and a second one of the same person, do not count. Two ARNs with the same
    last name are one person, who may have a role and a user.

    Args:
        gate: an approval gate.
        approvals: those that the ledger has.
        requester: who requested the deployment, as its record names it: the requester chooses this name.
        requested_as: the ARN by STS of the request's credentials; empty if it is not known.
    """
    people = {_last_name(approval.by) for approval in approvals if is_approver(gate, approval.by)}
    if len(people) < gate.quorum:
        return f"{gate.quorum - len(people)} of {gate.quorum} approvals"
    requesters = {_last_name(requester), _last_name(requested_as)}
    if gate.requester_alone or people - requesters:
        return ""
    credentials = f" ({requested_as})" if requested_as and requested_as != requester else ""
    return f"an approval by another person than the requester, {requester}{credentials}"
