"""An environment as its templates deploy it: real ARNs, and the policies that decide about a request.

References of templates are resolved to the names that resources get. What AWS names is named after its logical id.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any

ACCOUNT = "111122223333"

Json = dict[str, Any]

_ARNS = {
    # type: the ARN, and the property with the name
    "AWS::CloudTrail::Trail": ("arn:aws:cloudtrail:{region}:{account}:trail/{name}", "TrailName"),
    "AWS::DynamoDB::GlobalTable": ("arn:aws:dynamodb:{region}:{account}:table/{name}", "TableName"),
    "AWS::DynamoDB::Table": ("arn:aws:dynamodb:{region}:{account}:table/{name}", "TableName"),
    "AWS::Events::EventBus": ("arn:aws:events:{region}:{account}:event-bus/{name}", "Name"),
    "AWS::Events::Rule": ("arn:aws:events:{region}:{account}:rule/{name}", "Name"),
    "AWS::IAM::ManagedPolicy": ("arn:aws:iam::{account}:policy/{name}", "ManagedPolicyName"),
    "AWS::IAM::OIDCProvider": ("arn:aws:iam::{account}:oidc-provider/{name}", "Url"),
    "AWS::IAM::Role": ("arn:aws:iam::{account}:role/{name}", "RoleName"),
    "AWS::KMS::Key": ("arn:aws:kms:{region}:{account}:key/{name}", None),
    "AWS::Lambda::Function": ("arn:aws:lambda:{region}:{account}:function:{name}", "FunctionName"),
    "AWS::Logs::LogGroup": ("arn:aws:logs:{region}:{account}:log-group:{name}:*", "LogGroupName"),
    "AWS::S3::Bucket": ("arn:aws:s3:::{name}", "BucketName"),
    "AWS::SNS::Topic": ("arn:aws:sns:{region}:{account}:{name}", "TopicName"),
    "AWS::SQS::Queue": ("arn:aws:sqs:{region}:{account}:{name}", "QueueName"),
    "AWS::SecretsManager::Secret": ("arn:aws:secretsmanager:{region}:{account}:secret:{name}-AbCdEf", "Name"),
    "AWS::Scheduler::Schedule": ("arn:aws:scheduler:{region}:{account}:schedule/default/{name}", "Name"),
    "AWS::Signer::SigningProfile": ("arn:aws:signer:{region}:{account}:/signing-profiles/{name}", "ProfileName"),
    "AWS::StepFunctions::StateMachine": ("arn:aws:states:{region}:{account}:stateMachine:{name}", "StateMachineName"),
}
_REFERRED_BY_ARN = {
    *("AWS::IAM::ManagedPolicy", "AWS::IAM::OIDCProvider", "AWS::SNS::Topic", "AWS::StepFunctions::StateMachine"),
    "AWS::SecretsManager::Secret",
}
"""Types whose `Ref` is the ARN."""

_COPY_STACK = re.compile(r"ib-oauth-copy-(?P<region>[a-z]+-[a-z]+-\d)-")
PAGE_REGION = "eu-central-1"
"""Of the status page's stack in the environments with everything on."""

_SUBSTITUTED = re.compile(r"\$\{(?P<name>[\w:.]+)\}")


@dataclass(frozen=True)
class Role:
    """A role, with the statements of all its own policies in order.

    Attributes:
        name: as it is deployed.
        statements: with real ARNs.
        boundary: the ARN of its permissions boundary.
        managed: whether a policy of AWS's, which is in no template, is attached to it.
        trusted: the service that assumes it; empty for another principal.
    """

    name: str
    arn: str
    statements: tuple[Json, ...]
    boundary: str | None
    managed: bool
    trusted: str


@dataclass(frozen=True)
class Function:
    """A Lambda function of the templates."""

    name: str
    arn: str
    role: str
    log_group: str
    variables_key: str | None
    traced: bool
    in_vpc: bool
    dead_letters: str | None


@dataclass(frozen=True)
class Key:
    """A KMS key. `aliases` are without ``alias/``."""

    arn: str
    tags: Mapping[str, str]
    aliases: frozenset[str] = field(default_factory=frozenset)


class DeployedEnvironment:
    """The policies and resources of one environment.

    Args:
        name: the environment.
        files: its templates.
        region: where it is deployed.
        account: the number of its account.
    """

    def __init__(self, name: str, files: Sequence[Path], region: str, account: str = ACCOUNT) -> None:
        self.name, self.region, self.account = name, region, account
        self._templates: dict[str, Json] = {
            file.name.removesuffix(".template.json"): json.loads(file.read_bytes()) for file in files
        }
        self._exports = {
            self.resolve(stack, output["Export"]["Name"]): (stack, output["Value"])
            for stack, template in self._templates.items()
            for output in template.get("Outputs", {}).values()
            if "Export" in output
        }

    def resources(self, *types: str) -> Iterator[tuple[str, str, Json]]:
        """Yield stack, logical id and properties, with references resolved, of every resource of these types."""
        for stack, template in self._templates.items():
            for logical_id, resource in template["Resources"].items():
                if resource["Type"] in types:
                    yield stack, logical_id, self.resolve(stack, resource.get("Properties", {}))

    def resolve(self, stack: str, value: Any) -> Any:
        """Return a value of a template with every reference replaced."""
        if isinstance(value, list):
            return [self.resolve(stack, one) for one in value]
        if not isinstance(value, dict):
            return value
        name, argument = next(iter(value.items())) if len(value) == 1 else ("", None)
        if name == "Ref" or name.startswith("Fn::"):
            return getattr(self, f"_{name.removeprefix('Fn::').lower()}")(stack, argument)
        return {key: self.resolve(stack, one) for key, one in value.items()}

    def _getatt(self, stack: str, argument: Sequence[str]) -> str:
        return self._attribute(stack, *argument)

    def _join(self, stack: str, argument: Sequence[Any]) -> str:
        separator, parts = argument
        return str(separator.join(str(self.resolve(stack, part)) for part in parts))

    def _importvalue(self, stack: str, argument: Any) -> Any:
        return self.resolve(*self._exports[self.resolve(stack, argument)])

    def _sub(self, stack: str, argument: str) -> str:
        return _SUBSTITUTED.sub(lambda found: str(self._ref(stack, found["name"])), argument)

    def _select(self, stack: str, argument: Sequence[Any]) -> Any:
        index, options = argument
        chosen = self.resolve(stack, options)
        return chosen[int(index)] if isinstance(chosen, list) else f"{chosen}-{index}"

    def _getazs(self, _stack: str, _argument: Any) -> list[str]:
        return [f"{self.region}a", f"{self.region}b"]

    def _split(self, stack: str, argument: Sequence[Any]) -> list[str]:
        separator, text = argument
        return str(self.resolve(stack, text)).split(separator)

    def _ref(self, stack: str, name: str) -> Any:
        pseudo = {
            "AWS::AccountId": self.account,
            "AWS::NoValue": None,
            "AWS::Partition": "aws",
            "AWS::Region": self.region_of(stack),
            "AWS::StackName": stack,
            "AWS::URLSuffix": "amazonaws.com",
        }
        if name in pseudo:
            return pseudo[name]
        resource = self._templates[stack]["Resources"].get(name)
        if resource is None:
            return self._templates[stack]["Parameters"][name].get("Default", name)
        if resource["Type"] in _REFERRED_BY_ARN:
            return self._attribute(stack, name, "Arn")
        if resource["Type"] in {"AWS::Lambda::Alias", "AWS::Lambda::Version"}:
            function = self.resolve(stack, resource["Properties"]["FunctionName"])
            arn = function if function.startswith("arn:") else self._function_arn(stack, function)
            return f"{arn}:{resource['Properties'].get('Name', 1)}"
        return self._physical_name(stack, name)

    def _function_arn(self, stack: str, name: str) -> str:
        return f"arn:aws:lambda:{self.region_of(stack)}:{self.account}:function:{name}"

    def _attribute(self, stack: str, name: str, attribute: str) -> str:
        kind = self._templates[stack]["Resources"][name]["Type"]
        if attribute in {"Arn", "TopicArn"} and kind in _ARNS:
            form, _ = _ARNS[kind]
            return form.format(
                region=self.region_of(stack), account=self.account, name=self._physical_name(stack, name)
            )
        return f"{name}.{attribute}"

    def _physical_name(self, stack: str, name: str) -> str:
        resource = self._templates[stack]["Resources"][name]
        _, key = _ARNS.get(resource["Type"], ("", None))
        properties = resource.get("Properties", {})
        if key and key in properties:
            physical = str(self.resolve(stack, properties[key]))
            on_bus = "EventBusName" in properties and resource["Type"] == "AWS::Events::Rule"
            return f"{self.resolve(stack, properties['EventBusName'])}/{physical}" if on_bus else physical
        # CloudFormation names what has no name after its stack.
        return f"{stack}-{name}" if resource["Type"] == "AWS::KMS::Key" else f"{stack}-{name}-0123456789AB"

    def region_of(self, stack: str) -> str:
        """Return the region of a stack."""
        if stack.startswith("ib-oauth-status-"):
            return PAGE_REGION
        copy = _COPY_STACK.match(stack)
        return copy["region"] if copy else self.region

    def arns(self, kind: str) -> list[str]:
        """Return the ARNs of all resources of a type."""
        return [self._attribute(stack, logical_id, "Arn") for stack, logical_id, _ in self.resources(kind)]

    @cached_property
    def roles(self) -> Mapping[str, Role]:
        """All roles, by name."""
        attached: dict[str, list[Json]] = {}
        for _, _, policy in self.resources("AWS::IAM::Policy"):
            for name in policy.get("Roles", []):
                attached.setdefault(name, []).append(policy["PolicyDocument"])
        found = {}
        for stack, logical_id, role in self.resources("AWS::IAM::Role"):
            name = self._physical_name(stack, logical_id)
            documents = [one["PolicyDocument"] for one in role.get("Policies", [])] + attached.get(name, [])
            (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
            service = trust["Principal"].get("Service", "")
            found[name] = Role(
                name=name,
                arn=self._attribute(stack, logical_id, "Arn"),
                statements=tuple(statement for document in documents for statement in listed(document["Statement"])),
                boundary=role.get("PermissionsBoundary"),
                managed="ManagedPolicyArns" in role,
                trusted=service if isinstance(service, str) else service[0],
            )
        return found

    @cached_property
    def functions(self) -> Mapping[str, Function]:
        """All Lambda functions, by name."""
        return {
            one["FunctionName"]: Function(
                name=one["FunctionName"],
                arn=self._function_arn(stack, one["FunctionName"]),
                role=one["Role"].rpartition("/")[2],
                log_group=one["LoggingConfig"]["LogGroup"],
                variables_key=one.get("KmsKeyArn"),
                traced=one.get("TracingConfig", {}).get("Mode") == "Active",
                in_vpc="VpcConfig" in one,
                dead_letters=one.get("DeadLetterConfig", {}).get("TargetArn"),
            )
            for stack, _, one in self.resources("AWS::Lambda::Function")
        }

    @cached_property
    def tables(self) -> Mapping[str, str]:
        """The tables that the service uses, by role: `state` and `tokens`."""
        (variables,) = [
            one["Environment"]["Variables"]
            for _, _, one in self.resources("AWS::Lambda::Function")
            if one["FunctionName"] == f"ib-oauth-token-{self.name}"
        ]
        return {role: variables[f"{role.upper()}_TABLE"] for role in ("state", "tokens")}

    @cached_property
    def boundaries(self) -> Mapping[str, Json]:
        """The permissions boundaries of the templates, by ARN."""
        return {
            self._attribute(stack, logical_id, "Arn"): one["PolicyDocument"]
            for stack, logical_id, one in self.resources("AWS::IAM::ManagedPolicy")
        }

    @cached_property
    def keys(self) -> Mapping[str, Key]:
        """All KMS keys, by ARN."""
        aliases: dict[str, set[str]] = {}
        for stack, _, alias in self.resources("AWS::KMS::Alias"):
            target = str(alias["TargetKeyId"])
            arn = (
                target
                if target.startswith("arn:")
                else f"arn:aws:kms:{self.region_of(stack)}:{self.account}:key/{target}"
            )
            aliases.setdefault(arn, set()).add(alias["AliasName"].removeprefix("alias/"))
        return {
            (arn := self._attribute(stack, logical_id, "Arn")): Key(
                arn, {tag["Key"]: tag["Value"] for tag in one.get("Tags", [])}, frozenset(aliases.get(arn, ()))
            )
            for stack, logical_id, one in self.resources("AWS::KMS::Key")
        }

    @cached_property
    def resource_policies(self) -> Mapping[str, Json]:
        """The policies of keys, topics, queues, buckets and buses, by the ARN of the resource."""
        found = {
            self._attribute(stack, logical_id, "Arn"): one["KeyPolicy"]
            for stack, logical_id, one in self.resources("AWS::KMS::Key")
        }
        for _, _, one in self.resources("AWS::SNS::TopicPolicy"):
            found |= dict.fromkeys(one["Topics"], one["PolicyDocument"])
        for stack, _, one in self.resources("AWS::SQS::QueuePolicy"):
            for queue in one["Queues"]:
                found[f"arn:aws:sqs:{self.region_of(stack)}:{self.account}:{queue}"] = one["PolicyDocument"]
        for _, _, one in self.resources("AWS::S3::BucketPolicy"):
            found[f"arn:aws:s3:::{one['Bucket']}"] = one["PolicyDocument"]
        for stack, _, one in self.resources("AWS::Events::EventBusPolicy"):
            arn = f"arn:aws:events:{self.region_of(stack)}:{self.account}:event-bus/{one['EventBusName']}"
            document = found.setdefault(arn, {"Version": "2012-10-17", "Statement": []})
            document["Statement"].append(one["Statement"])
        return found

    @cached_property
    def endpoint_policies(self) -> Mapping[str, Json]:
        """The policies of the network's endpoints, by service."""
        return {
            one["ServiceName"].rpartition(".")[2]: one["PolicyDocument"]
            for _, _, one in self.resources("AWS::EC2::VPCEndpoint")
        }

    def encryption_key_of(self, resource: str) -> str | None:
        """Return the ARN of the customer managed key that encrypts a table, bucket or topic; None for AWS's key.

        A restored table has the key of its source. Tables of drills and restores have the key of the service's tables.
        """
        for arn, key in self._encryption.items():
            if resource == arn or resource.startswith(f"{arn}/"):
                return key
        if re.search(r":table/ib-oauth-(drill|restored)-", resource) or resource.rpartition("/")[2] in set(
            self.tables.values()
        ):
            return self._encryption.get(self.table_arn(f"ib-oauth-state-{self.name}"))
        return None

    @cached_property
    def _encryption(self) -> Mapping[str, str | None]:
        found: dict[str, str | None] = {}
        for stack, logical_id, one in self.resources("AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable"):
            found[self._attribute(stack, logical_id, "Arn")] = one.get("SSESpecification", {}).get("KMSMasterKeyId")
        for stack, logical_id, one in self.resources("AWS::S3::Bucket"):
            rules = one.get("BucketEncryption", {}).get("ServerSideEncryptionConfiguration", [])
            keys = [rule["ServerSideEncryptionByDefault"].get("KMSMasterKeyID") for rule in rules]
            found[self._attribute(stack, logical_id, "Arn")] = keys[0] if keys else None
        for stack, logical_id, one in self.resources("AWS::SNS::Topic"):
            found[self._attribute(stack, logical_id, "Arn")] = one.get("KmsMasterKeyId")
        return found

    def table_arn(self, name: str) -> str:
        """Return the ARN of a table."""
        return f"arn:aws:dynamodb:{self.region}:{self.account}:table/{name}"

    def role_of(self, short: str) -> Role | None:
        """Return the role whose name is this without the environment's prefix and suffix; None if there is none."""
        names = [name for name in self.roles if fnmatchcase(name, f"ib-oauth-{short}-{self.name}*")]
        exact = [
            name
            for name in names
            if name in {f"ib-oauth-{short}-{self.name}", f"ib-oauth-{short}-{self.name}-{self.region}"}
        ]
        return self.roles[exact[0]] if exact else None

    def short_name(self, role: str) -> str:
        """Return a role's name without the environment's prefix and suffix."""
        return role.removeprefix("ib-oauth-").removesuffix(f"-{self.region}").removesuffix(f"-{self.name}")

    def bucket(self, short: str) -> str:
        """Return the name of the bucket of the templates that has this short name.

        Raises:
            LookupError: there is none.
        """
        for arn in self._encryption:
            if arn.startswith(f"arn:aws:s3:::ib-oauth-{short}-{self.name}-"):
                return arn.removeprefix("arn:aws:s3:::")
        raise LookupError(f"no bucket {short} in {self.name}")

    def key_with_alias(self, alias: str) -> str | None:
        """Return the ARN of the key with an alias, given without the environment's prefix and suffix."""
        for key in self.keys.values():
            if f"ib-oauth-{alias}-{self.name}" in key.aliases:
                return key.arn
        return None


def listed(value: Any) -> list[Any]:
    """Return a value of a policy that may be one or several as a list."""
    return value if isinstance(value, list) else [value]
