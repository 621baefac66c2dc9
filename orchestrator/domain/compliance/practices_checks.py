"""The checks of the framework `practices` that `orchestrator doctor` does not have. Pure; readings are arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from orchestrator.domain.compliance.result import NotApplicable, Result, Status, result_of_problem
from orchestrator.domain.doctor.result import Level, listed
from orchestrator.domain.doctor.result import Result as DoctorResult
from orchestrator.domain.evidence.chain import ChainFault

HIGHEST_FALSE_ALARM_PERCENT = 5.0
ROTATION_GRACE = timedelta(days=2)
"""A rotation runs every 15 minutes. A key that signs so long after its time is overdue."""

OF_DOCTOR: Mapping[str, str] = {
    "settings": "practice-no-example-settings",
    "stacks": "practice-stacks-complete",
    "stack-policies": "practice-stack-policies",
    "subscriptions": "practice-contacts-confirmed",
    "alarm-actions": "practice-alarm-actions-enabled",
    "configuration": "practice-no-drift",
    "point-in-time": "practice-point-in-time",
    "backups": "practice-backups-recent",
    "drill": "practice-drill-in-time",
    "live-state": "practice-live-state",
    "release": "practice-release-verified",
}
"""The control of each check of `orchestrator doctor` that is one."""


def result_of_doctor(check: str, result: DoctorResult) -> Result:
    """Return the result of a control that is a check of `orchestrator doctor`. A warning is a failure.

    Args:
        check: the name of the check, a key of `OF_DOCTOR`.
        result: of the check.
    """
    control = OF_DOCTOR[check]
    match result.level:
        case Level.PASS:
            return Result(control, Status.PASS)
        case Level.SKIPPED if not result.remedy:  # it does not apply here, so nothing can be done
            return Result(control, Status.NOT_APPLICABLE, result.reason)
        case Level.SKIPPED:
            return Result(control, Status.NOT_CHECKED, result.reason, result.remedy)
        case _:
            return Result(control, Status.FAIL, result.reason, result.remedy)


def check_evidence_chain(faults: Sequence[ChainFault]) -> Result:
    """Check that the evidence chain verifies."""
    found = [f"{fault.where}: {fault.what}" for fault in faults]
    problem = f"{len(found)} faults, the first: {found[0]}" if found else ""
    return result_of_problem("practice-evidence-chain", problem)


def check_key_age(since: datetime, rotation: timedelta, now: datetime) -> Result:
    """Check that the signing key is no older than its rotation period.

    Args:
        since: when it began to sign.
        rotation: how long a key signs.
        now: aware.
    """
    age = now - since
    overdue = age > rotation + ROTATION_GRACE
    problem = f"the key has signed for {age.days} days, of {rotation.days} at most" if overdue else ""
    return result_of_problem("practice-keys-rotated", problem)


def check_false_alarm_budget(percent: float) -> Result:
    """Check that a deployment that is no worse is seldom rolled back. percent: `false_alarm_percent`."""
    high = not 0 < percent <= HIGHEST_FALSE_ALARM_PERCENT
    problem = f"false_alarm_percent is {percent:g}, of {HIGHEST_FALSE_ALARM_PERCENT:g} at most" if high else ""
    return result_of_problem("practice-false-alarm-budget", problem)


def check_checklist(checklist: Sequence[str], *, protected: bool) -> Result:
    """Check that a production deployment must bring evidence of its tests and its review.

    Args:
        checklist: the items that a deployment must bring.
        protected: whether the environment's data outlives its stack, as production's does.
    """
    control = "practice-checklist"
    if not protected:
        return Result(control, Status.NOT_APPLICABLE, "deletion_protection is false: it is no production environment")
    return result_of_problem(control, "" if checklist else "delivery.checklist is empty")


def rule_pack_problem(violations: Sequence[tuple[str, str]]) -> str:
    """Return the violations of cdk-nag's rule packs: rule and construct."""
    return (
        f"{len(violations)} violations: {listed(f'{rule} {path}' for rule, path in violations)}" if violations else ""
    )


def trail_problem(names: Sequence[str], logging: Mapping[str, bool], *, local: bool) -> str:
    """Return why no trail records what happens in the account.

    Args:
        names: the trails of the account.
        logging: whether each of them is logging.
        local: the environment is on the local cloud.

    Raises:
        NotApplicable: the local cloud has no trail.
    """
    if local:
        raise NotApplicable("the local cloud has no AWS CloudTrail")
    if not names:
        return "there is no trail"
    return "" if any(logging.get(name) for name in names) else f"not logging: {listed(names)}"
