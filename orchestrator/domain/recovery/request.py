"""The request of a recovery: its id, the names of its resources and its input, checked."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.errors import Refused
from orchestrator.domain.identifiers import new_key
from orchestrator.domain.names import DRILL_PREFIX, RESTORED_PREFIX
from orchestrator.domain.recovery.backups.kinds import (
    BackupKind,
    Selection,
    read_backup_kind,
    read_selection,
    read_within_days,
    refuse_with_backup_kind,
)
from orchestrator.domain.recovery.lost_writes.replay import read_corrupted
from orchestrator.domain.recovery.policy import RecoveryPolicy
from orchestrator.domain.recovery.record import Fault
from orchestrator.domain.schema import SettingsReader
from orchestrator.domain.texts import MAX_NAME

KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,24}")
"""Function names of a drill contain its id, and a Lambda function's name has at most 64 characters."""

RECOVERY_PREFIX = "dr-"
"""Prefix of the id of every recovery."""

"""Prefix of the names of all resources of a drill."""


@dataclass(frozen=True)
class RecoveryRequest:
    """The input of a recovery, checked.

    Attributes:
        to: the recovery point; None for the latest time to which all tables can be restored.
        fault: drill: the fault to inject.
        backup: restore: name of backups that were made of all tables together, instead of a time.
        override_freeze: restore: start even if the environment is frozen.
        skip_comparison: restore: do not compare the contents with the source.
        failback_of: id of a restore whose original tables are to be used again.
        backup_kind: drill: what to restore from.
        selection: drill: which backup of its kind to restore; of point-in-time recovery, the latest or a random point.
        within_days: drill: it selects from the backups of so many days; 0 for all.
        replay: restore: replay what was written since the recovery point.
        corrupted: restore: the kinds of item that are not replayed.
    """

    requested_by: str
    to: datetime | None = None
    fault: Fault | None = None
    backup: str = ""
    override_freeze: bool = False
    skip_comparison: bool = False
    failback_of: str = ""
    backup_kind: BackupKind = BackupKind.PITR
    selection: Selection = Selection.LATEST
    within_days: int = 0
    replay: bool = False
    corrupted: tuple[str, ...] = ()

    @property
    def chooses_point(self) -> bool:
        """Whether a recovery by point-in-time recovery has another point than the latest."""
        by_time = self.backup_kind is BackupKind.PITR
        return by_time and (self.to is not None or self.selection is not Selection.LATEST)

    @property
    def replays(self) -> tuple[str, ...] | None:
        """The kinds of item that the replay leaves out; None for no replay."""
        return self.corrupted if self.replay else None


def recovery_id(key: str) -> str:
    """Return the id of the recovery of a key. The same key always gives the same id.

    Raises:
        Refused: the key contains characters that names of drill resources must not have.
    """
    if not KEY.fullmatch(key):
        raise Refused("key", key, "give 1 to 25 letters, digits or -")
    return f"{RECOVERY_PREFIX}{key}"


def new_recovery_key(now: datetime, salt: bytes) -> str:
    """Return a key for a recovery that an operator requests."""
    return new_key(now, salt)


def scheduled_key(scheduled: datetime, kind: str = "") -> str:
    """Return the key of a scheduled drill. A repeated event gives the same key.

    Args:
        scheduled: its time.
        kind: of backup, if that has a schedule of its own.
    """
    return f"{scheduled.astimezone(UTC):%Y%m%dT%H%M%SZ}{f'-{kind}' if kind else ''}"


def target_name(kind: Kind, recovery: str, what: str, environment: str) -> str:
    """Return the name of a recovery's resource. what: a table's role, or the name of a function or an IAM role."""
    prefix = DRILL_PREFIX if kind is Kind.DRILL else RESTORED_PREFIX
    return f"{prefix}{recovery}-{what}-{environment}"


def read_recovery_request(document: Mapping[str, object], policy: RecoveryPolicy, environment: str) -> RecoveryRequest:
    """Check a recovery's input.

    Raises:
        Refused: a field is wrong. The error names the field, the value and the remedy.
    """
    fields = SettingsReader("", document, Refused)
    kind = read_backup_kind(fields)
    request = RecoveryRequest(
        requested_by=fields.text(
            "requested_by", remedy='name the requester, such as {"requested_by": "you"}', at_most=MAX_NAME
        ),
        to=read_time(fields.take("to")),
        fault=_fault(fields, policy, environment),
        backup=_optional_name(fields, "backup", "give the name of a backup that every table has"),
        override_freeze=fields.flag("override_freeze", default=False),
        skip_comparison=fields.flag("skip_comparison", default=False),
        failback_of=_optional_name(fields, "failback_of", "give the id of a restore from `orchestrator history`"),
        backup_kind=kind,
        selection=read_selection(fields, kind),
        within_days=read_within_days(fields, kind),
        replay=fields.flag("replay", default=False),
        corrupted=read_corrupted(fields.take("corrupted") or ()),
    )
    fields.refuse_unknown_keys()
    if request.backup and request.to is not None:
        raise Refused("backup", request.backup, "omit `to`: a backup has its own time")
    if request.corrupted and not request.replay:
        raise Refused("corrupted", ", ".join(request.corrupted), "it is about a replay: give `replay` as well")
    if request.failback_of:
        _refuse_with_failback(request)
    refuse_with_backup_kind(kind, request.to, request.fault)
    if request.chooses_point and request.selection is Selection.RANDOM and request.to is not None:
        raise Refused(
            "select", Selection.RANDOM.value, "omit it, or omit `to`: each of them chooses the recovery point"
        )
    return request


def _optional_name(fields: SettingsReader, key: str, remedy: str) -> str:
    name = fields.take(key)
    if name is None:
        return ""
    if not isinstance(name, str) or not name.strip() or len(name) > MAX_NAME:
        raise fields.refused(key, name, remedy)
    return name


def _refuse_with_failback(request: RecoveryRequest) -> None:
    """Refuse options of a restore in the request of a failback."""
    for option in ("to", "backup", "skip_comparison", "fault", "replay"):
        if value := getattr(request, option):
            raise Refused(option, value, "omit it: a failback restores nothing and compares everything")


def refuse_restore_options(request: RecoveryRequest) -> None:
    """Refuse a drill with options of a restore.

    Raises:
        Refused: it has one.
    """
    if request.backup:
        remedy = "a drill selects its backup: give --from backup, with --select; `orchestrator restore` takes a name"
        raise Refused("backup", request.backup, remedy)
    if request.failback_of:
        raise Refused("failback_of", request.failback_of, "a drill has no failback; use `orchestrator failback`")
    if request.skip_comparison:
        raise Refused("skip_comparison", True, "a drill always compares; omit it")
    if request.replay:
        raise Refused("replay", True, "a drill replays nothing; use `orchestrator restore`")


def refuse_drill_options(request: RecoveryRequest) -> None:
    """Refuse a restore with options of a drill.

    Raises:
        Refused: it has one.
    """
    if request.backup_kind is not BackupKind.PITR:
        raise Refused("from", request.backup_kind.value, "only a drill selects backups; a restore takes --backup NAME")
    if request.selection is not Selection.LATEST:
        raise Refused(
            "select", request.selection.value, "only a drill draws its recovery point; give a time, with --to"
        )


def read_time(value: object) -> datetime | None:
    """Read a recovery point; None is the latest.

    Raises:
        Refused: it is not a time, or has no time zone: a restore to the wrong hour is worse than none.
    """
    if value is None:
        return None
    remedy = "give a time with its zone, such as 2026-11-23T03:00:00Z"
    try:
        time = datetime.fromisoformat(str(value))
        in_utc = time.astimezone(UTC) if time.tzinfo else None
    except (ValueError, OverflowError) as error:  # no time; or one whose UTC is before year 1 or after year 9999
        raise Refused("to", value, remedy) from error
    if in_utc is None or not isinstance(value, str):
        raise Refused("to", value, remedy)
    return in_utc


def _fault(fields: SettingsReader, policy: RecoveryPolicy, environment: str) -> Fault | None:
    fault = fields.take("fault")
    if fault is None:
        return None
    if fault not in tuple(Fault):
        raise fields.refused("fault", fault, f"give one of {', '.join(Fault)}")
    if not policy.inject_faults:
        remedy = f"not allowed in {environment}: its settings do not have recovery.inject_faults = true"
        raise fields.refused("fault", fault, remedy)
    return Fault(str(fault))


def refuse_impossible_fault(fault: Fault, indexes: Collection[str]) -> None:
    """Refuse a fault that cannot be injected, because a drill without a fault proves nothing about its checks.

    Raises:
        Refused: the fault removes an index, and no table has one.
    """
    if fault is Fault.INDEX_GONE and not indexes:
        raise Refused("fault", fault.value, "no table of this service has an index; choose another fault")
