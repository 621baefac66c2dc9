"""Alarms: does one of the service's ring that did not before? Alarms are pooled, so this is about the service, not a version."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.domain.observation import AlarmState
from orchestrator.domain.verdict import Evidence, Verdict
from orchestrator.probes.ports import ReadsAlarms
from orchestrator.probes.scene import Scene

PROBE = "alarms"
RINGS, QUIET = "ALARM", "OK"


@dataclass(frozen=True)
class Heard:
    """The evidence, and the alarms that are still excused: one that was seen OK is judged from then on."""

    evidence: Evidence
    excused: tuple[str, ...]


def look(scene: Scene, alarms: ReadsAlarms) -> Heard:
    """Read where the service's alarms stand now; their own periods are their window.

    Raises:
        Throttled, Unreachable: they cannot be read.
    """
    states = alarms.states(scene.service.alarms)
    excused = tuple(arn for arn in sorted(scene.excused_alarms) if arn not in states or states[arn].state != QUIET)
    ringing = [state for arn, state in states.items() if state.state == RINGS and arn not in scene.excused_alarms]
    missing = [arn for arn in scene.service.alarms if arn not in states]
    known = [states[arn].name for arn in excused if arn in states and states[arn].state == RINGS]
    evidence = Evidence(
        probe=PROBE,
        verdict=_judge(ringing, missing, known, len(states)),
        versions=scene.versions,
        window=scene.window,
        source="cloudwatch alarm states, pooled over versions",
        samples=len(states),
        figures={"states": {state.name: state.state for state in states.values()}, "excused": known},
    )
    return Heard(evidence, excused)


def _judge(ringing: list[AlarmState], missing: list[str], known: list[str], read: int) -> Verdict:
    if ringing:
        told = ", ".join(f"{one.name} since {one.since.isoformat(timespec='seconds')}" for one in ringing)
        return Verdict.failed(f"alarm rings: {told}")
    if missing:
        return Verdict.error(f"alarms that do not exist: {', '.join(arn.rpartition(':')[2] for arn in missing)}")
    if not read:
        return Verdict.passed("the service has no alarms")
    excused = f"; rang before the deployment and is not blamed on it: {', '.join(known)}" if known else ""
    return Verdict.passed(f"none of {read} alarms rings newly{excused}")
