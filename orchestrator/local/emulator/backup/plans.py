"""AWS Backup: plans that run by their schedules.

AWS:

- A rule of a plan has a schedule in UTC, and starts a backup job for each resource of each selection of the plan, with
  the selection's role and the rule's vault, lifecycle and tags.
  https://docs.aws.amazon.com/aws-backup/latest/devguide/API_BackupRule.html
  https://docs.aws.amazon.com/aws-backup/latest/devguide/API_BackupSelection.html
- Each recovery point is copied by the rule's copy actions when its job is complete.
  https://docs.aws.amazon.com/aws-backup/latest/devguide/API_CopyAction.html
- A job names the plan and the rule that created it.
  https://docs.aws.amazon.com/aws-backup/latest/devguide/API_RecoveryPointCreator.html

Here a job starts in the minute of its schedule, and not at a random time in the start window. Selections by tags and
conditions are not reproduced, and a resource that does not exist has no job.

Stock MiniStack keeps plans and selections and runs none. Its CloudFormation knows no selections.
"""

from __future__ import annotations

import importlib
import json
import logging
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

from orchestrator.local.emulator.backup.jobs import Jobs
from orchestrator.local.emulator.backup.store import BackupError, Json

PINNED: Final = {
    "ministack.services.eventbridge._parse_cron_fields": "c88b90c1864de059",
    "ministack.services.eventbridge._cron_next_fire": "6c0efd26b6123373",
    "ministack.services.eventbridge._parse_rate_seconds": "0184f31e965ea481",
    "ministack.services.backup._create_selection": "b5ef7d43809bb7b8",
    "ministack.services.backup._delete_selection": "3c852b5d261175a6",
}

SELECTION: Final = "AWS::Backup::BackupSelection"
_TICK_SECONDS: Final = 1.0
_MINUTE: Final = timedelta(minutes=1)

_log = logging.getLogger(__name__)


class Plans:
    """Starts the jobs of all plans of all accounts and regions.

    Args:
        jobs: starts them.
        begin: no rule is due before.
    """

    def __init__(self, jobs: Jobs, begin: datetime) -> None:
        self._jobs, self._seen = jobs, _whole_minute(begin)

    def run_due(self, now: datetime) -> None:
        """Start the jobs of the rules that were due since the last call, once for each minute."""
        while self._seen + _MINUTE <= now:
            self._seen += _MINUTE
            for account, region, plan, rule in _due_rules(self._seen):
                with importlib.import_module("ministack.core.responses").request_scope(account, region):
                    self._run(plan, rule)

    def _run(self, plan: Json, rule: Json) -> None:
        created_by = {key: plan[key] for key in ("BackupPlanId", "BackupPlanArn")}
        created_by |= {"BackupPlanVersion": plan["VersionId"], "BackupRuleId": rule.get("RuleId", rule["RuleName"])}
        for selection in _selections(plan["BackupPlanId"]):
            for resource in selection["Resources"]:
                request = {
                    "BackupVaultName": rule["TargetBackupVaultName"],
                    "ResourceArn": resource,
                    "IamRoleArn": selection["IamRoleArn"],
                    "Lifecycle": rule.get("Lifecycle"),
                    "RecoveryPointTags": rule.get("RecoveryPointTags"),
                }
                try:
                    self._jobs.start_backup(request, created_by=created_by, copies=rule.get("CopyActions") or ())
                except BackupError as error:
                    _log.warning("plan %s backs up no %s: %s", plan["BackupPlanName"], resource, error)


def run_by_themselves(jobs: Jobs) -> None:
    """Run the plans in a thread, from now on."""
    plans = Plans(jobs, datetime.now(UTC))

    def run() -> None:
        while True:
            time.sleep(_TICK_SECONDS)
            try:
                plans.run_due(datetime.now(UTC))
            except Exception:  # noqa: BLE001 - one failed rule must not end the others
                _log.exception("a backup plan failed")

    threading.Thread(target=run, name="backup plans", daemon=True).start()


def _due_rules(minute: datetime) -> Iterator[tuple[str, str, Json, Json]]:
    backup = importlib.import_module("ministack.services.backup")
    for (account, region, _), plan in list(backup._plans.all_items()):
        for rule in plan["BackupPlan"].get("Rules") or ():
            if _is_due(str(rule.get("ScheduleExpression") or ""), plan, minute):
                yield account, region, plan, rule


def _is_due(expression: str, plan: Mapping[str, Any], minute: datetime) -> bool:
    eventbridge = importlib.import_module("ministack.services.eventbridge")
    if fields := eventbridge._parse_cron_fields(expression):
        return bool(eventbridge._cron_next_fire(fields, minute - _MINUTE) == minute)
    seconds = eventbridge._parse_rate_seconds(expression)
    age = minute - _whole_minute(datetime.fromtimestamp(plan["CreationDate"], UTC))
    return bool(seconds) and age > timedelta(0) and age % timedelta(seconds=seconds) == timedelta(0)


def _whole_minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


def _selections(plan_id: str) -> list[Json]:
    selections = importlib.import_module("ministack.services.backup")._selections
    return [one for one in list(selections.values()) if one["BackupPlanId"] == plan_id]


def provide_selections() -> None:
    """Let CloudFormation create, replace and delete selections."""
    provisioners = importlib.import_module("ministack.services.cloudformation.provisioners")
    provisioners._RESOURCE_HANDLERS[SELECTION] = {"create": _create_selection, "delete": _delete_selection}


def _create_selection(_logical_id: str, properties: Mapping[str, Any], _stack: str) -> tuple[str, Json]:
    backup, plan = importlib.import_module("ministack.services.backup"), str(properties["BackupPlanId"])
    status, _, body = backup._create_selection(plan, {"BackupSelection": dict(properties["BackupSelection"])})
    if status >= HTTPStatus.BAD_REQUEST:
        raise ValueError(f"{SELECTION} failed: {body!r}")
    selection = json.loads(body)["SelectionId"]
    return f"{selection}_{plan}", {"Id": f"{selection}_{plan}", "SelectionId": selection, "BackupPlanId": plan}


def _delete_selection(physical_id: str, _properties: Mapping[str, Any]) -> None:
    selection, _, plan = physical_id.partition("_")
    importlib.import_module("ministack.services.backup")._delete_selection(plan, selection)
