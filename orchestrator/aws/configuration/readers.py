"""Read the configuration of an environment's resources, one reader per kind.

Resources are found by their names and not in a stack's list. So resources that were added by hand, or that a deleted
stack left behind, are included. Each reader follows every page, and any error ends the reading: there are no partial
configurations.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from botocore.exceptions import ClientError

from orchestrator.aws.clients import error_code, read_pages, translate_errors
from orchestrator.domain.configuration.normalization import normalize_variables, redact
from orchestrator.domain.names import DRILL_PREFIX, ORCHESTRATOR_STACK, PREFIX, SERVICE_STACK, event_bus_name
from orchestrator.domain.untrusted_json import decode_untrusted

Clients: TypeAlias = Callable[[str], Any]
Raw: TypeAlias = tuple[str, Mapping[str, Any]]
"""A resource's name, and its configuration as AWS returns it."""

_LOGS = (f"/aws/lambda/{PREFIX}", f"/aws/vendedlogs/states/{PREFIX}", f"/aws/apigateway/{PREFIX}")
_STACKS = (SERVICE_STACK, ORCHESTRATOR_STACK)


@dataclass(frozen=True)
class Names:
    """The names of an environment's resources.

    Attributes:
        environment: its name.
        bucket: the evidence bucket's name.
        region: the environment's region.
    """

    environment: str
    bucket: str
    region: str

    def is_ours(self, name: str) -> bool:
        """Return whether a resource of this name belongs to the environment. The resources of drills do not."""
        if not name.startswith(PREFIX) or name.startswith(DRILL_PREFIX):
            return False
        return name.endswith(f"-{self.environment}") or self.without_generated_id(name) != name

    def is_our_role(self, name: str) -> bool:
        """Return whether a role belongs to the environment.

        Roles are unique in an account. After a failover the roles of the lost region still have the plain name, and
        ours end with the region, as does the evidence bucket (infrastructure/naming.py).
        """
        moved = f"-{self.region}" if self.bucket.endswith(f"-{self.region}") else ""
        if self.without_generated_id(name) != name:
            return True
        return name.endswith(f"-{self.environment}{moved}") and self.is_ours(name.removesuffix(moved))

    def without_generated_id(self, name: str) -> str:
        """Return a name that CloudFormation generated without its random suffix; any other name unchanged."""
        generated = rf"({'|'.join(_STACKS)})-{re.escape(self.environment)}-\w+-(?P<suffix>\w+)"
        match = re.fullmatch(generated, name)
        return f"{name.removesuffix(match['suffix'])}generated" if match else name


def functions(clients: Clients, names: Names) -> Iterator[Raw]:
    """Functions with their aliases, resource policies, reserved concurrency and URLs."""
    client = clients("lambda")
    for function in _pages(client, "list_functions", "Functions"):
        name = function["FunctionName"]
        if not names.is_ours(name):
            continue
        aliases = {
            alias["Name"]: _alias(function["FunctionArn"], alias)
            for alias in _pages(client, "list_aliases", "Aliases", FunctionName=name)
        }
        yield (
            name,
            {
                **function,
                "Environment": _environment(function.get("Environment", {})),
                "aliases": aliases,
                "policy": _policy(client, FunctionName=name),
                "policies": {alias: _policy(client, FunctionName=name, Qualifier=alias) for alias in aliases},
                "concurrency": _call(client.get_function_concurrency, FunctionName=name).get(
                    "ReservedConcurrentExecutions"
                ),
                "urls": list(_pages(client, "list_function_url_configs", "FunctionUrlConfigs", FunctionName=name)),
            },
        )


def apis(clients: Clients, names: Names) -> Iterator[Raw]:
    """REST APIs with their routes, integrations, stages and gateway responses."""
    client = clients("apigateway")
    for api in _pages(client, "get_rest_apis", "items"):
        if not names.is_ours(api["name"]):
            continue
        api_id = {"restApiId": api["id"]}
        responses = _pages(client, "get_gateway_responses", "items", **api_id)
        yield (
            api["name"],
            {
                **api,
                "policy": _json(api.get("policy", "").replace("\\", "")),
                "resources": {
                    resource["path"]: resource
                    for resource in _pages(client, "get_resources", "items", embed=["methods"], **api_id)
                },
                "stages": {stage["stageName"]: stage for stage in _call(client.get_stages, **api_id)["item"]},
                "answers": {
                    response["responseType"]: response for response in responses if not response.get("defaultResponse")
                },
            },
        )


def roles(clients: Clients, names: Names) -> Iterator[Raw]:
    """Roles with their trust policies, permissions boundaries, tags, inline policies and attached policies."""
    client = clients("iam")
    for summary in _pages(client, "list_roles", "Roles"):
        name = summary["RoleName"]
        if not names.is_our_role(name):
            continue
        # ListRoles returns neither the tags nor the permissions boundary.
        # https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRoles.html
        role = _call(client.get_role, RoleName=name)["Role"]
        inline = {
            policy: _call(client.get_role_policy, RoleName=name, PolicyName=policy)["PolicyDocument"]
            for policy in _pages(client, "list_role_policies", "PolicyNames", RoleName=name)
        }
        attached = [
            attachment["PolicyArn"]
            for attachment in _pages(client, "list_attached_role_policies", "AttachedPolicies", RoleName=name)
        ]
        yield name, {**role, "Tags": _tags(role.get("Tags", ())), "policies": inline, "attached": attached}


def alarms(clients: Clients, names: Names) -> Iterator[Raw]:
    """Alarms with their metrics, thresholds and actions."""
    client = clients("cloudwatch")
    params = {"AlarmNamePrefix": PREFIX, "AlarmTypes": ["MetricAlarm", "CompositeAlarm"]}
    for kind in ("MetricAlarms", "CompositeAlarms"):
        yield from (
            (alarm["AlarmName"], alarm)
            for alarm in _pages(client, "describe_alarms", kind, **params)
            if names.is_ours(alarm["AlarmName"])
        )


def rules(clients: Clients, names: Names) -> Iterator[Raw]:
    """Rules of the default bus and of the environment's own, with their targets."""
    client = clients("events")
    for bus in ("default", *(name for name, _ in buses(clients, names))):
        for rule in _pages(client, "list_rules", "Rules", NamePrefix=PREFIX, EventBusName=bus):
            name = rule["Name"]
            if names.is_ours(name):
                targets = _pages(client, "list_targets_by_rule", "Targets", Rule=name, EventBusName=bus)
                yield name, {**rule, "EventPattern": _json(rule.get("EventPattern", "")), "targets": list(targets)}


def buses(clients: Clients, names: Names) -> Iterator[Raw]:
    """The environment's event bus with its resource policy."""
    client = clients("events")
    name = event_bus_name(names.environment)
    bus = _call(client.describe_event_bus, ("ResourceNotFoundException",), Name=name)
    if bus:
        yield name, {**bus, "Policy": _json(bus.get("Policy", ""))}


def schedules(clients: Clients, names: Names) -> Iterator[Raw]:
    """Schedules of the EventBridge Scheduler."""
    client = clients("scheduler")
    for summary in _pages(client, "list_schedules", "Schedules", NamePrefix=PREFIX):
        name = summary["Name"]
        if names.is_ours(name):
            schedule = _call(client.get_schedule, Name=name, GroupName=summary["GroupName"])
            target = {**schedule["Target"], "Input": _json(schedule["Target"].get("Input", ""))}
            yield name, {**schedule, "Target": target}


def tables(clients: Clients, names: Names) -> Iterator[Raw]:
    """Tables with all their settings, without their items."""
    client = clients("dynamodb")
    for name in _pages(client, "list_tables", "TableNames"):
        if not names.is_ours(name):
            continue
        table = _call(client.describe_table, TableName=name)["Table"]
        time_to_live = _call(client.describe_time_to_live, TableName=name)["TimeToLiveDescription"]
        backups = _call(client.describe_continuous_backups, TableName=name)["ContinuousBackupsDescription"]
        policy = _call(client.get_resource_policy, ("PolicyNotFoundException",), ResourceArn=table["TableArn"])
        tags = _pages(client, "list_tags_of_resource", "Tags", ResourceArn=table["TableArn"])
        yield (
            name,
            {
                **table,
                "time_to_live": time_to_live,
                "recovery": backups.get("PointInTimeRecoveryDescription"),
                "policy": _json(policy.get("Policy", "")),
                "Tags": _tags(tags),
            },
        )


def keys(clients: Clients, names: Names) -> Iterator[Raw]:
    """KMS keys that have an alias, with their key policies.

    Signing keys that a rotation created have no alias: they are in the key ring.
    """
    client = clients("kms")
    for name, key_id in keys_by_alias(clients, names):
        key = _call(client.describe_key, KeyId=key_id)["KeyMetadata"]
        # KMS does not rotate asymmetric keys, and returns an error for them.
        rotation = _call(client.get_key_rotation_status, ("UnsupportedOperationException",), KeyId=key_id)
        policy = _call(client.get_key_policy, KeyId=key_id, PolicyName="default")["Policy"]
        yield (
            name,
            {
                **key,
                "policy": _json(policy),
                "rotated": rotation.get("KeyRotationEnabled"),
                "Tags": _tags(_pages(client, "list_resource_tags", "Tags", KeyId=key_id)),
            },
        )


def keys_by_alias(clients: Clients, names: Names) -> Iterator[tuple[str, str]]:
    """Yield the aliases of the environment's keys, without ``alias/``, each with its key's id."""
    for alias in _pages(clients("kms"), "list_aliases", "Aliases"):
        name = alias["AliasName"].removeprefix("alias/")
        if names.is_ours(name) and "TargetKeyId" in alias:
            yield name, alias["TargetKeyId"]


def machines(clients: Clients, names: Names) -> Iterator[Raw]:
    """State machines with their definitions."""
    client = clients("stepfunctions")
    for summary in _pages(client, "list_state_machines", "stateMachines"):
        if names.is_ours(summary["name"]):
            machine = _call(client.describe_state_machine, stateMachineArn=summary["stateMachineArn"])
            yield summary["name"], {**machine, "definition": json.loads(machine["definition"])}


def topics(clients: Clients, names: Names) -> Iterator[Raw]:
    """Topics with their subscriptions. The address of a person is replaced by a digest."""
    client = clients("sns")
    for topic in _pages(client, "list_topics", "Topics"):
        arn = topic["TopicArn"]
        name = arn.rpartition(":")[2]
        if not names.is_ours(name):
            continue
        attributes = _call(client.get_topic_attributes, TopicArn=arn)["Attributes"]
        subscriptions = [
            {
                "Protocol": sub["Protocol"],
                "Endpoint": sub["Endpoint"]
                if sub["Endpoint"].startswith("arn:")
                else redact("endpoint", sub["Endpoint"]),
            }
            for sub in _pages(client, "list_subscriptions_by_topic", "Subscriptions", TopicArn=arn)
        ]
        yield name, {**attributes, "Policy": _json(attributes.get("Policy", "")), "subscriptions": subscriptions}


def queues(clients: Clients, names: Names) -> Iterator[Raw]:
    """Queues."""
    client = clients("sqs")
    for url in _pages(client, "list_queues", "QueueUrls", QueueNamePrefix=PREFIX):
        name = url.rpartition("/")[2]
        if names.is_ours(name):
            attributes = _call(client.get_queue_attributes, QueueUrl=url, AttributeNames=["All"])["Attributes"]
            yield name, {**attributes, "Policy": _json(attributes.get("Policy", ""))}


def logs(clients: Clients, names: Names) -> Iterator[Raw]:
    """Log groups with their retention and encryption."""
    for prefix in _LOGS:
        for group in _pages(clients("logs"), "describe_log_groups", "logGroups", logGroupNamePrefix=prefix):
            if names.is_ours(group["logGroupName"].rpartition("/")[2]):
                yield group["logGroupName"], group


def buckets(clients: Clients, names: Names) -> Iterator[Raw]:
    """The evidence bucket."""
    client, bucket = clients("s3"), {"Bucket": names.bucket}
    if not _call(client.get_bucket_location, ("NoSuchBucket",), **bucket):
        return
    access_block = _call(client.get_public_access_block, ("NoSuchPublicAccessBlockConfiguration",), **bucket)
    encryption = _call(client.get_bucket_encryption, ("ServerSideEncryptionConfigurationNotFoundError",), **bucket)
    lifecycle = _call(client.get_bucket_lifecycle_configuration, ("NoSuchLifecycleConfiguration",), **bucket)
    lock = _call(client.get_object_lock_configuration, ("ObjectLockConfigurationNotFoundError",), **bucket)
    policy = _call(client.get_bucket_policy, ("NoSuchBucketPolicy",), **bucket)
    yield (
        names.bucket,
        {
            "versioning": _call(client.get_bucket_versioning, **bucket).get("Status"),
            "encryption": encryption.get("ServerSideEncryptionConfiguration"),
            "blocked": access_block.get("PublicAccessBlockConfiguration"),
            "lifecycle": lifecycle.get("Rules"),
            "lock": lock.get("ObjectLockConfiguration"),
            "policy": _json(policy.get("Policy", "")),
        },
    )


def stacks(clients: Clients, names: Names) -> Iterator[Raw]:
    """Stacks with their templates, parameters and protection."""
    client = clients("cloudformation")
    for prefix in _STACKS:
        name = {"StackName": f"{prefix}-{names.environment}"}
        for stack in _call(client.describe_stacks, ("ValidationError",), **name).get("Stacks", ()):
            template = _call(client.get_template, **name)["TemplateBody"]
            yield (
                stack["StackName"],
                {
                    "template": redact("template", _json(template) if isinstance(template, str) else template),
                    "parameters": {
                        parameter["ParameterKey"]: parameter.get("ParameterValue")
                        for parameter in stack.get("Parameters", ())
                    },
                    "protected": stack.get("EnableTerminationProtection", False),
                    "policy": _json(_call(client.get_stack_policy, **name).get("StackPolicyBody", "")),
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
"""Kind of a resource to the reader of all resources of that kind."""


def _pages(client: Any, operation: str, key: str, **params: Any) -> Iterator[Any]:
    for page in read_pages(client, operation, **params):
        yield from page.get(key) or ()


def _call(
    operation: Callable[..., Mapping[str, Any]], absent: tuple[str, ...] = (), /, **params: Any
) -> Mapping[str, Any]:
    """Call an operation and return its response; empty for an error code of `absent`, which stands for no such item."""
    try:
        with translate_errors():
            response = operation(**params)
    except ClientError as error:
        if error_code(error) in absent:
            return {}
        raise
    return {key: value for key, value in response.items() if key != "ResponseMetadata"}


def _policy(client: Any, **function: str) -> Any:
    return _json(_call(client.get_policy, ("ResourceNotFoundException",), **function).get("Policy", ""))


def _environment(environment: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a function's variables, and the error if Lambda cannot decrypt them for this caller.

    Without the error a snapshot would show no variables instead of unknown ones.
    https://docs.aws.amazon.com/lambda/latest/api/API_EnvironmentResponse.html
    """
    variables = {"Variables": normalize_variables(environment.get("Variables", {}))}
    return {**variables, "Error": environment["Error"]["ErrorCode"]} if "Error" in environment else variables


def _alias(function_arn: str, alias: Mapping[str, Any]) -> Mapping[str, Any]:
    weights = (alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights", {})
    return {
        **{
            key: value
            for key, value in alias.items()
            if key not in {"AliasArn", "Name", "FunctionVersion", "RoutingConfig"}
        },
        # As ARNs, which the normalization replaces by the version's code: a number says nothing about the code.
        "version": f"{function_arn}:{alias['FunctionVersion']}",
        "weights": {f"{function_arn}:{version}": weight for version, weight in weights.items()},
    }


def _tags(tags: Iterable[Mapping[str, str]]) -> Mapping[str, str]:
    return {tag.get("Key", tag.get("TagKey", "")): tag.get("Value", tag.get("TagValue", "")) for tag in tags}


def _json(text: str) -> Any:
    """Parse a text that is JSON; return any other text unchanged."""
    try:
        return decode_untrusted(text)
    except ValueError:
        return text
