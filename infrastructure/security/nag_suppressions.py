"""Suppressed rules of NIST 800-53 R5 (cdk-nag) and of checkov, each with its reason.

Suppressions of AwsSolutions are next to the construct that they concern (nag.py). A row applies to the resources of one
type whose paths it matches, so a new function or bucket is reported again. A row for a feature that an environment
disables on purpose applies only while the setting disables it. The templates contain the reasons for auditors, and a
test fails if a row no longer suppresses anything.

NIST 800-53 R5 is the second pack because other catalogues are mapped to it, and because it covers what matters for an
identity service: access, audit, encryption and recovery. cdk-nag's HIPAA and PCI DSS packs add rules about data that
this service does not have.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aws_cdk import Acknowledgment, CfnResource, Validations
from constructs import IConstruct

from orchestrator.environments import Environment

_NIST = "NIST.800.53.R5"


def _always(_environment: Environment) -> bool:
    return True


def _without_own_keys(environment: Environment) -> bool:
    return not environment.customer_managed_keys


def _without_reservations(environment: Environment) -> bool:
    return all(function.reserved_concurrency is None for function in environment.service.functions.values())


@dataclass(frozen=True)
class Suppression:
    """One suppression with its reason.

    Attributes:
        kind: the CloudFormation type of the resources.
        paths: a pattern of their construct paths; the stack's name stands in them without the environment.
        nist: rules of cdk-nag's pack, without the pack's name.
        checkov: ids of checkov's checks.
        when: whether the row applies to an environment; by default always.
    """

    kind: str
    paths: str
    reason: str
    nist: tuple[str, ...] = ()
    checkov: tuple[str, ...] = ()
    when: Callable[[Environment], bool] = _always


_FUNCTION, _ROLE, _BUCKET, _TABLE = (
    "AWS::Lambda::Function", "AWS::IAM::Role", "AWS::S3::Bucket", "AWS::DynamoDB::Table",
)  # fmt: skip
SUPPRESSIONS: Sequence[Suppression] = (
    Suppression(
        _ROLE,
        r"ib-oauth-(stack|orchestrator)/.*",
        "An inline policy belongs to its role and cannot be attached to another; each is one row of a table",
        nist=("IAMNoInlinePolicy",),
    ),
    Suppression(
        "AWS::IAM::Policy",
        r"ib-oauth-(stack|orchestrator|security)/.*",
        "CDK adds the permissions that a construct needs to a policy of that one role",
        nist=("IAMNoInlinePolicy",),
    ),
    Suppression(
        _FUNCTION,
        r"ib-oauth-(stack|orchestrator)/.*",
        "It calls AWS APIs over TLS with its role; `network` in environments.toml moves the service into a VPC",
        nist=("LambdaInsideVPC",),
        checkov=("CKV_AWS_117",),
    ),
    Suppression(
        _FUNCTION,
        r"ib-oauth-orchestrator/.*",
        "Reserved concurrency would be taken from the service; an alarm monitors the account's concurrency",
        nist=("LambdaConcurrency",),
        checkov=("CKV_AWS_115",),
    ),
    Suppression(
        _FUNCTION,
        r"ib-oauth-stack/\w+Function/Resource",
        "`reserved_concurrency` is a setting for accounts with several workloads; this environment does not need it",
        nist=("LambdaConcurrency",),
        when=_without_reservations,
    ),
    Suppression(
        "AWS::Logs::LogGroup",
        r"ib-oauth-.*",
        "CloudWatch's own key encrypts it: `customer_managed_keys` is off in environments without real users",
        nist=("CloudWatchLogGroupEncrypted",),
        when=_without_own_keys,
    ),
    Suppression(
        _BUCKET,
        r"ib-oauth-(orchestrator|security)/.*",
        "S3's own key encrypts it: `customer_managed_keys` is off in environments without real users",
        nist=("S3DefaultEncryptionKMS",),
        when=_without_own_keys,
    ),
    Suppression(
        _FUNCTION,
        r"ib-oauth-(stack/\w+Function|orchestrator/Task\w+)/Resource",
        "Its caller is synchronous and handles its errors: API Gateway, or a state with Catch",
        nist=("LambdaDLQ",),
        checkov=("CKV_AWS_116",),
    ),
    Suppression(
        _FUNCTION,
        r"ib-oauth-stack/.*",
        "What looks like a secret is a digest: of the release, or of a client's secret, which only the client has",
        checkov=("CKV_AWS_45",),
    ),
    Suppression(
        "AWS::CloudWatch::Alarm",
        r"ib-oauth-stack/.*",
        "EventBridge starts the rollback on its state change; the composite alarm over all of them pages once",
        nist=("CloudWatchAlarmAction",),
    ),
    Suppression(
        _TABLE,
        r"ib-oauth-(stack|orchestrator)/.*",
        "Tables have point-in-time recovery, tested by drills; a release with a schema change takes a backup first",
        nist=("DynamoDBInBackupPlan",),
    ),
    Suppression(
        _BUCKET,
        r"ib-oauth-(orchestrator|security|copy-[a-z0-9-]+)/.*",
        "CloudTrail records its writers; a bucket of access logs would need access logs itself",
        nist=("S3BucketLoggingEnabled",),
        checkov=("CKV_AWS_18",),
    ),
    Suppression(
        _BUCKET,
        r"ib-oauth-(orchestrator|security)/.*",
        "It holds records of this region and is locked; recovery uses the cross-region backups",
        nist=("S3BucketReplicationEnabled",),
    ),
    Suppression(
        _BUCKET,
        r"ib-oauth-orchestrator/Exports/.*",
        "Its objects are read once and removed; older versions would keep table data without need",
        nist=("S3BucketVersioningEnabled",),
        checkov=("CKV_AWS_21",),
    ),
    Suppression(
        "AWS::ApiGateway::Stage",
        r"ib-oauth-stack/.*",
        "A cache could return one client's token to another client",
        nist=("APIGWCacheEnabledAndEncrypted",),
        checkov=("CKV_AWS_120",),
    ),
    Suppression(
        "AWS::ApiGateway::Stage",
        r"ib-oauth-stack/.*",
        "Client certificates are for HTTP backends; API Gateway invokes the functions with IAM",
        nist=("APIGWSSLEnabled",),
    ),
    Suppression(
        "AWS::ApiGateway::Method",
        r"ib-oauth-stack/.*",
        "The service is the authorization server: it authenticates clients and users itself",
        checkov=("CKV_AWS_59",),
    ),
    Suppression(
        "AWS::KMS::Key",
        r"ib-oauth-stack/SyntheticKey/.*",
        "KMS does not rotate HMAC keys; this one authenticates the synthetic client only",
        checkov=("CKV_AWS_7",),
    ),
    Suppression(
        "AWS::SQS::Queue",
        r"ib-oauth-orchestrator/(DeadLetters|NotificationDeadLetters|Notifications)/.*",
        "SQS's own key encrypts it, because EventBridge and Lambda write as service principals",
        checkov=("CKV_AWS_27",),
    ),
)


def apply_suppressions(app: IConstruct, environment: Environment) -> None:
    """Add the suppressions to the metadata of their resources.

    Args:
        app: contains all stacks.
        environment: the environment of the stacks.
    """
    rows = [row for row in SUPPRESSIONS if row.when(environment)]
    for node in app.node.find_all():
        if isinstance(node, CfnResource):
            kind, path = node.cfn_resource_type, node.node.path
            _suppress(node, [row for row in rows if applies_to(row, kind, path, environment.name)])


def applies_to(row: Suppression, kind: str, path: str, environment: str) -> bool:
    """Return whether a row applies to a resource of this type and construct path."""
    return kind == row.kind and re.fullmatch(row.paths, path.replace(f"-{environment}/", "/", 1)) is not None


def _suppress(node: CfnResource, rows: Sequence[Suppression]) -> None:
    acknowledgments = [
        Acknowledgment(id=f"{_NIST}::{_NIST}-{rule}", reason=row.reason) for row in rows for rule in row.nist
    ]
    if acknowledgments:
        Validations.of(node).acknowledge(*acknowledgments)
    skipped = [{"id": check, "comment": row.reason} for row in rows for check in row.checkov]
    if skipped:
        node.add_metadata("checkov", {"skip": skipped})
