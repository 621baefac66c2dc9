"""CloudTrail's events as its trail writes them to the log group: of single calls, of a night, and of what the alarms are for.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html

The trail has management events, reads among them. So it has no event of an item, an object, a message or an invocation.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from orchestrator.aws.ledger.seeded_grants import PURPOSE
from orchestrator.domain.names import bucket_name, resource_name

Event = dict[str, Any]
ACCOUNT = "111122223333"
_CLOUDFORMATION = {"sourceIPAddress": "cloudformation.amazonaws.com", "userAgent": "cloudformation.amazonaws.com"}
_START = datetime(2025, 5, 4, 5, 0, tzinfo=UTC)


# --- who calls -----------------------------------------------------------------------------------------------


def by_role(role: str, *, invoked_by: str | None = None) -> Event:
    """The caller is a session of a role; `invoked_by` is the AWS service that called for it."""
    issuer = {
        "type": "Role",
        "principalId": "AROAEXAMPLE",
        "arn": f"arn:aws:iam::{ACCOUNT}:role/{role}",
        "accountId": ACCOUNT,
        "userName": role,
    }
    identity: Event = {
        "type": "AssumedRole",
        "principalId": f"AROAEXAMPLE:{role}",
        "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/session",
        "accountId": ACCOUNT,
        "sessionContext": {"sessionIssuer": issuer, "attributes": {"mfaAuthenticated": "false"}},
    }
    return _by(identity | ({"invokedBy": invoked_by} if invoked_by else {}), invoked_by or "203.0.113.7")


def by_user(name: str = "ann") -> Event:
    """The caller is an IAM user."""
    return _by({"type": "IAMUser", "userName": name, "arn": f"arn:aws:iam::{ACCOUNT}:user/{name}"}, "203.0.113.7")


def by_root(**identity: str) -> Event:
    """The caller is the account's root user."""
    return _by({"type": "Root", "arn": f"arn:aws:iam::{ACCOUNT}:root", **identity}, "203.0.113.7")


def by_cloudformation(role: str) -> Event:
    """CloudFormation calls for a role."""
    return by_role(role, invoked_by="cloudformation.amazonaws.com") | _CLOUDFORMATION


def by_service(service: str) -> Event:
    """An AWS service calls by itself."""
    return _by({"type": "AWSService", "invokedBy": f"{service}.amazonaws.com"}, f"{service}.amazonaws.com")


def _by(identity: Event, address: str) -> Event:
    return {"userIdentity": identity, "sourceIPAddress": address, "eventType": "AwsApiCall", "awsRegion": "us-west-1"}


# --- what is called ------------------------------------------------------------------------------------------


def call(caller: Event, service: str, name: str, /, *, error: str | None = None, **request: object) -> Event:
    """A call as the trail has it."""
    return {
        **caller,
        "eventVersion": "1.11",
        "eventCategory": "Management",
        "managementEvent": True,
        "eventSource": f"{service}.amazonaws.com",
        "eventName": _event_name(service, name),
        "requestParameters": request or None,
        "responseElements": None,
        "recipientAccountId": ACCOUNT,
        **({"errorCode": error, "errorMessage": "not authorized"} if error else {}),
    }


def _event_name(service: str, name: str) -> str:
    # Lambda's events are named after the version of its API.
    return f"{name}20150331" if service == "lambda" else name


# --- a night -------------------------------------------------------------------------------------------------


def night(environment: str, suffix: str = "") -> list[Event]:
    """The events of a night: a drill, a restore with a cutover, a rotation, autoscaling, expired backups, a deployment.

    Args:
        environment: whose night it is.
        suffix: of its roles, after a failover to another region.
    """
    events = [
        *_drill(environment, suffix),
        *_restore(environment, suffix),
        *_rotation(environment, suffix),
        *_aws_itself(environment, suffix),
        *_deployment(environment, suffix),
    ]
    return [
        {**event, "eventTime": f"{_START + timedelta(seconds=5 * number):%Y-%m-%dT%H:%M:%SZ}"}
        for number, event in enumerate(events)
    ]


def _ours(name: str, environment: str, suffix: str) -> Event:
    return by_role(f"{resource_name(name, environment)}{suffix}")


def _drill(environment: str, suffix: str) -> Iterator[Event]:
    def task(name: str) -> Event:
        return _ours(f"task-{name}", environment, suffix)

    copy = resource_name("drill-d1-tokens", environment)
    grants = {"environment": environment, "recovery": "d1", "purpose": PURPOSE}
    sessions = {"environment": environment, "purpose": "session", "owner": "family#1"}
    yield call(task("seed-grants"), "kms", "Encrypt", encryptionContext=grants)
    yield call(task("revoke-seeded-grants"), "kms", "Decrypt", encryptionContext=grants)
    standing = {"environment": environment, "standing": "2026-11-30T05:00:00+00:00", "purpose": PURPOSE}
    for function in (task("revoke-seeded-grants"), _ours("event-start-drill", environment, suffix)):
        yield call(function, "kms", "Decrypt", encryptionContext=standing)
    yield call(task("start-restore"), "dynamodb", "RestoreTableToPointInTime", targetTableName=copy)
    yield call(task("reapply-settings"), "dynamodb", "UpdateContinuousBackups", tableName=copy)
    yield call(task("reapply-settings"), "dynamodb", "UpdateTable", tableName=copy)
    yield call(task("inject-fault"), "dynamodb", "UpdateTable", tableName=copy)
    yield call(task("start-isolated-service"), "lambda", "CreateFunction", functionName="ib-oauth-drill-d1-token")
    yield call(task("check-seeded-grants"), "kms", "Decrypt", encryptionContext=grants)
    yield call(_ours("functions-of-drills", environment, suffix), "kms", "Sign", signingAlgorithm="ECDSA_SHA_256")
    for recorder in ("task-record-evidence", "event-clean-up-drills", "event-record-report"):
        yield call(_ours(recorder, environment, suffix), "kms", "Sign", signingAlgorithm="ECDSA_SHA_256")
    yield call(_ours("public", environment, suffix), "kms", "Decrypt", encryptionContext=sessions)
    yield call(task("clean-up"), "dynamodb", "DeleteTable", tableName=copy)
    yield call(_ours("event-clean-up-drills", environment, suffix), "dynamodb", "DeleteTable", tableName=copy)
    yield call(
        _ours("event-clean-up-drills", environment, suffix), "iam", "DeleteRolePolicy", roleName="ib-oauth-drill-old"
    )


def _restore(environment: str, suffix: str) -> Iterator[Event]:
    def task(name: str) -> Event:
        return _ours(f"task-{name}", environment, suffix)

    source, copy = resource_name("tokens", environment), resource_name("restored-r1-tokens", environment)
    yield call(task("record-backup-point"), "dynamodb", "CreateBackup", tableName=source)
    yield call(task("start-restore"), "dynamodb", "RestoreTableToPointInTime", targetTableName=copy)
    yield call(task("reapply-settings"), "dynamodb", "PutResourcePolicy", resourceArn=copy)
    yield call(task("reapply-settings"), "application-autoscaling", "RegisterScalableTarget", resourceId=copy)
    yield call(task("start-cutover"), "lambda", "UpdateFunctionConfiguration", functionName="ib-oauth-token")
    yield call(task("block-source-tables"), "dynamodb", "PutResourcePolicy", resourceArn=source)
    yield call(task("sync-tables"), "dynamodb", "PutResourcePolicy", resourceArn=source)
    for name in ("shift-traffic", "promote", "revert-aliases"):
        yield call(task(name), "lambda", "UpdateAlias", name="live")
    yield call(task("replay-new-writes"), "dynamodb", "PutResourcePolicy", resourceArn=source)
    yield call(task("unblock-source-tables"), "dynamodb", "DeleteResourcePolicy", resourceArn=source)
    yield call(_ours("event-reconcile", environment, suffix), "dynamodb", "DeleteResourcePolicy", resourceArn=source)


def _rotation(environment: str, suffix: str) -> Iterator[Event]:
    rotation = _ours("event-rotate-signing-keys", environment, suffix)
    yield call(rotation, "kms", "CreateKey", keySpec="ECC_NIST_P256")
    # The new key's tag is not effective yet.
    for _ in range(3):
        yield call(rotation, "kms", "GetPublicKey", error="AccessDenied", keyId="new")
        yield call(_ours("public", environment, suffix), "kms", "GetPublicKey", error="AccessDenied", keyId="new")
    yield call(rotation, "kms", "GetPublicKey", keyId="new")
    yield call(_ours("token", environment, suffix), "kms", "Sign", keyId="new", signingAlgorithm="ECDSA_SHA_256")
    yield call(rotation, "kms", "DisableKey", keyId="old")
    yield call(rotation, "kms", "ScheduleKeyDeletion", keyId="old")
    # KMS rotates the symmetric keys by itself.
    yield by_service("kms") | {
        "eventType": "AwsServiceEvent",
        "eventSource": "kms.amazonaws.com",
        "eventName": "RotateKey",
    }


def _aws_itself(environment: str, suffix: str) -> Iterator[Event]:
    autoscaling = by_role(
        "AWSServiceRoleForApplicationAutoScaling_DynamoDBTable",
        invoked_by="dynamodb.application-autoscaling.amazonaws.com",
    )
    for units in (20, 60, 40, 20):
        yield call(
            autoscaling,
            "dynamodb",
            "UpdateTable",
            tableName=resource_name("tokens", environment),
            provisionedThroughput={"readCapacityUnits": units},
        )
    backups = by_role(f"{resource_name('backups', environment)}{suffix}", invoked_by="backup.amazonaws.com")
    yield call(backups, "dynamodb", "CreateBackup")
    yield call(backups, "dynamodb", "DeleteBackup")
    yield call(by_role("AWSServiceRoleForBackup", invoked_by="backup.amazonaws.com"), "dynamodb", "DeleteBackup")
    yield by_service("backup") | {
        "eventType": "AwsServiceEvent",
        "eventSource": "backup.amazonaws.com",
        "eventName": "RecoveryPointDeleted",
    }
    # DynamoDB and Lambda use our keys.
    for name in ("token", "public", "task-plan-deployment"):
        yield call(
            _ours(name, environment, suffix),
            "kms",
            "Decrypt",
            encryptionContext={"aws:dynamodb:tableName": resource_name("tokens", environment)},
        )


def _deployment(environment: str, suffix: str) -> Iterator[Event]:
    execution = by_cloudformation(f"cdk-hnb659fds-cfn-exec-role-{ACCOUNT}-us-west-1")
    yield call(_ours("pipeline", environment, suffix), "sts", "AssumeRole", roleArn="cdk-hnb659fds-deploy-role")
    yield call(execution, "dynamodb", "UpdateTable", tableName=resource_name("state", environment))
    yield call(execution, "dynamodb", "UpdateContinuousBackups", tableName=resource_name("state", environment))
    yield call(execution, "iam", "PutRolePolicy", roleName=resource_name("token", environment))
    yield call(execution, "iam", "CreateRole", roleName=resource_name("task-new", environment))
    yield call(execution, "iam", "UpdateAssumeRolePolicy", roleName=resource_name("token", environment))
    yield call(execution, "kms", "PutKeyPolicy", keyId="data")
    yield call(execution, "lambda", "UpdateFunctionCode", functionName=resource_name("token", environment))
    yield call(execution, "s3", "PutBucketPolicy", bucketName=bucket_name("evidence", environment, ACCOUNT, None))


# --- what the alarms are for ---------------------------------------------------------------------------------


def events_by_alarm(environment: str, account: str = ACCOUNT) -> dict[str, list[Event]]:
    """By security alarm: the events that it is for. No other alarm fires at them.

    Args:
        environment: its name.
        account: id of its account, which is in the name of the trail's bucket.
    """

    def ours(name: str) -> Event:
        return _ours(name, environment, "")

    admin = by_role("admin")
    session: dict[str, Any] = {
        "encryptionContext": {"environment": environment, "purpose": "session", "owner": "family#1"}
    }
    denied: dict[str, Any] = {"error": "AccessDenied"}
    trail = bucket_name("trail", environment, account, None)
    return {
        "access-denied": [
            call(ours("token"), "kms", "Sign", **denied) | {"eventName": "VerifyMac"},
            call(ours("task-plan-deployment"), "dynamodb", "DescribeTable", error="AccessDeniedException"),
            call(ours("token"), "ec2", "RunInstances", error="Client.UnauthorizedOperation"),
            call(ours("backups"), "dynamodb", "CreateBackup", error="AccessDeniedException"),
        ],
        "access-denied-spike": [call(by_user(), "s3", "ListBuckets", **denied)] * 21,
        "unauthorized-kms-sign": [
            call(by_user(), "kms", "Sign"),
            call(admin, "kms", "Sign"),
            call(ours("authorize"), "kms", "Sign"),
            call(ours("task-seed-grants"), "kms", "Sign"),
            call(by_role("ib-oauth-tokens"), "kms", "Sign"),
        ],
        "unauthorized-session-decrypt": [
            call(by_user(), "kms", "Decrypt", **session),
            call(ours("token"), "kms", "Decrypt", **session),
            call(ours("task-check-seeded-grants"), "kms", "Decrypt", **session),
            call(admin, "kms", "Decrypt", encryptionContext={"environment": environment}),
        ],
        "kms-key-changed": [
            call(by_user(), "kms", "ScheduleKeyDeletion"),
            call(admin, "kms", "PutKeyPolicy"),
            call(admin, "kms", "DisableKeyRotation"),
            call(ours("task-clean-up"), "kms", "DisableKey"),
        ],
        "alias-changed-manually": [
            call(by_user(), "lambda", "UpdateAlias"),
            call(admin, "lambda", "UpdateAlias"),
            call(by_cloudformation("cdk"), "lambda", "UpdateAlias"),  # CloudFormation never shifts traffic
            call(ours("task-publish-versions"), "lambda", "UpdateAlias"),
        ],
        "table-changed-manually": [
            call(by_user(), "dynamodb", "DeleteTable"),
            call(admin, "dynamodb", "UpdateContinuousBackups"),
            call(admin, "dynamodb", "DeleteBackup"),
            call(admin, "backup", "DeleteRecoveryPoint"),
            call(ours("token"), "dynamodb", "PutResourcePolicy"),
            call(ours("pipeline"), "dynamodb", "UpdateTable"),
        ],
        "iam-policy-changed": [
            call(by_user(), "iam", name)
            for name in (
                *("PutRolePolicy", "PutUserPolicy", "PutGroupPolicy", "AttachRolePolicy", "AttachUserPolicy"),
                *("AttachGroupPolicy", "DetachRolePolicy", "DetachUserPolicy", "DetachGroupPolicy", "DeleteRolePolicy"),
                *("DeleteUserPolicy", "DeleteGroupPolicy", "DeletePolicy", "DeletePolicyVersion", "CreatePolicy"),
                *("CreatePolicyVersion", "SetDefaultPolicyVersion", "CreateUser", "CreateRole", "CreateAccessKey"),
                *("CreateLoginProfile", "UpdateAssumeRolePolicy", "UpdateLoginProfile", "AddUserToGroup"),
                *("PutRolePermissionsBoundary", "DeleteRolePermissionsBoundary", "DeleteUserPermissionsBoundary"),
            )
        ]
        + [call(ours("token"), "iam", "PutRolePolicy")],
        "root-account-used": [call(by_root(), "iam", "ListUsers")],
        "console-login-without-mfa": [
            call(by_user(), "signin", "ConsoleLogin")
            | {"responseElements": {"ConsoleLogin": "Success"}, "additionalEventData": {"MFAUsed": "No"}}
        ],
        "cloudtrail-changed": [
            call(by_user(), "cloudtrail", "StopLogging"),
            call(by_cloudformation("cdk"), "cloudtrail", "DeleteTrail"),
            call(by_user(), "logs", "DeleteMetricFilter"),
            call(by_user(), "s3", "PutBucketPolicy", bucketName=trail),
        ],
    }
