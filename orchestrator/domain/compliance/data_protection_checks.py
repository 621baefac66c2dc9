"""The checks of the framework `data-protection`: of the templates, and of what the environment answers."""

from __future__ import annotations

import re
from collections.abc import Mapping

from orchestrator.domain.compliance.infrastructure_checks import BUCKET, LOG_GROUP, STAGE, TABLE
from orchestrator.domain.compliance.result import NotApplicable
from orchestrator.domain.compliance.templates import (
    Resource,
    Subject,
    TemplateCheck,
    as_list,
    every,
    is_true,
    problem_of,
    statements,
    text_of,
)
from orchestrator.domain.doctor.result import listed
from orchestrator.domain.names import PREFIX

LONGEST_EXPORT_DAYS = 7
ENABLED = "ENABLED"
_SECRET_IN_LOG = re.compile(
    r"\$context\.(?:path\b|authorizer|requestOverride)|\$input|querystring|authorization", re.IGNORECASE
)
"""Variables of an access log that would contain codes, tokens or a user's data."""
REDACTED = ("QueryString", "authorization", "cookie")


def _log_retention(subject: Subject) -> str:
    longest = subject.expected.log_retention_days

    def too_long(group: Resource) -> bool:
        days = group.get("RetentionInDays")
        return not isinstance(days, int) or days > longest

    return problem_of(subject.optional(LOG_GROUP), too_long)


def _backup_retention(subject: Subject) -> str:
    def keeps_for_ever(plan: Resource) -> bool:
        rules = as_list(plan.get("BackupPlan", "BackupPlanRule"))
        return not rules or any(not (rule.get("Lifecycle") or {}).get("DeleteAfterDays") for rule in rules)

    return problem_of(subject.required("AWS::Backup::BackupPlan"), keeps_for_ever)


def _exports_expire(subject: Subject) -> str:
    exports = [one for one in subject.of_kind(BUCKET) if f"{PREFIX}exports-" in text_of(one.get("BucketName"))]
    if not exports:
        raise NotApplicable("there is no bucket of exports")

    def keeps(bucket: Resource) -> bool:
        rules = as_list(bucket.get("LifecycleConfiguration", "Rules"))
        days = [int(rule.get("ExpirationInDays") or 0) for rule in rules if rule.get("Status") == "Enabled"]
        return not any(0 < one <= LONGEST_EXPORT_DAYS for one in days)

    return problem_of(exports, keeps)


def _logs_secrets(stage: Resource) -> bool:
    return _SECRET_IN_LOG.search(text_of(stage.get("AccessLogSetting", "Format"))) is not None


def _firewall_redacts(subject: Subject) -> str:
    def is_missing(configuration: Resource) -> bool:
        redacted = text_of(configuration.get("RedactedFields"))
        return not all(name in redacted for name in REDACTED)

    return problem_of(subject.required("AWS::WAFv2::LoggingConfiguration"), is_missing)


def _is_shared(table: Resource) -> bool:
    document = table.get("ResourcePolicy", "PolicyDocument")
    return any(
        statement.get("Effect") == "Allow" and "*" in text_of(statement.get("Principal"))
        for statement in statements(document)
    )


TEMPLATE_CHECKS: Mapping[str, TemplateCheck] = {
    "data-tables-expire": every(TABLE, lambda one: not is_true(one.get("TimeToLiveSpecification", "Enabled"))),
    "data-log-retention": _log_retention,
    "data-backup-retention": _backup_retention,
    "data-exports-expire": _exports_expire,
    "data-access-log-no-secrets": every(STAGE, _logs_secrets),
    "data-firewall-log-redacted": _firewall_redacts,
    "data-machine-no-payload": every(
        "AWS::StepFunctions::StateMachine", lambda one: is_true(one.get("LoggingConfiguration", "IncludeExecutionData"))
    ),
    "data-tables-not-shared": every(TABLE, _is_shared),
}
"""The check of each control that is read from the templates."""


def expiry_problem(states: Mapping[str, str]) -> str:
    """Return which tables do not delete expired items. states: DynamoDB's TimeToLiveStatus by table."""
    return _other_than(ENABLED, states)


def encryption_problem(types: Mapping[str, str], *, customer_managed_keys: bool) -> str:
    """Return which tables no key of the environment encrypts. types: DynamoDB's SSEType by table, empty without.

    Raises:
        NotApplicable: keys of AWS encrypt the data, as the settings say.
    """
    if not customer_managed_keys:
        raise NotApplicable("customer_managed_keys is false: keys of AWS encrypt the data")
    return _other_than("KMS", types)


def retention_problem(days: Mapping[str, int | None], longest: int) -> str:
    """Return which log groups keep logs longer than the settings say. days: by name; None for ever."""
    kept = [f"{name}: {'for ever' if one is None else f'{one} days'}" for name, one in days.items()]
    wrong = [text for text, one in zip(kept, days.values(), strict=True) if one is None or one > longest]
    return f"longer than {longest} days: {listed(wrong)}" if wrong else ""


def _other_than(right: str, values: Mapping[str, str]) -> str:
    return listed(f"{name}: {value or 'off'}" for name, value in values.items() if value != right)
