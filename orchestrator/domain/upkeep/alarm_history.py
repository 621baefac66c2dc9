"""Check of the alarms' history: which fire too often to be believed, and which have never fired."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from orchestrator.domain.doctor.operation import AlarmReading
from orchestrator.domain.doctor.result import listed
from orchestrator.domain.upkeep.finding import Finding, Owner, Severity
from orchestrator.domain.upkeep.result import CheckResult, found, not_checked

ALARMS = "alarms"
HISTORY = timedelta(days=30)
"""For how long CloudWatch keeps an alarm's history (DescribeAlarmHistory)."""
WEEK = timedelta(days=7)
OFTEN, VERY_OFTEN = 7, 35
"""Times in a week: once a day is noise (medium), five times a day pages people for nothing (high)."""
WITHOUT_DATA = "INSUFFICIENT_DATA"


def check_alarm_history(
    alarms: Sequence[AlarmReading], fired_at: Mapping[str, Sequence[datetime]], now: datetime
) -> CheckResult:
    """Check how often each alarm fired.

    Args:
        alarms: the environment's alarms.
        fired_at: by alarm, when it went into ALARM within `HISTORY`; an alarm that never did is absent.
        now: aware.
    """
    if not alarms:
        return not_checked(ALARMS, "there is no alarm", "orchestrator doctor, then npx cdk deploy")
    findings = [
        _often(alarm.name, times)
        for alarm in alarms
        if len(times := [at for at in fired_at.get(alarm.name, ()) if now - at <= WEEK]) >= OFTEN
    ]
    silent = [alarm for alarm in alarms if not fired_at.get(alarm.name)]
    blind = [alarm.name for alarm in silent if alarm.state == WITHOUT_DATA]
    quiet = [alarm.name for alarm in silent if alarm.state != WITHOUT_DATA]
    if blind:
        findings.append(_blind(blind))
    if quiet:
        findings.append(_never_fired(quiet))
    total = sum(map(len, fired_at.values()))
    return found(ALARMS, findings, f"{len(alarms)} alarms fired {total} times in {HISTORY.days} days")


def _often(name: str, times: Sequence[datetime]) -> Finding:
    return Finding(
        ALARMS,
        name,
        Severity.HIGH if len(times) >= VERY_OFTEN else Severity.MEDIUM,
        Owner.OPERATORS,
        f"it fired {len(times)} times in {WEEK.days} days",
        {"fired_per_week": len(times), "newest": f"{max(times):%Y-%m-%d %H:%M} UTC"},
        f"aws cloudwatch describe-alarm-history --alarm-name {name} --history-item-type StateUpdate; fix the cause, or "
        "set its threshold (docs/runbooks/alarms.md)",
        since=min(times),
    )


def _blind(names: Sequence[str]) -> Finding:
    return Finding(
        ALARMS,
        "without-data",
        Severity.MEDIUM,
        Owner.OPERATORS,
        f"they have no data and cannot fire: {listed(names)}",
        {"alarms": len(names), "names": ", ".join(sorted(names))},
        f"aws cloudwatch describe-alarms --alarm-names {min(names)} (does its metric still exist?)",
    )


def _never_fired(names: Sequence[str]) -> Finding:
    return Finding(
        ALARMS,
        "never-fired",
        Severity.LOW,
        Owner.OPERATORS,
        f"they did not fire in {HISTORY.days} days, so nothing shows that they notify: {listed(names)}",
        {"alarms": len(names), "names": ", ".join(sorted(names))},
        f"aws cloudwatch set-alarm-state --alarm-name {min(names)} --state-value ALARM --state-reason test (rolls back a "
        "deployment in progress: only while there is none)",
    )
