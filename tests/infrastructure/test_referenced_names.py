"""Every name of a role, table or other resource that a policy refers to is one that a template gives.

A policy names resources of other stacks by text. A name that no resource has is a right that no role gets or, in the
exception of a Deny, a right that every role loses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

import pytest

from tests.infrastructure.access import read
from tests.infrastructure.filter_patterns import texts, tokens_of
from tests.infrastructure.templates import ENVIRONMENTS

NAMED_RESOURCES = {
    # type of a resource: the kind of its ARN, and the property with its name
    "AWS::Backup::BackupVault": ("backup-vault", "BackupVaultName"),
    "AWS::CloudTrail::Trail": ("trail", "TrailName"),
    "AWS::DynamoDB::GlobalTable": ("table", "TableName"),
    "AWS::DynamoDB::Table": ("table", "TableName"),
    "AWS::Events::EventBus": ("event-bus", "Name"),
    "AWS::Events::Rule": ("rule", "Name"),
    "AWS::IAM::ManagedPolicy": ("policy", "ManagedPolicyName"),
    "AWS::IAM::Role": ("role", "RoleName"),
    "AWS::Lambda::Function": ("function", "FunctionName"),
    "AWS::Logs::LogGroup": ("log-group", "LogGroupName"),
    "AWS::S3::Bucket": ("bucket", "BucketName"),
    "AWS::SNS::Topic": ("topic", "TopicName"),
    "AWS::SQS::Queue": ("queue", "QueueName"),
    "AWS::Scheduler::Schedule": ("schedule", "Name"),
    "AWS::SecretsManager::Secret": ("secret", "Name"),
    "AWS::Signer::SigningProfile": ("signing-profiles", "ProfileName"),
    "AWS::StepFunctions::StateMachine": ("stateMachine", "StateMachineName"),
}
SAME = {"execution": "stateMachine", "mapRun": "stateMachine"}
"""Resources that are named after another: an execution's ARN has its state machine's name."""

MADE_LATER = {
    # kind: patterns of the names that are given while the product runs, and by the CDK's bootstrap
    "role": ("ib-oauth-drill-*", "cdk-hnb659fds-*"),
    "table": ("ib-oauth-drill-*", "ib-oauth-restored-*"),
    "function": ("ib-oauth-drill-*",),
    "log-group": ("/aws/lambda/ib-oauth-drill-*",),
}
AWS_NAMES = ("key", "scalable-target", "alarm", "recovery-point", "restapis", "signing-jobs")
"""Kinds whose names AWS gives. Alarms are named by ours, and policies can name all of them only, or those that scale a table."""
_SCALING_ALARM = "TargetTracking-table/"
"""How Application Auto Scaling names an alarm, before the table's name."""

_ARN = re.compile(r"arn:[^:]+:(?P<service>[\w-]*):[^:]*:(?P<account>[^:]*):(?P<rest>.+)")


class Assembly:
    """What an environment's templates give names to, and what they refer to."""

    def __init__(self, one) -> None:
        self._templates = read(one.files)
        self.defined: dict[str, set[str]] = {"stack": {file.name.removesuffix(".template.json") for file in one.files}}
        if one.name == "local":
            self.defined["trail"] = {"ib-oauth-trail-local"}  # which the local cloud does not have
        for type_, (kind, property_) in NAMED_RESOURCES.items():
            for stack, logical_id, found in self._templates.resources(type_):
                # CloudFormation names what has no name after its stack.
                name = found.get(property_, f"{stack}-{logical_id}-0123456789AB")
                # Secrets Manager ends the name in an ARN with six characters of its own.
                end = "-AbCdEf" if kind == "secret" else ""
                self.defined.setdefault(kind, set()).add(_real(self._templates.text(stack, name)) + end)

    def unknown(self) -> set[tuple[str, str]]:
        """The references to names that nothing has: where, and the ARN or role's name."""
        return {(where, text) for where, kind, name, text in self.references() if not self._is_known(kind, name)}

    def references(self) -> Iterator[tuple[str, str, str, str]]:
        """Each name that a policy or a metric filter refers to: where, the kind, the name, and its text."""
        for where, text in self._texts():
            if kind_and_name := _parse(text):
                yield where, *kind_and_name, text
        for stack, _, found in self._templates.resources("AWS::Logs::MetricFilter"):
            for text in texts(tokens_of(found["FilterPattern"])):
                if text.startswith("ib-oauth-") and "trail" not in text:
                    yield f"{stack}/{found['FilterName']}", "role", text, text

    def _texts(self) -> Iterator[tuple[str, str]]:
        """Every text of a policy document that names something, and where it is."""
        for stack, logical_id, properties in self._templates.resources(*self._types()):
            for document in _documents(properties):
                for statement in _listed(document["Statement"]):
                    for part in ("Resource", "NotResource", "Principal", "Condition"):
                        for value in _leaves(statement.get(part, [])):
                            yield f"{stack}/{logical_id}", self._templates.text(stack, value)

    def _types(self) -> set[str]:
        return {
            resource["Type"]
            for template in self._templates._templates.values()
            for resource in template["Resources"].values()
        }

    def _is_known(self, kind: str, name: str) -> bool:
        kind = SAME.get(kind, kind)
        if name.startswith("<"):
            return True  # a reference to the resource itself
        if any(fnmatchcase(name, pattern) for pattern in MADE_LATER.get(kind, ())):
            return True
        return any(fnmatchcase(defined, name) for defined in self.defined.get(kind, ()))


def _real(text: str) -> str:
    return text.replace("<AWS::Partition>", "aws").replace("<AWS::AccountId>", "ACCOUNT")


def _parse(text: str) -> tuple[str, str] | None:
    """The kind and the name of an ARN; None for what has no name of ours, or belongs to another account."""
    found = _ARN.fullmatch(_real(text))
    if not found or found["account"] not in {"", "ACCOUNT"} or found["rest"] == "root":
        return None
    if kind := {"s3": "bucket", "sns": "topic", "sqs": "queue"}.get(found["service"]):
        return kind, found["rest"].partition("/")[0]
    kind, name = (*re.split(r"[:/]", found["rest"].lstrip("/"), maxsplit=1), "")[:2]
    if kind == "alarm" and name.startswith(_SCALING_ALARM):
        return "table", name.removeprefix(_SCALING_ALARM)
    if kind in AWS_NAMES:
        return None
    if kind in {"rule", "schedule", "role"}:
        return kind, name.rpartition("/")[2]
    return kind, name.partition(":")[0] if kind == "log-group" else re.split(r"[:/]", name, maxsplit=1)[0]


def _documents(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        if "Statement" in value:
            yield value if isinstance(value["Statement"], list) else {"Statement": [value["Statement"]]}
        else:
            for inner in value.values():
                yield from _documents(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _documents(inner)


def _leaves(value: Any) -> Iterator[Any]:
    """The texts of a part of a statement, as templates have them: a text, or one intrinsic function."""
    if isinstance(value, str) or (
        isinstance(value, Mapping) and len(value) == 1 and next(iter(value)).startswith(("Fn::", "Ref"))
    ):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@pytest.fixture(
    scope="module", params=[*ENVIRONMENTS, "everything on", "dev elsewhere", "staging elsewhere", "prod elsewhere"]
)
def assembly(request, synthesised, everything_on, elsewhere):
    """Each environment at home; one with everything on, with a network, a boundary and signing; and after a failover."""
    name, _, moved = request.param.partition(" ")
    if moved == "elsewhere":
        return Assembly(elsewhere(name))
    return Assembly(everything_on if moved else synthesised(name))


def test_every_name_that_a_policy_refers_to_is_defined(assembly):
    kinds = {kind for _, kind, _, _ in assembly.references()}

    assert kinds >= {"role", "table", "function", "log-group", "topic", "queue", "stateMachine"}
    assert assembly.unknown() == set()


def test_a_name_that_nothing_has_is_found(everything_on):
    """The check itself: without the roles of the service, the keys that only they may use refer to no role."""
    assembly = Assembly(everything_on)
    assembly.defined["role"] -= {f"ib-oauth-{name}-staging" for name in ("token", "authorize", "public")}

    lost = {text.rpartition("/")[2] for _, text in assembly.unknown()}
    assert lost >= {"ib-oauth-token-staging", "ib-oauth-authorize-staging", "ib-oauth-public-staging"}


def test_an_alarm_that_scales_a_table_is_named_after_a_table(everything_on):
    arns = "arn:aws:cloudwatch:us-west-1:ACCOUNT:alarm:TargetTracking-table/{}"

    assert _parse(arns.format("ib-oauth-restored-*-staging*")) == ("table", "ib-oauth-restored-*-staging*")
    assembly = Assembly(everything_on)
    assert assembly._is_known(*_parse(arns.format("ib-oauth-restored-*-staging*")))
    assert not assembly._is_known(*_parse(arns.format("ib-oauth-copies-*-staging*")))
