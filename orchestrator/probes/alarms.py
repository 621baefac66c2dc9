"""Alarms probe: is the canary to blame for an alarm that is newly in ALARM? Alarms are pooled over versions.

FAIL          its evaluation rolls back (`orchestrator.domain.rollback.alarm_evaluation`)
INCONCLUSIVE  the evidence speaks against the canary, but does not prove it. It is not promoted meanwhile
PASS          no alarm is newly in ALARM, or the evidence does not speak against the canary. An alarm about a fault that
              both versions have must not keep its fix from being deployed
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from orchestrator.domain.analysis.observations import AlarmState
from orchestrator.domain.rollback.alarm_evaluation import AlarmEvaluation, not_evaluated
from orchestrator.domain.texts import alarm_reason
from orchestrator.domain.verdict import Evidence, Verdict
from orchestrator.probes import alarm_evidence
from orchestrator.probes.alarm_evidence import UNHURRIED_DEADLINE
from orchestrator.probes.context import ProbeContext
from orchestrator.probes.ports import AlarmsReader, MetricsReader

PROBE = "alarms"
IN_ALARM, OK = "ALARM", "OK"


@dataclass(frozen=True)
class AlarmResult:
    """The evidence, and the alarms that are still pre-existing: one that was OK in between is judged from then on."""

    evidence: Evidence
    preexisting: tuple[str, ...]


def run(context: ProbeContext, alarms: AlarmsReader, metrics: MetricsReader) -> AlarmResult:
    """Read the current states of the service's alarms, and evaluate those that are newly in ALARM.

    Raises:
        Throttled, Unreachable: the states cannot be read.
    """
    states = alarms.read_states(context.service.alarms)
    earlier = {arn for arn in context.preexisting_alarms if arn not in states or states[arn].state != OK}
    # Days may lie between the readiness checks and the first shift: gates, and a calendar that is closed.
    earlier |= {arn for arn, state in states.items() if _fired_before(state, context.first_shift_at)}
    preexisting = tuple(sorted(earlier))
    new = [state for arn, state in states.items() if state.state == IN_ALARM and arn not in earlier]
    missing = [arn for arn in context.service.alarms if arn not in states]
    known = [states[arn].name for arn in preexisting if arn in states and states[arn].state == IN_ALARM]
    evaluation = (
        alarm_evidence.evaluate(context, lambda: metrics, UNHURRIED_DEADLINE)
        if new
        else not_evaluated(context.thresholds)
    )
    evidence = Evidence(
        probe=PROBE,
        verdict=_judge(new, missing, known, len(states), evaluation),
        versions=context.versions,
        window=context.window,
        source="cloudwatch alarm states, pooled over versions, and failures by version and minute",
        samples=len(states),
        figures={
            "states": {state.name: state.state for state in states.values()},
            "excused": known,
            "evaluation": evaluation.outcome,
            "false_alarm": evaluation.false_alarm_figures,
        },
    )
    return AlarmResult(evidence, preexisting)


def _fired_before(alarm: AlarmState, first_shift_at: datetime | None) -> bool:
    return alarm.state == IN_ALARM and first_shift_at is not None and alarm.since < first_shift_at


def _describe(alarm: AlarmState) -> str:
    reason = f" ({alarm_reason(alarm.reason)})" if alarm.reason else ""
    return f"{alarm.name} since {alarm.since.isoformat(timespec='seconds')}{reason}"


def _judge(
    new: list[AlarmState], missing: list[str], known: list[str], count: int, evaluation: AlarmEvaluation
) -> Verdict:
    firing = f"in ALARM: {', '.join(_describe(alarm) for alarm in new)}; {evaluation.reason}"
    if new and evaluation.rolls_back:
        return Verdict.failed(firing)
    if missing:
        return Verdict.error(f"alarms that do not exist: {', '.join(arn.rpartition(':')[2] for arn in missing)}")
    if new:
        return Verdict.inconclusive(firing) if evaluation.suspicious else Verdict.passed(firing)
    if not count:
        return Verdict.passed("the service has no alarms")
    note = f"; in ALARM since before the first shift: {', '.join(known)}" if known else ""
    return Verdict.passed(f"none of {count} alarms is newly in ALARM{note}")
