"""What an environment is, read kind by kind: everything that has one of its names, whoever made it.

Things are found by their names and not by what a stack lists: what somebody added by hand is there too, and what a deleted stack
left behind. Each reader follows every page, and an answer that is refused ends the reading: half a configuration is none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from botocore.exceptions import ClientError

from orchestrator.aws.clients import code_of, narrowed
from orchestrator.domain.normal_form import read_variables, veiled

Clients: TypeAlias = Callable[[str], Any]
Raw: TypeAlias = tuple[str, Mapping[str, Any]]
"""A thing's name, and what AWS tells of it."""

PREFIX = "ib-oauth-"
_LOGS = (f"/aws/lambda/{PREFIX}", f"/aws/vendedlogs/states/{PREFIX}", f"/aws/apigateway/{PREFIX}")
_STACKS = ("ib-oauth-stack", "ib-oauth-orchestrator")


@dataclass(frozen=True)
class Names:
    """Which things are the environment's.

    Attributes:
        bucket: the evidence bucket's name.
    """

    environment: str
    bucket: str

    def ours(self, name: str) -> bool:
        """Whether a thing of this name is the environment's. What a drill makes is gone when it is over, and is none."""
        if not name.startswith(PREFIX) or name.startswith(f"{PREFIX}drill-"):
            return False
        return name.endswith(f"-{self.environment}") or self.without_tail(name) != name

    def without_tail(self, name: str) -> str:
        """Return a name that CloudFormation made up without what it drew at its end; any other as it is."""
        made_up = rf"({'|'.join(_STACKS)})-{re.escape(self.environment)}-\w+-(?P<drawn>\w+)"
        found = re.fullmatch(made_up, name)
        return f"{name.removesuffix(found['drawn'])}drawn" if found else name


def functions(clients: Clients, names: Names) -> Iterator[Raw]:
    """Functions with their aliases, who may invoke them, and their reserved concurrency."""
    client = clients("lambda")
    for one in _pages(client, "list_functions", "Functions"):
        name = one["FunctionName"]
        if not names.ours(name):
            continue
        aliases = {
            found["Name"]: _alias(one["FunctionArn"], found)
            for found in _pages(client, "list_aliases", "Aliases", FunctionName=name)
        }
        yield (
            name,
            {
                **one,
                "Environment": {"Variables": read_variables(one.get("Environment", {}).get("Variables", {}))},
                "aliases": aliases,
                "policy": _policy(client, FunctionName=name),
                "policies": {alias: _policy(client, FunctionName=name, Qualifier=alias) for alias in aliases},
                "concurrency": _asked(client.get_function_concurrency, FunctionName=name).get(
                    "ReservedConcurrentExecutions"
                ),
                "urls": list(_pages(client, "list_function_url_configs", "FunctionUrlConfigs", FunctionName=name)),
            },
        )


def apis(clients: Clients, names: Names) -> Iterator[Raw]:
    """REST APIs with their routes, integrations, stages and the answers that they give by themselves."""
    client = clients("apigateway")
    for one in _pages(client, "get_rest_apis", "items"):
        if not names.ours(one["name"]):
            continue
        of = {"restApiId": one["id"]}
        answers = _pages(client, "get_gateway_responses", "items", **of)
        yield (
            one["name"],
            {
                **one,
                "policy": _json(one.get("policy", "").replace("\\", "")),
                "resources": {
                    found["path"]: found for found in _pages(client, "get_resources", "items", embed=["methods"], **of)
                },
                "stages": {found["stageName"]: found for found in _asked(client.get_stages, **of)["item"]},
                "answers": {found["responseType"]: found for found in answers if not found.get("defaultResponse")},
            },
        )


def roles(clients: Clients, names: Names) -> Iterator[Raw]:
    """Roles: who may assume them, and everything that they may do."""
    client = clients("iam")
    for one in _pages(client, "list_roles", "Roles"):
        name = one["RoleName"]
        if not names.ours(name):
            continue
        inline = {
            policy: _asked(client.get_role_policy, RoleName=name, PolicyName=policy)["PolicyDocument"]
            for policy in _pages(client, "list_role_policies", "PolicyNames", RoleName=name)
        }
        attached = [
            found["PolicyArn"]
            for found in _pages(client, "list_attached_role_policies", "AttachedPolicies", RoleName=name)
        ]
        yield name, {**one, "Tags": _tags(one.get("Tags", ())), "policies": inline, "attached": attached}


def alarms(clients: Clients, names: Names) -> Iterator[Raw]:
    """Alarms: what they watch, when they ring, and whom they tell."""
    client = clients("cloudwatch")
    asked = {"AlarmNamePrefix": PREFIX, "AlarmTypes": ["MetricAlarm", "CompositeAlarm"]}
    for kind in ("MetricAlarms", "CompositeAlarms"):
        yield from (
            (one["AlarmName"], one)
            for one in _pages(client, "describe_alarms", kind, **asked)
            if names.ours(one["AlarmName"])
        )


def rules(clients: Clients, names: Names) -> Iterator[Raw]:
    """Rules of the default bus and of the environment's own, with their targets."""
    client = clients("events")
    for bus in ("default", *(name for name, _ in buses(clients, names))):
        for one in _pages(client, "list_rules", "Rules", NamePrefix=PREFIX, EventBusName=bus):
            if names.ours(one["Name"]):
                targets = _pages(client, "list_targets_by_rule", "Targets", Rule=one["Name"], EventBusName=bus)
                yield one["Name"], {**one, "EventPattern": _json(one.get("EventPattern", "")), "targets": list(targets)}


def buses(clients: Clients, names: Names) -> Iterator[Raw]:
    """The environment's bus, and who may put events on it."""
    client = clients("events")
    name = f"{PREFIX}{names.environment}"
    found = _asked(client.describe_event_bus, ("ResourceNotFoundException",), Name=name)
    if found:
        yield name, {**found, "Policy": _json(found.get("Policy", ""))}


def schedules(clients: Clients, names: Names) -> Iterator[Raw]:
    """Schedules of the EventBridge Scheduler."""
    client = clients("scheduler")
    for one in _pages(client, "list_schedules", "Schedules", NamePrefix=PREFIX):
        if names.ours(one["Name"]):
            found = _asked(client.get_schedule, Name=one["Name"], GroupName=one["GroupName"])
            target = {**found["Target"], "Input": _json(found["Target"].get("Input", ""))}
            yield one["Name"], {**found, "Target": target}


def tables(clients: Clients, names: Names) -> Iterator[Raw]:
    """Tables: everything about them but their items."""
    client = clients("dynamodb")
    for name in _pages(client, "list_tables", "TableNames"):
        if not names.ours(name):
            continue
        found = _asked(client.describe_table, TableName=name)["Table"]
        lives = _asked(client.describe_time_to_live, TableName=name)["TimeToLiveDescription"]
        backups = _asked(client.describe_continuous_backups, TableName=name)["ContinuousBackupsDescription"]
        policy = _asked(client.get_resource_policy, ("PolicyNotFoundException",), ResourceArn=found["TableArn"])
        tags = _pages(client, "list_tags_of_resource", "Tags", ResourceArn=found["TableArn"])
        yield (
            name,
            {
                **found,
                "time_to_live": lives,
                "recovery": backups.get("PointInTimeRecoveryDescription"),
                "policy": _json(policy.get("Policy", "")),
                "Tags": _tags(tags),
            },
        )


def keys(clients: Clients, names: Names) -> Iterator[Raw]:
    """KMS keys that have an alias: what they are and who may use them. Signing keys that a rotation made are in the ring instead."""
    client = clients("kms")
    for name, key_id in keys_by_alias(clients, names):
        found = _asked(client.describe_key, KeyId=key_id)["KeyMetadata"]
        # Asymmetric keys are not rotated by KMS, which says so by an error.
        rotation = _asked(client.get_key_rotation_status, ("UnsupportedOperationException",), KeyId=key_id)
        policy = _asked(client.get_key_policy, KeyId=key_id, PolicyName="default")["Policy"]
        yield (
            name,
            {
                **found,
                "policy": _json(policy),
                "rotated": rotation.get("KeyRotationEnabled"),
                "Tags": _tags(_pages(client, "list_resource_tags", "Tags", KeyId=key_id)),
            },
        )


def keys_by_alias(clients: Clients, names: Names) -> Iterator[tuple[str, str]]:
    """Aliases of the environment's keys, without ``alias/``, each with the id that it stands for."""
    for one in _pages(clients("kms"), "list_aliases", "Aliases"):
        name = one["AliasName"].removeprefix("alias/")
        if names.ours(name) and "TargetKeyId" in one:
            yield name, one["TargetKeyId"]


def machines(clients: Clients, names: Names) -> Iterator[Raw]:
    """State machines with their definitions."""
    client = clients("stepfunctions")
    for one in _pages(client, "list_state_machines", "stateMachines"):
        if names.ours(one["name"]):
            found = _asked(client.describe_state_machine, stateMachineArn=one["stateMachineArn"])
            yield one["name"], {**found, "definition": json.loads(found["definition"])}


def topics(clients: Clients, names: Names) -> Iterator[Raw]:
    """Topics with who is told. An address of a person is put as a digest."""
    client = clients("sns")
    for one in _pages(client, "list_topics", "Topics"):
        name = one["TopicArn"].rpartition(":")[2]
        if not names.ours(name):
            continue
        found = _asked(client.get_topic_attributes, TopicArn=one["TopicArn"])["Attributes"]
        told = [
            {
                "Protocol": sub["Protocol"],
                "Endpoint": sub["Endpoint"]
                if sub["Endpoint"].startswith("arn:")
                else veiled("endpoint", sub["Endpoint"]),
            }
            for sub in _pages(client, "list_subscriptions_by_topic", "Subscriptions", TopicArn=one["TopicArn"])
        ]
        yield name, {**found, "Policy": _json(found.get("Policy", "")), "told": told}


def queues(clients: Clients, names: Names) -> Iterator[Raw]:
    """Queues."""
    client = clients("sqs")
    for url in _pages(client, "list_queues", "QueueUrls", QueueNamePrefix=PREFIX):
        name = url.rpartition("/")[2]
        if names.ours(name):
            found = _asked(client.get_queue_attributes, QueueUrl=url, AttributeNames=["All"])["Attributes"]
            yield name, {**found, "Policy": _json(found.get("Policy", ""))}


def logs(clients: Clients, names: Names) -> Iterator[Raw]:
    """Log groups: how long they keep, and what encrypts them."""
    for prefix in _LOGS:
        for one in _pages(clients("logs"), "describe_log_groups", "logGroups", logGroupNamePrefix=prefix):
            if names.ours(one["logGroupName"].rpartition("/")[2]):
                yield one["logGroupName"], one


def buckets(clients: Clients, names: Names) -> Iterator[Raw]:
    """The bucket of evidence."""
    client, of = clients("s3"), {"Bucket": names.bucket}
    if not _asked(client.get_bucket_location, ("NoSuchBucket",), **of):
        return
    blocked = _asked(client.get_public_access_block, ("NoSuchPublicAccessBlockConfiguration",), **of)
    encryption = _asked(client.get_bucket_encryption, ("ServerSideEncryptionConfigurationNotFoundError",), **of)
    lifecycle = _asked(client.get_bucket_lifecycle_configuration, ("NoSuchLifecycleConfiguration",), **of)
    lock = _asked(client.get_object_lock_configuration, ("ObjectLockConfigurationNotFoundError",), **of)
    policy = _asked(client.get_bucket_policy, ("NoSuchBucketPolicy",), **of)
    yield (
        names.bucket,
        {
            "versioning": _asked(client.get_bucket_versioning, **of).get("Status"),
            "encryption": encryption.get("ServerSideEncryptionConfiguration"),
            "blocked": blocked.get("PublicAccessBlockConfiguration"),
            "lifecycle": lifecycle.get("Rules"),
            "lock": lock.get("ObjectLockConfiguration"),
            "policy": _json(policy.get("Policy", "")),
        },
    )


def stacks(clients: Clients, names: Names) -> Iterator[Raw]:
    """The stacks: which template each has, and what protects it."""
    client = clients("cloudformation")
    for stack in _STACKS:
        of = {"StackName": f"{stack}-{names.environment}"}
        found = _asked(client.describe_stacks, ("ValidationError",), **of).get("Stacks", ())
        for one in found:
            template = _asked(client.get_template, **of)["TemplateBody"]
            yield (
                one["StackName"],
                {
                    "template": veiled("template", _json(template) if isinstance(template, str) else template),
                    "parameters": {
                        given["ParameterKey"]: given.get("ParameterValue") for given in one.get("Parameters", ())
                    },
                    "protected": one.get("EnableTerminationProtection", False),
                    "policy": _json(_asked(client.get_stack_policy, **of).get("StackPolicyBody", "")),
                },
            )


Reader: TypeAlias = Callable[[Clients, Names], Iterable[Raw]]
READERS: Mapping[str, Reader] = {
    "function": functions,
    "api": apis,
    "role": roles,
    "alarm": alarms,
    "rule": rules,
    "bus": buses,
    "schedule": schedules,
    "table": tables,
    "key": keys,
    "machine": machines,
    "topic": topics,
    "queue": queues,
    "logs": logs,
    "bucket": buckets,
    "stack": stacks,
}
"""Kind of part to who reads all of that kind."""


def _pages(client: Any, operation: str, key: str, **asked: Any) -> Iterator[Any]:
    with narrowed():
        for page in client.get_paginator(operation).paginate(**asked):
            yield from page.get(key) or ()


def _asked(call: Callable[..., Mapping[str, Any]], absent: tuple[str, ...] = (), /, **asked: Any) -> Mapping[str, Any]:
    """Ask; where there is nothing, which AWS says by one of these errors, the answer is empty."""
    try:
        with narrowed():
            answer = call(**asked)
    except ClientError as error:
        if code_of(error) in absent:
            return {}
        raise
    return {key: value for key, value in answer.items() if key != "ResponseMetadata"}


def _policy(client: Any, **of: str) -> Any:
    return _json(_asked(client.get_policy, ("ResourceNotFoundException",), **of).get("Policy", ""))


def _alias(function_arn: str, found: Mapping[str, Any]) -> Mapping[str, Any]:
    weights = (found.get("RoutingConfig") or {}).get("AdditionalVersionWeights", {})
    return {
        **{
            key: value
            for key, value in found.items()
            if key not in {"AliasArn", "Name", "FunctionVersion", "RoutingConfig"}
        },
        # As ARNs, so that they are told by the code that they hold and not by a number.
        "version": f"{function_arn}:{found['FunctionVersion']}",
        "weights": {f"{function_arn}:{version}": weight for version, weight in weights.items()},
    }


def _tags(tags: Iterable[Mapping[str, str]]) -> Mapping[str, str]:
    return {tag.get("Key", tag.get("TagKey", "")): tag.get("Value", tag.get("TagValue", "")) for tag in tags}


def _json(text: str) -> Any:
    """Open a text that is JSON; one that is not, or is empty, stays what it is."""
    try:
        return json.loads(text)
    except ValueError:
        return text
