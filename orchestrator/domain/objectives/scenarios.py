"""The scenario of a recovery: what it recovered from, and by what. Each scenario has objectives of its own.

| scenario | recoveries |
|---|---|
| `drill-pitr`, `drill-backup`, `drill-vault`, `drill-copy` | drills, by the backup that they restore |
| `restore` | restores of the tables in use, to a time or from a backup |
| `failback` | returns to the original tables |

Other names, such as `region-lost`, are scenarios of rehearsals. A name is of lower-case letters, digits and hyphens.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.backups.kinds import BackupKind
from orchestrator.domain.recovery.record import Objectives, Recovery, RecoveryOutcome
from orchestrator.domain.schema import SettingsReader
from orchestrator.domain.untrusted_json import decode_untrusted, problem_of, quoted

SCENARIO = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
MINUTES = (0.01, 10_080)
"""From under a second to a week."""
REHEARSAL = "rehearsal"
EARLIER_RUNS = 10
RESTORE, FAILBACK, DRILL = "restore", "failback", "drill"


@dataclass(frozen=True)
class ScenarioRun:
    """One recovery from a scenario.

    Attributes:
        scenario: its name.
        id: of the recovery; `REHEARSAL` for a rehearsal, which is not in the ledger.
        at: when it was requested.
        succeeded: whether it ended as it should.
        recovery_time: measured; None if it was not.
        data_loss: measured; None if it was not.
    """

    scenario: str
    id: str
    at: datetime
    succeeded: bool
    recovery_time: timedelta | None
    data_loss: timedelta | None


def scenario_name(kind: Kind, backup_kind: BackupKind, failback_of: str | None) -> str:
    """Return the scenario of a recovery of a kind."""
    if kind is Kind.DRILL:
        return f"{DRILL}-{backup_kind}"
    return FAILBACK if failback_of else RESTORE


def scenario_of(recovery: Recovery) -> str:
    """Return the scenario of a recovery."""
    return scenario_name(recovery.kind, recovery.backup_kind, recovery.failback_of)


def evidence_kind(recovery: Recovery) -> str:
    """Return the kind of a recovery in the evidence chain and in metrics: a drill of each kind of backup has its own."""
    of_backup = recovery.kind is Kind.DRILL and recovery.backup_kind is not BackupKind.PITR
    return scenario_of(recovery) if of_backup else str(recovery.kind)


def run_of(recovery: Recovery) -> ScenarioRun | None:
    """Return a recovery as a run of its scenario; None if it is none.

    It is none while it runs, if it was refused, or if a fault was injected: then it does not show how we recover.
    """
    if recovery.ended_at is None or recovery.fault or recovery.outcome is RecoveryOutcome.REFUSED:
        return None
    return ScenarioRun(
        scenario_of(recovery),
        recovery.id,
        recovery.requested_at,
        recovery.outcome is RecoveryOutcome.SUCCEEDED,
        recovery.measured.recovery_time,
        recovery.measured.data_loss,
    )


def earlier_runs(recovery: Recovery, records: Iterable[Recovery]) -> tuple[ScenarioRun, ...]:
    """Return the last `EARLIER_RUNS` runs of a recovery's scenario that were requested before it, oldest first."""
    runs = [run for run in map(run_of, records) if run is not None]
    before = [run for run in runs if run.scenario == scenario_of(recovery) and run.at < recovery.requested_at]
    return tuple(sorted(before, key=lambda run: run.at)[-EARLIER_RUNS:])


def read_scenarios(settings: SettingsReader) -> Mapping[str, Objectives]:
    """Read ``[….recovery.scenarios]``: a table with `rto_minutes` and `rpo_minutes` for each scenario by name.

    Raises:
        Refused: a name is not one of a scenario, or a value is missing or out of range.
    """
    found = {}
    for name, own in settings.children().items():
        if not SCENARIO.fullmatch(name):
            settings.observer.refused(settings.refused(name, name, "name it as in region-lost"), {})
        found[name] = Objectives(
            recovery_time=timedelta(minutes=own.number("rto_minutes", *MINUTES)),
            data_loss=timedelta(minutes=own.number("rpo_minutes", *MINUTES)),
        )
        own.refuse_unknown_keys()
    return found


def read_rehearsals(text: bytes) -> tuple[ScenarioRun, ...]:
    """Read a record of rehearsals: a JSON object with the last run of each scenario by name.

    A run has `started_at`, `recovery_seconds` and `loss_seconds`; a value of null was not measured. It succeeded if
    `ended` says that the service works again, and `problem` is empty.

    Raises:
        Refused: it is no such record.
    """
    try:
        document: Any = decode_untrusted(text)
        runs = tuple(_rehearsal(str(name), run) for name, run in document.items())
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise Refused(
            "rehearsals", f"{len(text)} bytes", f"give a record of rehearsals: {problem_of(error)}"
        ) from error
    return runs


def _rehearsal(name: str, run: Mapping[str, Any]) -> ScenarioRun:
    at = datetime.fromisoformat(run["started_at"])
    if at.tzinfo is None or not SCENARIO.fullmatch(name):
        raise ValueError(f"{quoted(name)} has no name of a scenario, or a time without a zone")
    succeeded = bool(run["ended"]) and not run["problem"]
    return ScenarioRun(
        name, REHEARSAL, at, succeeded, _duration(run["recovery_seconds"]), _duration(run["loss_seconds"])
    )


def _duration(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


def run_as_json(run: ScenarioRun) -> dict[str, Any]:
    """Return a run as JSON."""
    return {
        "id": run.id,
        "at": run.at.isoformat(),
        "succeeded": run.succeeded,
        "recovery_seconds": None if run.recovery_time is None else run.recovery_time.total_seconds(),
        "data_loss_seconds": None if run.data_loss is None else run.data_loss.total_seconds(),
    }
