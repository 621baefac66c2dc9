"""CloudTrail's events as its trail writes them to the log group: of single calls, of a night, and of all that our roles may do.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html

The trail has management events, reads among them. So it has no event of an item, an object, a message or an invocation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from orchestrator.aws.ledger.seeded_grants import PURPOSE
from tests.infrastructure.access import Templates, read

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
    return by_role(f"ib-oauth-{name}-{environment}{suffix}")


def _drill(environment: str, suffix: str) -> Iterator[Event]:
    def task(name: str) -> Event:
        return _ours(f"task-{name}", environment, suffix)

    copy = f"ib-oauth-drill-d1-tokens-{environment}"
    grants = {"environment": environment, "recovery": "d1", "purpose": PURPOSE}
    sessions = {"environment": environment, "purpose": "session", "owner": "family#1"}
    yield call(task("seed-grants"), "kms", "Encrypt", encryptionContext=grants)
    yield call(task("revoke-seeded-grants"), "kms", "Decrypt", encryptionContext=grants)
    yield call(task("start-restore"), "dynamodb", "RestoreTableToPointInTime", targetTableName=copy)
    yield call(task("reapply-settings"), "dynamodb", "UpdateContinuousBackups", tableName=copy)
    yield call(task("reapply-settings"), "dynamodb", "UpdateTable", tableName=copy)
    yield call(task("inject-fault"), "dynamodb", "UpdateTable", tableName=copy)
    yield call(task("start-isolated-service"), "lambda", "CreateFunction", functionName="ib-oauth-drill-d1-token")
    yield call(task("check-seeded-grants"), "kms", "Decrypt", encryptionContext=grants)
    yield call(_ours("functions-of-drills", environment, suffix), "kms", "Sign", signingAlgorithm="ECDSA_SHA_256")
    yield call(_ours("public", environment, suffix), "kms", "Decrypt", encryptionContext=sessions)
    yield call(task("clean-up"), "dynamodb", "DeleteTable", tableName=copy)
    yield call(_ours("event-clean-up-drills", environment, suffix), "dynamodb", "DeleteTable", tableName=copy)
    yield call(
        _ours("event-clean-up-drills", environment, suffix), "iam", "DeleteRolePolicy", roleName="ib-oauth-drill-old"
    )


def _restore(environment: str, suffix: str) -> Iterator[Event]:
    def task(name: str) -> Event:
        return _ours(f"task-{name}", environment, suffix)

    source, copy = f"ib-oauth-tokens-{environment}", f"ib-oauth-restored-r1-tokens-{environment}"
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
            tableName=f"ib-oauth-tokens-{environment}",
            provisionedThroughput={"readCapacityUnits": units},
        )
    backups = by_role(f"ib-oauth-backups-{environment}{suffix}", invoked_by="backup.amazonaws.com")
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
            encryptionContext={"aws:dynamodb:tableName": f"ib-oauth-tokens-{environment}"},
        )


def _deployment(environment: str, suffix: str) -> Iterator[Event]:
    execution = by_cloudformation(f"cdk-hnb659fds-cfn-exec-role-{ACCOUNT}-us-west-1")
    yield call(_ours("pipeline", environment, suffix), "sts", "AssumeRole", roleArn="cdk-hnb659fds-deploy-role")
    yield call(execution, "dynamodb", "UpdateTable", tableName=f"ib-oauth-state-{environment}")
    yield call(execution, "dynamodb", "UpdateContinuousBackups", tableName=f"ib-oauth-state-{environment}")
    yield call(execution, "iam", "PutRolePolicy", roleName=f"ib-oauth-token-{environment}")
    yield call(execution, "iam", "CreateRole", roleName=f"ib-oauth-task-new-{environment}")
    yield call(execution, "iam", "UpdateAssumeRolePolicy", roleName=f"ib-oauth-token-{environment}")
    yield call(execution, "kms", "PutKeyPolicy", keyId="data")
    yield call(execution, "lambda", "UpdateFunctionCode", functionName=f"ib-oauth-token-{environment}")
    yield call(execution, "s3", "PutBucketPolicy", bucketName=f"ib-oauth-evidence-{environment}-{ACCOUNT}")


# --- all that our roles may do -------------------------------------------------------------------------------

# The CDK allows the use of a key in all its variants.
_VARIANTS = {
    "kms:ReEncrypt*": ("ReEncrypt",),
    "kms:GenerateDataKey*": ("GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "GenerateDataKeyPair"),
}
_REFERENCE = re.compile(r"<(?P<stack>[\w-]+)/(?P<id>\w+)(\.Arn)?>")


def permitted(one) -> list[Event]:
    """One event for each call that a policy of the templates allows a role of ours: more than any night has."""
    templates = read(one.files)
    roles = {
        (stack, logical_id): templates.text(stack, role.get("RoleName", f"{stack}-{logical_id}-0123456789AB"))
        for stack, logical_id, role in templates.resources("AWS::IAM::Role")
    }
    events = []
    for role, stack, statement in _allowed(templates, roles):
        context = _encryption_context(templates, stack, statement, one.name)
        for action in _listed(statement["Action"]):
            service, _, name = action.partition(":")
            if service == "s3" and "*" in name:
                continue  # of objects, which the trail does not have
            assert action in _VARIANTS or "*" not in name, f"the role {role} may {action}: which calls are these?"
            events += [
                call(by_role(role), service, one, encryptionContext=context) for one in _VARIANTS.get(action, (name,))
            ]
    return events


def _allowed(templates: Templates, roles: Mapping[tuple[str, str], str]) -> Iterator[tuple[str, str, Any]]:
    for stack, logical_id, role in templates.resources("AWS::IAM::Role"):
        for policy in role.get("Policies", []):
            yield from _allows(roles[stack, logical_id], stack, policy["PolicyDocument"])
    for stack, _, policy in templates.resources("AWS::IAM::Policy"):
        for holder in policy["Roles"]:
            found = _REFERENCE.fullmatch(templates.text(stack, holder))
            assert found, holder
            yield from _allows(roles[found["stack"], found["id"]], stack, policy["PolicyDocument"])


def _allows(role: str, stack: str, document: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    for statement in document["Statement"]:
        if statement["Effect"] == "Allow":
            yield role, stack, statement


def _encryption_context(templates: Templates, stack: str, statement: Mapping[str, Any], environment: str) -> Event:
    """The encryption context of a call of KMS, as the statement's conditions say what the key is used for."""
    wanted = {key: value for pairs in statement.get("Condition", {}).values() for key, value in pairs.items()}
    if "kms:ViaService" in wanted:
        return {"aws:dynamodb:tableName": f"ib-oauth-tokens-{environment}"}
    if "kms:EncryptionContext:environment" in wanted:
        return {"environment": environment, "purpose": "session", "owner": "family#1"}
    if "kms:EncryptionContext:aws:lambda:FunctionArn" in wanted:
        function = templates.text(stack, _listed(wanted["kms:EncryptionContext:aws:lambda:FunctionArn"])[0])
        return {"aws:lambda:FunctionArn": function}
    return {"environment": environment, "recovery": "d1", "purpose": PURPOSE}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
