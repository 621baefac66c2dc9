"""The checks of the framework `infrastructure`, by control."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.domain.compliance.result import NotApplicable
from orchestrator.domain.compliance.templates import (
    Resource,
    Subject,
    TemplateCheck,
    as_list,
    every,
    every_required,
    iam_statements,
    is_true,
    problem_of,
    statements,
    text_of,
)
from orchestrator.domain.doctor.result import listed
from orchestrator.domain.names import PREFIX

SUPPORTED_RUNTIMES = frozenset({"python3.11", "python3.12", "python3.13", "python3.14"})
"""Lambda's Python runtimes without a deprecation date in the past."""
SHORTEST_LIVED_DAYS = 7
"""A bucket whose objects expire sooner needs no versions: they only pass through it."""
SHORTEST_DELETION_DAYS = 7
TABLE, FUNCTION, BUCKET, ROLE = "AWS::DynamoDB::Table", "AWS::Lambda::Function", "AWS::S3::Bucket", "AWS::IAM::Role"
LOG_GROUP, KEY, STAGE = "AWS::Logs::LogGroup", "AWS::KMS::Key", "AWS::ApiGateway::Stage"
ACL, TRAIL, VAULT = "AWS::WAFv2::WebACL", "AWS::CloudTrail::Trail", "AWS::Backup::BackupVault"
NOT_BACKED_UP = {
    f"{PREFIX}heartbeats-": "its items are written again every minute",
    f"{PREFIX}keys-": "an old key ring would reactivate a retired key; it is restored alone, to a point in time",
}
"""Tables without backups, by the beginning of their names, each with its reason."""
TLS_POLICIES = frozenset({"TLS_1_2", "SecurityPolicy_TLS13_1_2_2021_06", "SecurityPolicy_TLS13_1_3_2025_09"})


def _with_own_keys(check: TemplateCheck) -> TemplateCheck:
    def only_there(subject: Subject) -> str:
        if not subject.expected.customer_managed_keys:
            raise NotApplicable("customer_managed_keys is false: keys of AWS encrypt the data")
        return check(subject)

    return only_there


def _deletion_protection(subject: Subject) -> str:
    if not subject.expected.deletion_protection:
        raise NotApplicable("deletion_protection is false: its data may go with its stack")
    return problem_of(subject.optional(TABLE), lambda one: not is_true(one.get("DeletionProtectionEnabled")))


def _capacity(subject: Subject) -> str:
    scaled = text_of(
        [target.get("ResourceId") for target in subject.of_kind("AWS::ApplicationAutoScaling::ScalableTarget")]
    )
    return problem_of(
        subject.optional(TABLE),
        lambda one: one.get("BillingMode") != "PAY_PER_REQUEST" and f'"{one.name}"' not in scaled,
    )


def _backup_plan(subject: Subject) -> str:
    tables = subject.optional(TABLE)
    selections = subject.required("AWS::Backup::BackupSelection")
    selected = text_of([one.get("BackupSelection") for one in selections])
    needed = [one for one in tables if not str(one.get("TableName")).startswith(tuple(NOT_BACKED_UP))]
    return problem_of(needed, lambda one: f'table/{one.get("TableName")}"' not in selected)


def _is_public(principal: object) -> bool:
    if isinstance(principal, Mapping):
        return any(_is_public(one) for one in principal.values())
    return "*" in as_list(principal)


def _permission_is_open(permission: Resource) -> bool:
    principal = permission.get("Principal")
    confined = permission.get("SourceArn") or permission.get("SourceAccount") or permission.get("PrincipalOrgID")
    service = isinstance(principal, str) and principal.endswith(".amazonaws.com")
    return _is_public(principal) or (service and not confined)


def _alarm_actions(subject: Subject) -> str:
    reached = text_of(
        [
            *(one.get("AlarmRule") for one in subject.of_kind("AWS::CloudWatch::CompositeAlarm")),
            *(one.get("EventPattern") for one in subject.of_kind("AWS::Events::Rule")),
        ]
    )

    def is_silent(alarm: Resource) -> bool:
        return not alarm.get("AlarmActions") and str(alarm.get("AlarmName")) not in reached

    return problem_of(subject.optional("AWS::CloudWatch::Alarm"), is_silent)


def _is_reachable(bucket: Resource) -> bool:
    block = bucket.get("PublicAccessBlockConfiguration") or {}
    names = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    return not all(is_true(block.get(name)) for name in names)


def _denies_plain_http(document: object) -> bool:
    return any(
        statement.get("Effect") == "Deny"
        and str((statement.get("Condition") or {}).get("Bool", {}).get("aws:SecureTransport")).lower() == "false"
        for statement in statements(document)
    )


def _only_by_tls(kind: str, policies: str, reference: str) -> TemplateCheck:
    """Return a check that every resource of a type has a policy that denies plain HTTP."""

    def check(subject: Subject) -> str:
        protected = text_of(
            [one.get(reference) for one in subject.of_kind(policies) if _denies_plain_http(one.get("PolicyDocument"))]
        )
        return problem_of(subject.optional(kind), lambda one: f'"{one.name}"' not in protected)

    return check


def _lifecycle(bucket: Resource) -> list[Mapping[str, Any]]:
    rules = as_list(bucket.get("LifecycleConfiguration", "Rules"))
    return [rule for rule in rules if isinstance(rule, Mapping) and rule.get("Status") == "Enabled"]


def _loses_versions(bucket: Resource) -> bool:
    passing = any(0 < int(rule.get("ExpirationInDays") or 0) <= SHORTEST_LIVED_DAYS for rule in _lifecycle(bucket))
    return bucket.get("VersioningConfiguration", "Status") != "Enabled" and not passing


def _records_locked(subject: Subject) -> str:
    expected = subject.expected
    locked = {"evidence": expected.evidence_lock, "trail": expected.deletion_protection}
    names = [name for name, wanted in locked.items() if wanted]
    if not names or expected.local:
        raise NotApplicable("the settings lock no records: evidence.lock is none, deletion_protection is false")
    buckets = [
        bucket
        for bucket in subject.of_kind(BUCKET)
        if any(f"{PREFIX}{name}-" in text_of(bucket.get("BucketName")) for name in names)
    ]
    return problem_of(buckets, lambda one: not is_true(one.get("ObjectLockEnabled"))) if buckets else "there are none"


def _backup_lock(subject: Subject) -> str:
    if not subject.expected.backup_lock or subject.expected.local:
        raise NotApplicable("the settings lock no backups")
    # Drills have copies of backups copied to a vault of their own, for a day or two.
    return every_required(
        VAULT, lambda one: not (one.get("LockConfiguration") or "-of-drills-" in str(one.get("BackupVaultName")))
    )(subject)


def _is_symmetric(key: Resource) -> bool:
    return key.get("KeySpec") in {None, "SYMMETRIC_DEFAULT"}


def _key_rotation(subject: Subject) -> str:
    keys = [key for key in subject.optional(KEY) if _is_symmetric(key)]
    return problem_of(keys, lambda one: not is_true(one.get("EnableKeyRotation")))


def _key_is_public(key: Resource) -> bool:
    return any(
        statement.get("Effect") == "Allow" and _is_public(statement.get("Principal")) and not statement.get("Condition")
        for statement in statements(key.get("KeyPolicy"))
    )


def _grants(subject: Subject, wrong: Any) -> str:
    found = {
        resource.name
        for resource, statement in iam_statements(subject)
        if statement.get("Effect") == "Allow" and any(wrong(str(action)) for action in as_list(statement.get("Action")))
    }
    return listed(found)


def _no_admin(subject: Subject) -> str:
    return _grants(subject, lambda action: action == "*")


def _no_service_wildcard(subject: Subject) -> str:
    return _grants(subject, lambda action: action.endswith(":*"))


def _trusts_anyone(role: Resource) -> bool:
    return any(
        statement.get("Effect") == "Allow"
        and (
            (_is_public(statement.get("Principal")) and not statement.get("Condition"))
            or ("Federated" in (statement.get("Principal") or {}) and not statement.get("Condition"))
        )
        for statement in statements(role.get("AssumeRolePolicyDocument"))
    )


def _boundary(subject: Subject) -> str:
    if not subject.expected.boundary:
        raise NotApplicable("the environment has no permissions boundary")
    return problem_of(subject.optional(ROLE), lambda one: not one.get("PermissionsBoundary"))


def _no_users(subject: Subject) -> str:
    found = [one.name for kind in ("AWS::IAM::User", "AWS::IAM::AccessKey") for one in subject.of_kind(kind)]
    return f"there are {listed(found)}" if found else ""


def _settings(stage: Resource) -> list[Mapping[str, Any]]:
    return [one for one in as_list(stage.get("MethodSettings")) if isinstance(one, Mapping)]


def _is_unthrottled(stage: Resource) -> bool:
    all_methods = [one for one in _settings(stage) if (one.get("HttpMethod"), one.get("ResourcePath")) == ("*", "/*")]
    return not any(one.get("ThrottlingRateLimit") and one.get("ThrottlingBurstLimit") for one in all_methods)


def _logs_payloads(stage: Resource) -> bool:
    return any(is_true(one.get("DataTraceEnabled")) for one in _settings(stage))


def _firewall(subject: Subject) -> str:
    associated = text_of([one.get("ResourceArn") for one in subject.required("AWS::WAFv2::WebACLAssociation")])
    return problem_of(subject.optional(STAGE), lambda one: f'"{one.name}"' not in associated)


def _has_no_rate_rule(acl: Resource) -> bool:
    rules = [rule for rule in as_list(acl.get("Rules")) if isinstance(rule, Mapping)]
    return not any("RateBasedStatement" in (rule.get("Statement") or {}) for rule in rules)


def _firewall_logs(subject: Subject) -> str:
    logged = text_of([one.get("ResourceArn") for one in subject.required("AWS::WAFv2::LoggingConfiguration")])
    return problem_of(subject.optional(ACL), lambda one: f'"{one.name}"' not in logged)


def _domain_tls(subject: Subject) -> str:
    if not subject.expected.domain:
        raise NotApplicable("the API has no domain name: AWS's own serves it with TLS 1.2 or later")
    found = subject.of_kind("AWS::ApiGateway::DomainName")
    return (
        problem_of(found, lambda one: one.get("SecurityPolicy") not in TLS_POLICIES)
        if found
        else "it has no domain name"
    )


def _default_endpoint(subject: Subject) -> str:
    if not subject.expected.domain:
        raise NotApplicable("the API has no domain name")
    wrong = lambda one: not is_true(one.get("DisableExecuteApiEndpoint"))  # noqa: E731 - named for its line
    return problem_of(subject.optional("AWS::ApiGateway::RestApi"), wrong)


def _machine_does_not_log(machine: Resource) -> bool:
    return machine.get("LoggingConfiguration", "Level") not in {"ALL", "ERROR", "FATAL"}


def _backup_copies(subject: Subject) -> str:
    if not subject.expected.copy_region:
        raise NotApplicable("the environment has no copy_region")
    plans = subject.required("AWS::Backup::BackupPlan")
    return problem_of(plans, lambda one: "DestinationBackupVaultArn" not in text_of(one.get("BackupPlan")))


def _is_open(group: Resource) -> bool:
    rules = [rule for rule in as_list(group.get("SecurityGroupIngress")) if isinstance(rule, Mapping)]
    return any(rule.get("CidrIp") == "0.0.0.0/0" or rule.get("CidrIpv6") == "::/0" for rule in rules)


def _in_network(check: TemplateCheck) -> TemplateCheck:
    def only_there(subject: Subject) -> str:
        if not subject.expected.network:
            raise NotApplicable("the functions are in no VPC")
        return check(subject)

    return only_there


def _drops_events(rule: Resource) -> bool:
    return any(not target.get("DeadLetterConfig") for target in as_list(rule.get("Targets")))


def _untagged(resource: Resource) -> bool:
    tags = {tag.get("Key") for tag in as_list(resource.get("Tags")) if isinstance(tag, Mapping)}
    return not {"owner", "environment"} <= tags


def _tagged(subject: Subject) -> str:
    return problem_of([*subject.optional(TABLE), *subject.of_kind(FUNCTION), *subject.of_kind(BUCKET)], _untagged)


CHECKS: Mapping[str, TemplateCheck] = {
    "infra-table-encryption": _with_own_keys(every(TABLE, lambda one: one.get("SSESpecification", "SSEType") != "KMS")),
    "infra-table-capacity": _capacity,
    "infra-table-point-in-time": every(
        TABLE, lambda one: not is_true(one.get("PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled"))
    ),
    "infra-table-backup-plan": _backup_plan,
    "infra-table-deletion-protection": _deletion_protection,
    "infra-function-runtime": every(FUNCTION, lambda one: one.get("Runtime") not in SUPPORTED_RUNTIMES),
    "infra-function-not-public": every("AWS::Lambda::Permission", _permission_is_open),
    "infra-function-tracing": every(FUNCTION, lambda one: one.get("TracingConfig", "Mode") != "Active"),
    "infra-function-variables-encrypted": _with_own_keys(every(FUNCTION, lambda one: not one.get("KmsKeyArn"))),
    "infra-function-own-log-group": every(FUNCTION, lambda one: not one.get("LoggingConfig", "LogGroup")),
    "infra-log-retention": every(LOG_GROUP, lambda one: not one.get("RetentionInDays")),
    "infra-log-encryption": _with_own_keys(every(LOG_GROUP, lambda one: not one.get("KmsKeyId"))),
    "infra-alarm-actions": _alarm_actions,
    "infra-bucket-not-public": every(BUCKET, _is_reachable),
    "infra-bucket-tls": _only_by_tls(BUCKET, "AWS::S3::BucketPolicy", "Bucket"),
    "infra-bucket-versions": every(BUCKET, _loses_versions),
    "infra-bucket-encryption": every(
        BUCKET, lambda one: not one.get("BucketEncryption", "ServerSideEncryptionConfiguration")
    ),
    "infra-bucket-no-acl": every(
        BUCKET, lambda one: "BucketOwnerEnforced" not in text_of(one.get("OwnershipControls"))
    ),
    "infra-bucket-lifecycle": every(BUCKET, lambda one: not _lifecycle(one)),
    "infra-records-locked": _records_locked,
    "infra-topic-encryption": every("AWS::SNS::Topic", lambda one: not one.get("KmsMasterKeyId")),
    "infra-topic-tls": _only_by_tls("AWS::SNS::Topic", "AWS::SNS::TopicPolicy", "Topics"),
    "infra-queue-encryption": every(
        "AWS::SQS::Queue", lambda one: not (is_true(one.get("SqsManagedSseEnabled")) or one.get("KmsMasterKeyId"))
    ),
    "infra-key-rotation": _key_rotation,
    "infra-key-not-public": every(KEY, _key_is_public),
    "infra-key-deletion-window": every(
        KEY, lambda one: int(one.get("PendingWindowInDays") or SHORTEST_DELETION_DAYS) < SHORTEST_DELETION_DAYS
    ),
    "infra-role-no-administrator": _no_admin,
    "infra-role-no-service-wildcard": _no_service_wildcard,
    "infra-role-trust": every(ROLE, _trusts_anyone),
    "infra-role-boundary": _boundary,
    "infra-no-users": _no_users,
    "infra-api-access-log": every(STAGE, lambda one: not one.get("AccessLogSetting", "DestinationArn")),
    "infra-api-tracing": every(STAGE, lambda one: not is_true(one.get("TracingEnabled"))),
    "infra-api-throttle": every(STAGE, _is_unthrottled),
    "infra-api-no-payload-log": every(STAGE, _logs_payloads),
    "infra-api-firewall": _firewall,
    "infra-api-domain-tls": _domain_tls,
    "infra-api-default-endpoint": _default_endpoint,
    "infra-firewall-rules": every_required(ACL, lambda one: not as_list(one.get("Rules"))),
    "infra-firewall-rate": every_required(ACL, _has_no_rate_rule),
    "infra-firewall-logs": _firewall_logs,
    "infra-machine-logs": every("AWS::StepFunctions::StateMachine", _machine_does_not_log),
    "infra-machine-tracing": every(
        "AWS::StepFunctions::StateMachine", lambda one: not is_true(one.get("TracingConfiguration", "Enabled"))
    ),
    "infra-trail-regions": every_required(TRAIL, lambda one: not is_true(one.get("IsMultiRegionTrail"))),
    "infra-trail-encryption": every_required(TRAIL, lambda one: not one.get("KMSKeyId")),
    "infra-trail-validation": every_required(TRAIL, lambda one: not is_true(one.get("EnableLogFileValidation"))),
    "infra-trail-logs": every_required(TRAIL, lambda one: not one.get("CloudWatchLogsLogGroupArn")),
    "infra-backup-encryption": _with_own_keys(every_required(VAULT, lambda one: not one.get("EncryptionKeyArn"))),
    "infra-backup-lock": _backup_lock,
    "infra-backup-copies": _backup_copies,
    "infra-network-ingress": _in_network(every("AWS::EC2::SecurityGroup", _is_open)),
    "infra-network-flow-logs": _in_network(every_required("AWS::EC2::FlowLog", lambda _: False)),
    "infra-events-dead-letters": every("AWS::Events::Rule", _drops_events),
    "infra-tagged": _tagged,
}
"""The check of each control that is read from the templates."""
