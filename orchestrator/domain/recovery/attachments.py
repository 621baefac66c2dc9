"""What depends on a table without being a setting of it: stream consumers and alarms. A restore moves none of them. Pure.

An event source mapping and a Kinesis streaming destination would read the writes of a restore, and of a drill, as if
clients had made them. Which of them continue with the restored table, and from where, is for an operator to decide. So
they are named, in the evidence and in the message about a restore's end.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from orchestrator.domain.names import is_of_environment
from orchestrator.domain.recovery.record import CheckResult, Role
from orchestrator.domain.verdict import Json, Outcome, Verdict

_PREFIX = "attached"
"""Of the names of all these checks."""


@dataclass(frozen=True)
class Attachments:
    """What depends on one table.

    Attributes:
        kinesis_streams: ARNs of the data streams that get its changes; None if it does not exist.
        mappings: ARN of each function that reads its stream, to the UUID of the event source mapping.
        alarms: metric with its dimensions apart from the table's name, to the names of the alarms on it.
    """

    kinesis_streams: tuple[str, ...] | None = ()
    mappings: Mapping[str, str] = field(default_factory=dict)
    alarms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def attachment_check_results(
    role: Role, environment: str, source: Attachments, restored: Attachments
) -> tuple[CheckResult, ...]:
    """Return one check result for each kind: whether the restored table has what the source has.

    A difference is reported and does not decide: the restored table serves clients all the same.
    """
    return (
        _check_kinesis(role, source.kinesis_streams, restored.kinesis_streams),
        _check_mappings(role, source.mappings, restored.mappings),
        _check_alarms(role, environment, source.alarms, restored.alarms),
    )


def to_be_moved(results: Iterable[CheckResult]) -> list[str]:
    """Return what an operator must move to the restored tables, or could not be read, one sentence each."""
    return [
        f"{result.check}: {result.verdict.reason}"
        for result in results
        if result.check.startswith(f"{_PREFIX}.") and result.verdict.outcome is not Outcome.PASS
    ]


def unread_attachments(role: Role, reason: str) -> CheckResult:
    """Return the check result of a restored table whose source's consumers and alarms could not be read."""
    return CheckResult(
        f"{_PREFIX}.{role}", Verdict.error(f"consumers and alarms were not read: {reason}"), decides=False
    )


def _check_kinesis(role: Role, source: Collection[str] | None, restored: Collection[str] | None) -> CheckResult:
    if source is None:
        verdict = Verdict.inconclusive("the source no longer exists, so its Kinesis streaming destinations are unknown")
        return CheckResult(f"{_PREFIX}.{role}.kinesis_destinations", verdict, decides=False)
    missing = sorted({*source} - {*(restored or ())})
    remedy = "gets no change of the restored table: enable it as a streaming destination after the cutover"
    return _result(f"{_PREFIX}.{role}.kinesis_destinations", "Kinesis streaming destinations", missing, remedy, {})


def _check_mappings(role: Role, source: Mapping[str, str], restored: Mapping[str, str]) -> CheckResult:
    missing = [f"{function} (mapping {source[function]})" for function in sorted(source.keys() - restored.keys())]
    remedy = "reads the source's stream: create an event source mapping of the restored table's after the cutover"
    return _result(f"{_PREFIX}.{role}.event_source_mappings", "event source mappings", missing, remedy, {})


def _check_alarms(
    role: Role, environment: str, source: Mapping[str, tuple[str, ...]], restored: Mapping[str, tuple[str, ...]]
) -> CheckResult:
    """Compare the alarms by metric. Those of the stacks follow the tables that environments.toml names."""
    names = sorted(name for metric in source.keys() - restored.keys() for name in source[metric])
    of_stacks = [name for name in names if is_of_environment(name, environment)]
    missing = [name for name in names if name not in of_stacks]
    remedy = "watches the source alone: create such an alarm on the restored table"
    figures: dict[str, Json] = {"moved_by_cdk_deploy": list(of_stacks)}
    return _result(f"{_PREFIX}.{role}.alarms", "alarms", missing, remedy, figures)


def _result(check: str, what: str, missing: list[str], remedy: str, figures: Mapping[str, Json]) -> CheckResult:
    found = {"not_covered": list(missing), **figures}
    if not missing:
        return CheckResult(check, Verdict.passed(f"no {what} of the source are left behind"), found)
    verdict = Verdict.failed(f"not covered, each {remedy}: {', '.join(missing)}")
    return CheckResult(check, verdict, found, decides=False)
