"""What is left of a recovery for whoever asks later: one document with the fields of an after-action report.

It is built from the recovery's record alone, so that everything it says was decided and kept before it was written. It holds no
item of a table, no key of one that could be read back, no token, and of people only who asked for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from orchestrator.domain.configuration import Taken
from orchestrator.domain.normal_form import canonical
from orchestrator.domain.records import Kind
from orchestrator.domain.recovery import Finding, Recovery, RecoveryEnding, concluded
from orchestrator.domain.restored import broken
from orchestrator.domain.verdict import Json, Outcome

FORMAT = 1
NOT_MEASURED = "not measured"

_LOOKS_SECRET = re.compile(r"\bib[a-z]{1,4}_[A-Za-z0-9_.-]{16,}|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
"""A credential of the service's, and a signed token. No finding should carry one; if one does, it ends here."""
WITHHELD = "<withheld>"
_NOBODY_CONCLUDED = {"Error": "NotConcluded", "Cause": "it ended before anybody judged it"}


def report_of(recovery: Recovery, configuration: Taken | None) -> Mapping[str, Any]:
    """Put a recovery's evidence together.

    Args:
        recovery: as it ended.
        configuration: the newest configuration bundle when it ended; None where there was none.
    """
    assert recovery.ended_at is not None, "evidence is of what has ended"
    bad = [one for one in recovery.findings if one.decides and one.verdict.outcome is not Outcome.PASS]
    unknown = [one for one in recovery.findings if not one.decides]
    report = {
        "format": FORMAT,
        "summary": _summary(recovery),
        "recovery": {
            "id": recovery.id,
            "kind": recovery.kind,
            "environment": recovery.environment,
            "ending": recovery.ending,
            "reason": recovery.reason,
            "requested_by": recovery.requested_by,
            "requested_at": _moment(recovery.requested_at),
            "ended_at": _moment(recovery.ended_at),
            "back": recovery.back,
            "execution": recovery.execution,
            "epoch": recovery.epoch,
            "sabotage": recovery.sabotage,
        },
        "scope": {
            "point": _moment(recovery.point),
            "latest_restorable": _moment(recovery.latest),
            "tables": [
                {
                    "role": table.role,
                    "source": table.source,
                    "source_arn": table.source_arn,
                    "target": table.target,
                    "items": table.items,
                    "size_bytes": table.size_bytes,
                    "asked_for_at": _moment(table.started_at),
                    "ready_at": _moment(table.ready_at),
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
        "timeline": {
            "wall_seconds": (recovery.ended_at - recovery.requested_at).total_seconds(),
            "phases": [
                {
                    "name": phase.name,
                    "began": _moment(phase.began),
                    "ended": _moment(phase.ended),
                    "seconds": phase.took.total_seconds(),
                }
                for phase in recovery.phases
            ],
        },
        "findings": [_finding(one) for one in recovery.findings],
        "went_well": [one.check for one in recovery.findings if one.verdict.outcome is Outcome.PASS],
        "went_wrong": [f"{one.check}: {one.verdict.outcome}: {one.verdict.reason}" for one in bad],
        "source_at_point": _sources(recovery.findings),
        "residual": _residual(recovery, bad, unknown),
        "cost": {
            "expected_usd": recovery.cost.usd,
            "parts": dict(recovery.cost.parts),
            "prices_of": recovery.cost.prices_of,
        },
        "configuration": {"bundle": configuration.id, "digest": configuration.digest} if configuration else None,
    }
    cleaned: Mapping[str, Any] = _without_secrets(report)
    return cleaned


def as_it_ended(recovery: Recovery, error: Mapping[str, str], now: datetime) -> Recovery:
    """The recovery at its end. One that nobody concluded is red, for the error that a Catch brought, or for that.

    Args:
        recovery: as the ledger has it.
        error: ``Error`` and ``Cause``; empty where nothing failed.
        now: the time.
    """
    if recovery.ended_at is not None:
        return recovery
    return concluded(broken(recovery, error or _NOBODY_CONCLUDED), now)


def document(report: Mapping[str, Any]) -> bytes:
    """Write a report as the one file that is kept of it."""
    return canonical(report)


def _summary(recovery: Recovery) -> str:
    tables = " and ".join(table.source for table in recovery.tables)
    what = f"{recovery.kind} {recovery.id} of {recovery.environment}"
    match recovery.ending:
        case RecoveryEnding.GREEN:
            end = "every check passed" if all(one.decides for one in recovery.findings) else recovery.reason
        case RecoveryEnding.REFUSED:
            return f"{what} was refused, and nothing was made: {recovery.reason}"
        case _:
            end = f"it is red: {recovery.reason}"
    found = recovery.measured
    took, lost = (_seconds_in_words(one) for one in (found.recovery_time, found.data_loss))
    done = f"{tables} restored to {recovery.point:%Y-%m-%d %H:%M:%S} UTC"
    if recovery.back:
        done = f"{tables} left again for what restore {recovery.back} had left, with what was written since"
    return f"{what}: {done}; {end}. Recovery time {took}, data loss {lost}."


def _objective(name: str, found: timedelta | None, promised: timedelta, source: str) -> Mapping[str, Json]:
    return {
        "name": name,
        "promised_seconds": promised.total_seconds(),
        "measured_seconds": None if found is None else found.total_seconds(),
        # Not measured is not met: what nobody knows was not kept.
        "met": found is not None and found <= promised,
        "measured_by": source,
    }


def _finding(finding: Finding) -> Mapping[str, Json]:
    return {
        "check": finding.check,
        "outcome": finding.verdict.outcome,
        "decides": finding.decides,
        "reason": finding.verdict.reason,
        "figures": dict(finding.figures),
    }


def _sources(findings: Sequence[Finding]) -> Mapping[str, Json]:
    """By check, how it was established what the source held at the point."""
    return {one.check: one.figures["source_at_point"] for one in findings if "source_at_point" in one.figures}


def _residual(recovery: Recovery, bad: Sequence[Finding], unknown: Sequence[Finding]) -> list[str]:
    """What remains to be done, or to be lived with."""
    told = []
    if recovery.sabotage:
        told.append(
            f"the copy was broken on purpose ({recovery.sabotage}): this says whether a drill notices, not whether a restore works"
        )
    if recovery.ending is not RecoveryEnding.REFUSED:
        told += _left_behind(recovery)
        if not any("source_at_point" in one.figures for one in recovery.findings):
            told.append("nobody established what the source held at the point: the content is not proved")
        for name, found in (
            ("recovery time", recovery.measured.recovery_time),
            ("data loss", recovery.measured.data_loss),
        ):
            if found is None:
                told.append(f"{name} was not measured")
    told += [f"{one.check} has to be put right" for one in bad if one.verdict.outcome is Outcome.FAIL]
    told += [
        f"{one.check} could not be judged"
        for one in bad
        if one.verdict.outcome in {Outcome.INCONCLUSIVE, Outcome.ERROR}
    ]
    told += [f"{one.check} could not be judged, and nothing was decided by it" for one in unknown]
    return told


def _left_behind(recovery: Recovery) -> list[str]:
    """What is still there, and who may remove it: of a restore it is never for anybody to remove unseen."""
    if recovery.kind is Kind.RESTORE:
        used, left = ("target", "source") if recovery.in_use else ("source", "target")
        tables = ", ".join(str(getattr(table, left)) for table in recovery.tables)
        return [f"{tables} stay until a person removes them; the service uses the {used}s"]
    if recovery.cleaned_at is None:
        return [f"what it made may still be there; anybody may remove it after {_moment(recovery.lease_until)}"]
    return []


def _moment(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _seconds_in_words(found: timedelta | None) -> str:
    return NOT_MEASURED if found is None else f"{found.total_seconds():.0f} s"


def _without_secrets(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_without_secrets(str(key)): _without_secrets(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_secrets(inner) for inner in value]
    return _LOOKS_SECRET.sub(WITHHELD, value) if isinstance(value, str) else value
