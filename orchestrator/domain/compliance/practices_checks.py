"""The checks of the framework `practices` that `orchestrator doctor` does not have. Pure; readings are arguments."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from orchestrator.domain.compliance.result import NotApplicable, NotChecked, Result, Status, result_of_problem
from orchestrator.domain.doctor.result import Level, listed
from orchestrator.domain.doctor.result import Result as Reading
from orchestrator.domain.evidence.chain import ChainFault
from orchestrator.domain.untrusted_json import problem_of

HIGHEST_FALSE_ALARM_PERCENT = 5.0
ROTATION_GRACE = timedelta(days=2)
"""A rotation runs every 15 minutes. A key that signs so long after its time is overdue."""

RULE_PACKS = frozenset({"AwsSolutions", "NIST.800.53.R5"})
PACKS_REMEDY = "npx cdk synth -c environment=ENV -c rule_packs=on -o FOLDER, then --assembly FOLDER"

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


def result_of_reading(control: str, reading: Reading) -> Result:
    """Return the result of a control from a reading, as `orchestrator doctor` has them. A warning is a failure.

    Args:
        control: its id.
        reading: what was read and judged.
    """
    match reading.level:
        case Level.PASS:
            return Result(control, Status.PASS)
        case Level.SKIPPED if not reading.remedy:  # it does not apply here, so nothing can be done
            return Result(control, Status.NOT_APPLICABLE, reading.reason)
        case Level.SKIPPED:
            return Result(control, Status.NOT_CHECKED, reading.reason, reading.remedy)
        case _:
            return Result(control, Status.FAIL, reading.reason, reading.remedy)


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


def violations_of(report: bytes) -> list[tuple[str, str]]:
    """Return rule and construct of every violation in the validation report of a cloud assembly.

    Raises:
        NotChecked: it cannot be read, or is not from all rule packs.
    """
    try:
        plugins = json.loads(report)["pluginReports"]
        missing = RULE_PACKS - {plugin["pluginName"] for plugin in plugins}
        found = [
            (str(violation["ruleName"]), str(construct["constructPath"]))
            for plugin in plugins
            if plugin["pluginName"] in RULE_PACKS
            for violation in plugin["violations"]
            for construct in violation["violatingConstructs"]
        ]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise NotChecked(f"the validation report cannot be read: {problem_of(error)}", PACKS_REMEDY) from error
    if missing:
        raise NotChecked(f"the validation report is not from {listed(missing)}", PACKS_REMEDY)
    return found


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
