"""What the checks of an environment read of its account: bootstrap, stacks, subscriptions, alarms, tags, the pipeline.

Only reads. An absent resource is a reading; a denied call is `Denied` with the action that the caller lacks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final

from botocore.exceptions import ClientError

from orchestrator.aws.clients import error_code, translate_errors
from orchestrator.domain.doctor.operation import AlarmReading, Subscription
from orchestrator.domain.errors import OrchestratorError
from orchestrator.domain.names import PREFIX

BOOTSTRAP_PARAMETER = "/cdk-bootstrap/hnb659fds/version"
"""The version of the CDK's bootstrap stack with the default qualifier."""

DENIALS: Final = frozenset(
    {"AccessDenied", "AccessDeniedException", "AuthorizationError", "AuthorizationErrorException", "NotAuthorized",
     "UnauthorizedOperation"}
)  # fmt: skip
"""Error codes of calls that IAM does not allow."""

_CONFIRMED = "arn:"
_LACKING = re.compile(r"not authorized to perform:? ([A-Za-z0-9-]+:[A-Za-z]+)")


class Denied(OrchestratorError):
    """The caller may not make a call. `action`: the IAM action that it lacks."""

    def __init__(self, action: str) -> None:
        self.action = action
        super().__init__(f"the caller may not use {action}")


@contextmanager
def denials() -> Iterator[None]:
    """Turn a denied call into `Denied`. AWS's message names the action; without one, the operation is named.

    Raises:
        Denied: the caller may not make the call.
        Throttled, Unreachable: as `translate_errors`.
    """
    try:
        with translate_errors():
            yield
    except ClientError as error:
        if error_code(error) not in DENIALS:
            raise
        found = _LACKING.search(str(error.response.get("Error", {}).get("Message", "")))
        raise Denied(found[1] if found else error.operation_name) from error


class AccountReadings:
    """The readings of an account.

    Args:
        clients: returns the botocore client of a service, in the environment's region.
        clients_in: returns the same for another region.
    """

    def __init__(self, clients: Callable[[str], Any], clients_in: Callable[[str], Callable[[str], Any]]) -> None:
        self._clients, self._clients_in = clients, clients_in

    def read_secrets(self, secrets: Mapping[str, str]) -> Mapping[str, bool]:
        """Return whether secrets exist and are not scheduled for deletion, by the keys of their ARNs."""
        return {name: self._secret_exists(arn) for name, arn in secrets.items()}

    def _secret_exists(self, arn: str) -> bool:
        try:
            with denials():
                return "DeletedDate" not in self._clients("secretsmanager").describe_secret(SecretId=arn)
        except ClientError as error:
            if error_code(error) != "ResourceNotFoundException":
                raise
            return False

    def read_caller(self) -> tuple[str, str]:
        """Return the ARN of the credentials, and its account."""
        identity = self._clients("sts").get_caller_identity()
        return str(identity["Arn"]), str(identity["Account"])

    def read_bootstrap(self, regions: Sequence[str]) -> Mapping[str, int | None]:
        """Return the version of the bootstrap stack by region; None without one."""
        return {region: self._bootstrap(region) for region in regions}

    def _bootstrap(self, region: str) -> int | None:
        ssm = self._clients_in(region)("ssm")
        try:
            return int(ssm.get_parameter(Name=BOOTSTRAP_PARAMETER)["Parameter"]["Value"])
        except ClientError as error:
            if error_code(error) == "ParameterNotFound":
                return None
            raise

    def read_stacks(self, names: Mapping[str, str]) -> Mapping[str, str]:
        """Return the status of the stacks that exist. `names`: the region of each stack."""
        found = {}
        for region in sorted(set(names.values())):
            cloudformation = self._clients_in(region)("cloudformation")
            for page in cloudformation.get_paginator("describe_stacks").paginate():
                for stack in page["Stacks"]:
                    name = str(stack["StackName"])
                    if names.get(name) == region and stack["StackStatus"] != "DELETE_COMPLETE":
                        found[name] = str(stack["StackStatus"])
        return found

    def read_stack_policies(self, stacks: Sequence[str]) -> Mapping[str, object]:
        """Return the policy of each stack, decoded; None without one, or without the stack."""
        return {stack: self._stack_policy(stack) for stack in stacks}

    def _stack_policy(self, stack: str) -> object:
        cloudformation = self._clients("cloudformation")
        try:
            text = cloudformation.get_stack_policy(StackName=stack).get("StackPolicyBody")
        except ClientError as error:
            if error_code(error) == "ValidationError":
                return None
            raise
        return json.loads(text) if text else None

    def read_subscriptions(self, topics: Mapping[str, str]) -> Mapping[str, tuple[Subscription, ...]]:
        """Return the subscriptions of each topic. `topics`: name to ARN; a topic that does not exist has none."""
        return {name: self._subscriptions(arn) for name, arn in topics.items()}

    def _subscriptions(self, topic: str) -> tuple[Subscription, ...]:
        sns = self._clients("sns")
        try:
            pages = list(sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic))
        except ClientError as error:
            if error_code(error) in {"NotFound", "NotFoundException"}:
                return ()
            raise
        # A subscription that is not confirmed has "PendingConfirmation" where an ARN would be.
        return tuple(
            Subscription(str(one["Endpoint"]), str(one["SubscriptionArn"]).startswith(_CONFIRMED))
            for page in pages
            for one in page["Subscriptions"]
        )

    def read_alarms(self, environment: str) -> tuple[AlarmReading, ...]:
        """Return every alarm of an environment."""
        cloudwatch = self._clients("cloudwatch")
        pages = cloudwatch.get_paginator("describe_alarms").paginate(
            AlarmNamePrefix=PREFIX, AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
        return tuple(
            AlarmReading(str(alarm["AlarmName"]), str(alarm["StateValue"]), bool(alarm["ActionsEnabled"]))
            for page in pages
            for alarm in (*page.get("MetricAlarms", ()), *page.get("CompositeAlarms", ()))
            if str(alarm["AlarmName"]).endswith(f"-{environment}")
        )

    def read_cost_tags(self, tags: Sequence[str]) -> Mapping[str, str]:
        """Return whether each cost allocation tag is Active or Inactive; one that no bill had yet is absent."""
        found = self._clients("ce").list_cost_allocation_tags(TagKeys=list(tags), Type="UserDefined")
        return {str(tag["TagKey"]): str(tag["Status"]) for tag in found["CostAllocationTags"]}

    def find_provider(self, arn: str) -> str | None:
        """Return the ARN of an OIDC provider; None if there is none."""
        iam = self._clients("iam")
        try:
            iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
        except ClientError as error:
            if error_code(error) == "NoSuchEntity":
                return None
            raise
        return arn

    def find_role(self, name: str) -> str | None:
        """Return the ARN of a role; None if there is none."""
        iam = self._clients("iam")
        try:
            return str(iam.get_role(RoleName=name)["Role"]["Arn"])
        except ClientError as error:
            if error_code(error) == "NoSuchEntity":
                return None
            raise

    def read_newest_backups(
        self, vault: str, tables: Sequence[str], now: datetime, within: timedelta
    ) -> Mapping[str, datetime | None]:
        """Return when the newest backup of each table was created, of those created within a time; None without one.

        A vault that does not exist has none.
        """
        newest: dict[str, datetime | None] = dict.fromkeys(tables)
        backup = self._clients("backup")
        pages = backup.get_paginator("list_recovery_points_by_backup_vault").paginate(
            BackupVaultName=vault, ByResourceType="DynamoDB", ByCreatedAfter=now - within
        )
        try:
            points = [point for page in pages for point in page["RecoveryPoints"]]
        except ClientError as error:
            if error_code(error) == "ResourceNotFoundException":
                return newest
            raise
        for point in points:
            table, created = str(point["ResourceArn"]).rpartition("/")[2], point["CreationDate"]
            if table in newest and point["Status"] == "COMPLETED":
                newest[table] = max(newest[table] or created, created)
        return newest
