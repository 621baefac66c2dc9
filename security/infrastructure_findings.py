"""Findings of NIST 800-53 R5 (cdk-nag) and of checkov that we accept, each with its reason; those of AwsSolutions stand beside what they are about.

A row accepts rules for the resources of one type whose paths it names, and for no other: a new function or bucket is a new finding.
What an environment does without on purpose is accepted by the setting that says so, and not where another one says the opposite.
The reasons are in the templates, where an auditor reads them, and a test holds that each row still accepts something.

NIST 800-53 R5 is the second pack because it is the catalogue that others are mapped to, and judges what an identity service is
judged by: access, audit, encryption, recovery. HIPAA and PCI DSS, cdk-nag's others, add rules about data that are not here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aws_cdk import Acknowledgment, CfnResource, Validations
from constructs import IConstruct

from environments import Environment

_NIST = "NIST.800.53.R5"


def _always(_environment: Environment) -> bool:
    return True


def _without_own_keys(environment: Environment) -> bool:
    return not environment.customer_managed_keys


def _without_reservations(environment: Environment) -> bool:
    return all(one.reserved_concurrency is None for one in environment.service.functions.values())


@dataclass(frozen=True)
class Accepted:
    """One reason.

    Attributes:
        kind: type of the resources.
        paths: what their paths within the app match, after the stack's name without its environment.
        nist: rules of cdk-nag's pack, without the pack's name.
        checkov: identities of checkov's checks.
        when: the setting of an environment with which it is accepted; with any, unless one is named.
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
ACCEPTED: Sequence[Accepted] = (
    Accepted(
        _ROLE,
        r"ib-oauth-(stack|orchestrator)/.*",
        "An inline policy goes with its role and can be attached to nothing else; each is one row of a table",
        nist=("IAMNoInlinePolicy",),
    ),
    Accepted(
        "AWS::IAM::Policy",
        r"ib-oauth-(stack|orchestrator|security)/.*",
        "CDK writes what a construct needs into a policy of that one role",
        nist=("IAMNoInlinePolicy",),
    ),
    Accepted(
        _FUNCTION,
        r"ib-oauth-(stack|orchestrator)/.*",
        "It calls AWS's APIs, by TLS and under its role; `network` in environments.toml puts the service into a VPC",
        nist=("LambdaInsideVPC",),
        checkov=("CKV_AWS_117",),
    ),
    Accepted(
        _FUNCTION,
        r"ib-oauth-orchestrator/.*",
        "What is reserved for a task is taken from the service; an alarm watches the account's concurrency",
        nist=("LambdaConcurrency",),
        checkov=("CKV_AWS_115",),
    ),
    Accepted(
        _FUNCTION,
        r"ib-oauth-stack/\w+Function/Resource",
        "`reserved_concurrency` is for where clients would take each other's turn; here it would only be taken from others",
        nist=("LambdaConcurrency",),
        when=_without_reservations,
    ),
    Accepted(
        "AWS::Logs::LogGroup",
        r"ib-oauth-.*",
        "CloudWatch's own key encrypts it: `customer_managed_keys` is off where nobody real logs in",
        nist=("CloudWatchLogGroupEncrypted",),
        when=_without_own_keys,
    ),
    Accepted(
        _BUCKET,
        r"ib-oauth-(orchestrator|security)/.*",
        "S3's own key encrypts it: `customer_managed_keys` is off where nobody real logs in",
        nist=("S3DefaultEncryptionKMS",),
        when=_without_own_keys,
    ),
    Accepted(
        _FUNCTION,
        r"ib-oauth-(stack/\w+Function|orchestrator/Task\w+)/Resource",
        "Its caller waits for it and sees it fail: API Gateway, or a state that catches",
        nist=("LambdaDLQ",),
        checkov=("CKV_AWS_116",),
    ),
    Accepted(
        _FUNCTION,
        r"ib-oauth-stack/.*",
        "What looks like a secret is a digest: of the release, or of a client's secret that nobody here has",
        checkov=("CKV_AWS_45",),
    ),
    Accepted(
        "AWS::CloudWatch::Alarm",
        r"ib-oauth-stack/.*",
        "EventBridge takes its change and rolls back; people are told once, by the composite alarm over all",
        nist=("CloudWatchAlarmAction",),
    ),
    Accepted(
        _TABLE,
        r"ib-oauth-(stack|orchestrator)/.*",
        "Recovery is by point-in-time recovery, proven by drills; a release that changes items takes a backup itself",
        nist=("DynamoDBInBackupPlan",),
    ),
    Accepted(
        _BUCKET,
        r"ib-oauth-(orchestrator|security)/.*",
        "Its writers are in the trail; a log of the log's readers would need one, too",
        nist=("S3BucketLoggingEnabled",),
        checkov=("CKV_AWS_18",),
    ),
    Accepted(
        _BUCKET,
        r"ib-oauth-(orchestrator|security)/.*",
        "It records what is done in this region, and is locked here; what recovery needs has its own copies",
        nist=("S3BucketReplicationEnabled",),
    ),
    Accepted(
        _BUCKET,
        r"ib-oauth-orchestrator/Exports/.*",
        "What is in it is read once and removed: older versions would keep what tables held for nobody",
        nist=("S3BucketVersioningEnabled",),
        checkov=("CKV_AWS_21",),
    ),
    Accepted(
        "AWS::ApiGateway::Stage",
        r"ib-oauth-stack/.*",
        "A cache would answer one client with another's token",
        nist=("APIGWCacheEnabledAndEncrypted",),
        checkov=("CKV_AWS_120",),
    ),
    Accepted(
        "AWS::ApiGateway::Stage",
        r"ib-oauth-stack/.*",
        "A client certificate is for backends that are reached by http; a function is invoked under IAM",
        nist=("APIGWSSLEnabled",),
    ),
    Accepted(
        "AWS::ApiGateway::Method",
        r"ib-oauth-stack/.*",
        "The service is what others authorise by: it authenticates clients and people itself",
        checkov=("CKV_AWS_59",),
    ),
    Accepted(
        "AWS::KMS::Key",
        r"ib-oauth-stack/SyntheticKey/.*",
        "KMS rotates no HMAC key; it proves nothing but the synthetic identity",
        checkov=("CKV_AWS_7",),
    ),
    Accepted(
        "AWS::SQS::Queue",
        r"ib-oauth-orchestrator/DeadLetters/.*",
        "Encrypted by SQS's own key: EventBridge and Lambda write there in their own names",
        checkov=("CKV_AWS_27",),
    ),
)


def accept(app: IConstruct, environment: Environment) -> None:
    """Write the accepted findings to their resources.

    Args:
        app: with all stacks.
        environment: whose stacks they are.
    """
    rows = [row for row in ACCEPTED if row.when(environment)]
    for node in app.node.find_all():
        if isinstance(node, CfnResource):
            kind, path = node.cfn_resource_type, node.node.path
            _accept(node, [row for row in rows if covers(row, kind, path, environment.name)])


def covers(row: Accepted, kind: str, path: str, environment: str) -> bool:
    """Whether a row is about a resource."""
    return kind == row.kind and re.fullmatch(row.paths, path.replace(f"-{environment}/", "/", 1)) is not None


def _accept(node: CfnResource, rows: Sequence[Accepted]) -> None:
    acknowledged = [
        Acknowledgment(id=f"{_NIST}::{_NIST}-{rule}", reason=row.reason) for row in rows for rule in row.nist
    ]
    if acknowledged:
        Validations.of(node).acknowledge(*acknowledged)
    skipped = [{"id": check, "comment": row.reason} for row in rows for check in row.checkov]
    if skipped:
        node.add_metadata("checkov", {"skip": skipped})
