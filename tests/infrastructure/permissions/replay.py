"""Replays recorded calls against the policies of a deployed environment."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infrastructure.service.iam import SIGNING_KEY_TAG
from orchestrator.aws.configuration.readers import Names
from tests.infrastructure.permissions.deployed import PAGE_REGION, DeployedEnvironment, Role
from tests.infrastructure.permissions.evaluator import Answer, Request, evaluate
from tests.infrastructure.permissions.implied import DeployedCall, implied_by, implied_by_deployment
from tests.infrastructure.permissions.recorded import Call
from tests.infrastructure.permissions.reference import actions_matching

_EXAMPLES = {
    "recovery": "20261124t030000",
    "execution": "d-20261124",
    "version": "7",
    "api": "a1b2c3d4e5",
    "id": "0123abcd",
    "label": "2026-11-24T03:00:00.000",
    "backup": "01764000000000-0123abcd",
    "export": "01764000000000-0123abcd",
    "object": "2026/11/24/0123.json",
    "stream": "2026/11/24/[7]0123",
}
"""What stands for the placeholders of a recorded call."""

_KEY = re.compile(r"\{key:(?P<alias>[\w-]+)\}")
_BUCKET = re.compile(r"^arn:aws:s3:::ib-oauth-(?P<short>[\w-]+?)-\{environment\}-\{account\}(?P<rest>.*)$")
_ROLE = re.compile(r"^arn:aws:iam::\{account\}:role/ib-oauth-(?P<short>[\w-]+)-\{environment\}$")
_TABLE = re.compile(r"table/ib-oauth-(?P<role>state|tokens)-\{environment\}(?=$|/)")
DEFAULT_KEY_POLICY = "key:default"
"""The policy of a key that is created without one: the account's IAM policies decide (KMS: default key policy)."""


class Unmapped(Exception):
    """A recorded call names a resource that the environment does not have."""


@dataclass(frozen=True)
class Outcome:
    """A call and what IAM decides about it."""

    call: DeployedCall
    answer: Answer

    def __str__(self) -> str:
        keys = {key: value for key, value in self.call.context.items() if not key.startswith("aws:Principal")}
        return f"{self.call.role}: {self.call.action} on {self.call.resource} with {keys} is {self.answer.why} ({self.call.why})"


def calls_in(deployed: DeployedEnvironment, recorded: Mapping[Call, Iterable[str]]) -> list[DeployedCall]:
    """Return every call that the roles of an environment make: those recorded, and those that they imply.

    Raises:
        Unmapped: a recorded call names a role, key or bucket that the environment does not have.
    """
    own = [one for call, runs in recorded.items() for one in _deployed(deployed, call, runs)]
    implied = [one for call in own for one in implied_by(deployed, call)]
    return list({_identity(one): one for one in [*own, *implied, *implied_by_deployment(deployed)]}.values())


def _identity(call: DeployedCall) -> tuple[Any, ...]:
    return call.role, call.action, call.resource, str(sorted(call.context.items())), call.by_code


def _deployed(deployed: DeployedEnvironment, call: Call, runs: Iterable[str]) -> Iterator[DeployedCall]:
    role = deployed.role_of(call.role)
    if role is None:
        raise Unmapped(f"no role {call.role} in {deployed.name}; it was recorded by {', '.join(sorted(runs))}")
    why = f"recorded by {', '.join(sorted(runs))}"
    for resource, keys in _of_every(deployed, call):
        context = {key: _fill(deployed, value) for key, value in keys.items()}
        for text in _in_use(deployed, resource):
            yield DeployedCall(role.name, call.action, _resource(deployed, call, text), context, why)


_EVERY = {
    # where a resource has {every}: the type, and what its ARN has before the name
    ":function:": ("AWS::Lambda::Function", ":function:"),
    ":role/": ("AWS::IAM::Role", ":role/"),
    ":rule/": ("AWS::Events::Rule", ":rule/"),
    ":table/": ("AWS::DynamoDB::Table", ":table/"),
    ":stateMachine:": ("AWS::StepFunctions::StateMachine", ":stateMachine:"),
    ":sns:": ("AWS::SNS::Topic", "{account}:"),
    ":sqs:": ("AWS::SQS::Queue", "{account}:"),
    ":schedule/": ("AWS::Scheduler::Schedule", ":schedule/default/"),
    ":key/": ("AWS::KMS::Key", ":key/"),
}


def _of_every(deployed: DeployedEnvironment, call: Call) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the resource and the condition keys for every resource of the environment, if a call is about each of them."""
    texts = [call.resource, *(value for value in call.keys.values() if isinstance(value, str))]
    # A call about a key that names a function is about every function, each with its key.
    about = next((text for mark in ("{every}", "{key:every}") for text in texts if mark in text), None)
    if about is None:
        yield call.resource, call.keys
        return
    kind, before = next(
        found for part, found in _EVERY.items() if part in about and "every" in about.partition(part)[2]
    )
    arns = [arn for arn in deployed.arns(kind) if _is_read(deployed, kind, arn)]
    if not arns:
        raise Unmapped(f"{call.action} reads every {kind}, and {deployed.name} has none")
    before = before.replace("{account}", deployed.account)
    for arn in arns:
        name = arn.partition(before)[2]
        replaced = [re.sub(r"\{every\}|\{key:every\}", name, text) for text in texts]
        yield _fill_key(deployed, replaced[0], arn, kind), dict(zip(call.keys, replaced[1:], strict=True))


def _fill_key(deployed: DeployedEnvironment, resource: str, arn: str, kind: str) -> str:
    """Return the resource; where a call uses a key for every function, the key of the function."""
    if ":key/" in resource and kind == "AWS::Lambda::Function":
        function = deployed.functions[arn.rpartition(":")[2]]
        assert function.variables_key, arn
        return function.variables_key
    return resource


def _is_read(deployed: DeployedEnvironment, kind: str, arn: str) -> bool:
    """Return whether a snapshot reads a resource: it does not read other regions, nor roles that have other names."""
    if f":{PAGE_REGION}:" in arn:
        return False
    names = Names(deployed.name, deployed.bucket("evidence"), deployed.region)
    if kind == "AWS::IAM::Role":
        return names.is_our_role(arn.rpartition("/")[2])
    if kind == "AWS::KMS::Key":
        return f":{deployed.region}:" in arn and bool(deployed.keys[arn].aliases)
    return names.is_ours(re.split(r"[:/]", arn)[-1])


def _in_use(deployed: DeployedEnvironment, resource: str) -> list[str]:
    """Return the resource with the stack's own table, and with the table in use where it is another one."""
    found = _TABLE.search(resource)
    if not found:
        return [resource]
    in_use, own = deployed.tables[found["role"]], f"ib-oauth-{found['role']}-{deployed.name}"
    return [resource] if in_use == own else [resource, _TABLE.sub(f"table/{in_use}", resource)]


def _resource(deployed: DeployedEnvironment, call: Call, text: str) -> str:
    if not any(action.arns for action in actions_matching(call.action)):
        return "*"  # AWS authorizes it on nothing else, whatever the local cloud does
    if bucket := _BUCKET.fullmatch(text):
        return f"arn:aws:s3:::{deployed.bucket(bucket['short'])}{_fill(deployed, bucket['rest'])}"
    if named := _ROLE.fullmatch(text):
        role = deployed.role_of(named["short"])
        if role is not None:
            return role.arn
    return str(_fill(deployed, text))


def _fill(deployed: DeployedEnvironment, value: Any) -> Any:
    if isinstance(value, list):
        return [_fill(deployed, one) for one in value]
    text = _KEY.sub(lambda found: _key_id(deployed, found["alias"]), str(value))
    examples = _EXAMPLES | {"account": deployed.account, "region": deployed.region, "environment": deployed.name}
    for name, example in examples.items():
        text = text.replace(f"{{{name}}}", example)
    return text


def _key_id(deployed: DeployedEnvironment, alias: str) -> str:
    if alias == "rotated":
        return "rotated"
    arn = deployed.key_with_alias(alias)
    if arn is None:
        raise Unmapped(f"no key with the alias {alias} in {deployed.name}")
    return arn.rpartition("/")[2]


def policies_of(deployed: DeployedEnvironment) -> dict[str, Any]:
    """Return all policies of an environment by the keys that its requests use."""
    root = {"AWS": f"arn:aws:iam::{deployed.account}:root"}
    return {
        **{f"role:{role.name}": {"Statement": list(role.statements)} for role in deployed.roles.values()},
        **{f"boundary:{arn}": document for arn, document in deployed.boundaries.items()},
        **{f"resource:{arn}": document for arn, document in deployed.resource_policies.items()},
        **{f"endpoint:{service}": document for service, document in deployed.endpoint_policies.items()},
        DEFAULT_KEY_POLICY: {"Statement": [{"Effect": "Allow", "Principal": root, "Action": "kms:*", "Resource": "*"}]},
    }


def request_of(deployed: DeployedEnvironment, call: DeployedCall, policies: Mapping[str, Any]) -> Request:
    """Return the request that IAM decides about for a call."""
    role = deployed.roles[call.role]
    return Request(
        principal=f"arn:aws:sts::{deployed.account}:assumed-role/{role.name}/session",
        action=call.action,
        resource=call.resource,
        account=deployed.account,
        context={**_common_context(deployed, role, call), **call.context},
        identity=(f"role:{role.name}",),
        boundary=(f"boundary:{role.boundary}",) if f"boundary:{role.boundary}" in policies else (),
        resource_policy=_resource_policy(call, policies),
        endpoint=_endpoint(deployed, call, policies),
    )


def _common_context(deployed: DeployedEnvironment, role: Role, call: DeployedCall) -> dict[str, Any]:
    service = call.action.partition(":")[0]
    context: dict[str, Any] = {
        "aws:PrincipalArn": role.arn,
        "aws:PrincipalAccount": deployed.account,
        "aws:RequestedRegion": deployed.region,
        "aws:SecureTransport": "true",
    }
    functions = [one.arn for one in deployed.functions.values() if one.role == role.name]
    if call.by_code and functions:
        context["lambda:SourceFunctionArn"] = functions[0]
    if service == "s3":
        context["s3:TlsVersion"] = "1.3"
    if service == "kms":
        context["kms:CallerAccount"] = deployed.account
        key = deployed.keys.get(call.resource)
        tags = key.tags if key else {SIGNING_KEY_TAG: deployed.name}
        context |= {f"aws:ResourceTag/{name}": value for name, value in tags.items()} if call.resource != "*" else {}
    return context


def _resource_policy(call: DeployedCall, policies: Mapping[str, Any]) -> str | None:
    service = call.action.partition(":")[0]
    arn = call.resource.partition("/")[0] if service == "s3" else call.resource
    if f"resource:{arn}" in policies:
        return f"resource:{arn}"
    return DEFAULT_KEY_POLICY if service == "kms" and ":key/" in call.resource else None


def _endpoint(deployed: DeployedEnvironment, call: DeployedCall, policies: Mapping[str, Any]) -> tuple[str, ...]:
    attached = any(one.in_vpc for one in deployed.functions.values() if one.role == call.role)
    key = f"endpoint:{call.action.partition(':')[0]}"
    return (key,) if call.by_code and attached and key in policies else ()


def replay(
    deployed: DeployedEnvironment, calls: Sequence[DeployedCall], policies: Mapping[str, Any] | None = None
) -> list[Outcome]:
    """Return what IAM decides about each call.

    Args:
        deployed: the environment.
        calls: its calls.
        policies: instead of the environment's own, by the same keys.
    """
    policies = policies_of(deployed) if policies is None else policies
    answers = evaluate([request_of(deployed, call, policies) for call in calls], policies)
    return [Outcome(call, answer) for call, answer in zip(calls, answers, strict=True)]
