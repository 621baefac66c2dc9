"""The evidence report of a recovery: one document with the fields of an after-action report.

It is derived from the recovery's record alone, so everything in it was decided and stored before. It contains no item
of a table, no recoverable key, no token, and no personal data except the requester's name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from orchestrator.domain.configuration.normalization import canonical_json
from orchestrator.domain.configuration.snapshot import SnapshotRecord
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.objectives.scenarios import ScenarioRun, run_as_json, scenario_of
from orchestrator.domain.recovery.record import CheckResult, Recovery, RecoveryOutcome, concluded
from orchestrator.domain.recovery.restored_table import with_error
from orchestrator.domain.texts import measured_seconds
from orchestrator.domain.verdict import Json, Outcome

FORMAT = 1

_LOOKS_SECRET = re.compile(r"\bib[a-z]{1,4}_[A-Za-z0-9_.-]{16,}|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
"""A credential of the service, and a signed token. No check result should contain one; if one does, it is withheld."""
WITHHELD = "<withheld>"
_NOT_CONCLUDED = {"Error": "NotConcluded", "Cause": "the recovery ended before it was concluded"}


def report_of(
    recovery: Recovery, configuration: SnapshotRecord | None, earlier: Sequence[ScenarioRun] = ()
) -> Mapping[str, Any]:
    """Return the evidence report of a recovery.

    Args:
        recovery: the recovery at its end.
        configuration: the newest configuration snapshot at that time; None if there was none.
        earlier: earlier runs of its scenario, oldest first.
    """
    assert recovery.ended_at is not None, "only an ended recovery has evidence"
    failed = [
        result for result in recovery.check_results if result.decides and result.verdict.outcome is not Outcome.PASS
    ]
    informational = [result for result in recovery.check_results if not result.decides]
    report = {
        "format": FORMAT,
        "summary": _summary(recovery),
        "recovery": {
            "id": recovery.id,
            "kind": recovery.kind,
            "environment": recovery.environment,
            "outcome": recovery.outcome,
            "reason": recovery.reason,
            "requested_by": recovery.requested_by,
            "requested_at": _timestamp(recovery.requested_at),
            "ended_at": _timestamp(recovery.ended_at),
            "failback_of": recovery.failback_of,
            "execution": recovery.execution,
            "fencing_token": recovery.fencing_token,
            "fault": recovery.fault,
        },
        "scope": {
            "backup_kind": recovery.backup_kind,
            "selection": recovery.selection,
            "point": _timestamp(recovery.point),
            "latest_restorable": _timestamp(recovery.latest),
            "standing_grants": _timestamp(recovery.standing_grants),
            "tables": [
                {
                    "role": table.role,
                    "source": table.source,
                    "source_arn": table.source_arn,
                    "target": table.target,
                    "backup_arn": table.backup_arn,
                    "backup_at": _timestamp(table.backup_at),
                    "restore_job": table.restore_job,
                    "copy_job": table.copy_job,
                    "copied_arn": table.copied_arn,
                    "uncertainty_seconds": table.uncertainty.total_seconds(),
                    "items": table.items,
                    "size_bytes": table.size_bytes,
                    "asked_for_at": _timestamp(table.started_at),
                    "ready_at": _timestamp(table.ready_at),
                }
                for table in recovery.tables
            ],
            "functions": sorted(recovery.service.functions.values()),
        },
        "objectives": [
            _objective("recovery_time", recovery.measured.recovery_time, recovery.objectives.recovery_time, ""),
            _objective(
                "data_loss", recovery.measured.data_loss, recovery.objectives.data_loss, recovery.measured.source
            ),
        ],
        "scenario": {"name": scenario_of(recovery), "earlier_runs": [run_as_json(run) for run in earlier]},
        "timeline": {
            "wall_seconds": (recovery.ended_at - recovery.requested_at).total_seconds(),
            "phases": [
                {
                    "name": phase.name,
                    "began": _timestamp(phase.began),
                    "ended": _timestamp(phase.ended),
                    "seconds": phase.took.total_seconds(),
                }
                for phase in recovery.phases
            ],
        },
        "findings": [_check_result(result) for result in recovery.check_results],
        "went_well": [result.check for result in recovery.check_results if result.verdict.outcome is Outcome.PASS],
        "went_wrong": [f"{result.check}: {result.verdict.outcome}: {result.verdict.reason}" for result in failed],
        "source_at_point": _sources(recovery.check_results),
        "residual": _residual(recovery, failed, informational),
        "cost": {
            "expected_usd": recovery.cost.usd,
            "parts": dict(recovery.cost.parts),
            "prices_of": recovery.cost.prices_of,
        },
        "configuration": {"bundle": configuration.id, "digest": configuration.digest} if configuration else None,
    }
    cleaned: Mapping[str, Any] = _without_secrets(report)
    return cleaned


def as_concluded(recovery: Recovery, error: Mapping[str, str], now: datetime) -> Recovery:
    """Return the recovery at its end. A recovery that was not concluded is FAILED, with the caught error if any.

    Args:
        recovery: its record in the ledger.
        error: ``Error`` and ``Cause`` of a Catch; empty if nothing failed.
        now: the current time.
    """
    if recovery.ended_at is not None:
        return recovery
    return concluded(with_error(recovery, error or _NOT_CONCLUDED), now)


def report_document(report: Mapping[str, Any]) -> bytes:
    """Serialize a report as the file that is stored."""
    return canonical_json(report)


def _summary(recovery: Recovery) -> str:
    tables = " and ".join(table.source for table in recovery.tables)
    what = f"{recovery.kind} {recovery.id} of {recovery.environment}"
    match recovery.outcome:
        case RecoveryOutcome.SUCCEEDED:
            result = (
                "every check passed" if all(result.decides for result in recovery.check_results) else recovery.reason
            )
        case RecoveryOutcome.REFUSED:
            return f"{what} was refused, and nothing was created: {recovery.reason}"
        case _:
            result = f"it failed: {recovery.reason}"
    measured = recovery.measured
    took, lost = (measured_seconds(duration) for duration in (measured.recovery_time, measured.data_loss))
    action = f"{tables} restored to {recovery.point:%Y-%m-%d %H:%M:%S} UTC"
    if recovery.failback_of:
        action = f"{tables} replaced by the original tables of restore {recovery.failback_of}, with all writes since"
    return f"{what}: {action}; {result}. Recovery time {took}, data loss {lost}."


def _objective(name: str, measured: timedelta | None, objective: timedelta, source: str) -> Mapping[str, Json]:
    return {
        "name": name,
        "promised_seconds": objective.total_seconds(),
        "measured_seconds": None if measured is None else measured.total_seconds(),
        # An objective that was not measured is not met.
        "met": measured is not None and measured <= objective,
        "measured_by": source,
    }


def _check_result(result: CheckResult) -> Mapping[str, Json]:
    return {
        "check": result.check,
        "outcome": result.verdict.outcome,
        "decides": result.decides,
        "reason": result.verdict.reason,
        "figures": dict(result.figures),
    }


def _sources(results: Sequence[CheckResult]) -> Mapping[str, Json]:
    """Return, by check, the evidence for what the source held at the recovery point."""
    return {
        result.check: result.figures["source_at_point"] for result in results if "source_at_point" in result.figures
    }


def _residual(recovery: Recovery, failed: Sequence[CheckResult], informational: Sequence[CheckResult]) -> list[str]:
    """Return what remains to be done."""
    remaining = []
    if recovery.fault:
        remaining.append(
            f"a fault was injected into the restored tables ({recovery.fault}): "
            "the result shows whether drills detect it, not whether a restore works"
        )
    if recovery.outcome is not RecoveryOutcome.REFUSED:
        remaining += _leftover_resources(recovery)
        if not any("source_at_point" in result.figures for result in recovery.check_results):
            remaining.append("there is no evidence of what the source held at the point: the contents are not proved")
        for name, duration in (
            ("recovery time", recovery.measured.recovery_time),
            ("data loss", recovery.measured.data_loss),
        ):
            if duration is None:
                remaining.append(f"{name} was not measured")
    remaining += [f"{result.check} has to be fixed" for result in failed if result.verdict.outcome is Outcome.FAIL]
    remaining += [
        f"{result.check} could not be judged"
        for result in failed
        if result.verdict.outcome in {Outcome.INCONCLUSIVE, Outcome.ERROR}
    ]
    remaining += [
        f"{result.check} could not be judged, and the outcome does not depend on it" for result in informational
    ]
    return remaining


def _leftover_resources(recovery: Recovery) -> list[str]:
    """Return the remaining resources, and who may remove them. Restored tables are only removed by an operator."""
    if recovery.kind is Kind.RESTORE:
        used, unused = ("target", "source") if recovery.in_use else ("source", "target")
        tables = ", ".join(str(getattr(table, unused)) for table in recovery.tables)
        return [f"{tables} stay until an operator removes them; the service uses the {used}s"]
    if recovery.cleaned_at is None:
        return [f"its resources may still exist; anyone may remove them after {_timestamp(recovery.expires_at)}"]
    return []


def _timestamp(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _without_secrets(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_without_secrets(str(key)): _without_secrets(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_secrets(inner) for inner in value]
    return _LOOKS_SECRET.sub(WITHHELD, value) if isinstance(value, str) else value
