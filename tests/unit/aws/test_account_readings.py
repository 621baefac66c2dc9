"""What `doctor` reads, against AWS's own model of the calls: what is absent is a reading, what is denied has its action."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import botocore.session
import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber

from orchestrator.aws.account_readings import DENIALS, AccountReadings, Denied, denials
from orchestrator.domain.doctor.operation import AlarmReading, Subscription
from orchestrator.domain.errors import Throttled, Unreachable
from tests.fakes.errors import client_error

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
TOPIC = "arn:aws:sns:us-west-1:123456789012:ib-oauth-operators-prod"
PROVIDER = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"


class Account:
    """Clients whose answers are given, in order, and validated by botocore's models."""

    def __init__(self):
        self.stubs: dict[tuple[str, str], Stubber] = {}
        self.readings = AccountReadings(self.clients("us-west-1"), self.clients)

    def clients(self, region):
        return lambda service: self.stub(service, region).client

    def stub(self, service, region="us-west-1"):
        if (service, region) not in self.stubs:
            client = botocore.session.get_session().create_client(
                service, region_name=region, aws_access_key_id="test", aws_secret_access_key="test"
            )
            self.stubs[service, region] = Stubber(client)
            self.stubs[service, region].activate()
        return self.stubs[service, region]

    def answers(self, service, operation, response, params=None, region="us-west-1"):
        self.stub(service, region).add_response(operation, response, params)

    def fails(self, service, operation, code, message="no", region="us-west-1"):
        self.stub(service, region).add_client_error(operation, code, message)


@pytest.fixture
def account():
    account = Account()
    yield account
    for stub in account.stubs.values():
        stub.assert_no_pending_responses()


def stack(name, status):
    return {"StackName": name, "StackStatus": status, "CreationTime": NOW}


def test_the_caller_is_read_with_its_account(account):
    identity = {"Account": "123456789012", "Arn": "arn:aws:iam::123456789012:role/ops", "UserId": "A"}
    account.answers("sts", "get_caller_identity", identity, {})
    assert account.readings.read_caller() == (identity["Arn"], "123456789012")


def test_a_secret_that_is_absent_or_scheduled_for_deletion_does_not_exist(account):
    arns = {name: f"arn:aws:secretsmanager:us-west-1:123456789012:secret:{name}" for name in "abc"}
    account.answers("secretsmanager", "describe_secret", {"ARN": arns["a"]}, {"SecretId": arns["a"]})
    account.answers("secretsmanager", "describe_secret", {"ARN": arns["b"], "DeletedDate": NOW})
    account.fails("secretsmanager", "describe_secret", "ResourceNotFoundException")
    assert account.readings.read_secrets(arns) == {"a": True, "b": False, "c": False}


def test_the_bootstrap_is_read_in_every_region(account):
    params = {"Name": "/cdk-bootstrap/hnb659fds/version"}
    account.answers("ssm", "get_parameter", {"Parameter": {"Value": "21"}}, params)
    account.fails("ssm", "get_parameter", "ParameterNotFound", region="us-east-2")
    assert account.readings.read_bootstrap(["us-west-1", "us-east-2"]) == {"us-west-1": 21, "us-east-2": None}


def test_stacks_are_read_in_their_own_region(account):
    names = {"ib-oauth-stack-prod": "us-west-1", "ib-oauth-copy-us-east-2-prod": "us-east-2"}
    here = [stack("ib-oauth-stack-prod", "UPDATE_COMPLETE"), stack("ib-oauth-stack-dev", "UPDATE_COMPLETE")]
    there = [stack("ib-oauth-stack-prod", "CREATE_FAILED"), stack("ib-oauth-copy-us-east-2-prod", "CREATE_COMPLETE")]
    account.answers("cloudformation", "describe_stacks", {"Stacks": here[:1], "NextToken": "t"}, {})
    account.answers("cloudformation", "describe_stacks", {"Stacks": here[1:]}, {"NextToken": "t"})
    account.answers("cloudformation", "describe_stacks", {"Stacks": there}, {}, region="us-east-2")
    assert account.readings.read_stacks(names) == {
        "ib-oauth-stack-prod": "UPDATE_COMPLETE",
        "ib-oauth-copy-us-east-2-prod": "CREATE_COMPLETE",
    }


def test_a_stack_without_a_policy_and_a_stack_that_is_not_there_have_none(account):
    policy = {"Statement": [{"Effect": "Allow"}]}
    account.answers("cloudformation", "get_stack_policy", {"StackPolicyBody": json.dumps(policy)}, {"StackName": "a"})
    account.answers("cloudformation", "get_stack_policy", {}, {"StackName": "b"})
    account.fails("cloudformation", "get_stack_policy", "ValidationError")
    assert account.readings.read_stack_policies(["a", "b", "c"]) == {"a": policy, "b": None, "c": None}


def test_a_subscription_that_waits_for_its_owner_is_not_confirmed(account):
    def one(address, arn):
        return {"Endpoint": address, "SubscriptionArn": arn, "TopicArn": TOPIC, "Protocol": "email", "Owner": "1"}

    pages = [one("ann@acme.example", f"{TOPIC}:1")], [one("bob@acme.example", "PendingConfirmation")]
    account.answers(
        "sns", "list_subscriptions_by_topic", {"Subscriptions": pages[0], "NextToken": "t"}, {"TopicArn": TOPIC}
    )
    account.answers(
        "sns", "list_subscriptions_by_topic", {"Subscriptions": pages[1]}, {"TopicArn": TOPIC, "NextToken": "t"}
    )
    account.fails("sns", "list_subscriptions_by_topic", "NotFound")
    assert account.readings.read_subscriptions({"operators": TOPIC, "clients": f"{TOPIC}x"}) == {
        "operators": (
            Subscription("ann@acme.example", confirmed=True),
            Subscription("bob@acme.example", confirmed=False),
        ),
        "clients": (),
    }


def test_alarms_of_the_environment_alone_are_read_composite_ones_too(account):
    def alarm(name, state, *, actions):
        return {"AlarmName": name, "StateValue": state, "ActionsEnabled": actions}

    metric = [alarm("ib-oauth-a-prod", "OK", actions=True), alarm("ib-oauth-a-dev", "ALARM", actions=True)]
    composite = [{**alarm("ib-oauth-b-prod", "ALARM", actions=False)}]
    params = {"AlarmNamePrefix": "ib-oauth-", "AlarmTypes": ["MetricAlarm", "CompositeAlarm"]}
    account.answers("cloudwatch", "describe_alarms", {"MetricAlarms": metric, "CompositeAlarms": composite}, params)
    assert account.readings.read_alarms("prod") == (
        AlarmReading("ib-oauth-a-prod", "OK", actions=True),
        AlarmReading("ib-oauth-b-prod", "ALARM", actions=False),
    )


def test_cost_tags_are_read_by_their_state(account):
    tags = [{"TagKey": "owner", "Type": "UserDefined", "Status": "Inactive"}]
    account.answers(
        "ce",
        "list_cost_allocation_tags",
        {"CostAllocationTags": tags},
        {"TagKeys": ["owner", "service"], "Type": "UserDefined"},
    )
    assert account.readings.read_cost_tags(["owner", "service"]) == {"owner": "Inactive"}


def test_a_provider_and_a_role_are_found_or_not(account):
    role = {
        "RoleName": "r",
        "Arn": "arn:aws:iam::123456789012:role/r-of-ours",
        "Path": "/",
        "RoleId": "A" * 16,
        "CreateDate": NOW,
    }
    account.answers("iam", "get_open_id_connect_provider", {}, {"OpenIDConnectProviderArn": PROVIDER})
    account.answers("iam", "get_role", {"Role": role}, {"RoleName": "r"})
    account.fails("iam", "get_open_id_connect_provider", "NoSuchEntity")
    account.fails("iam", "get_role", "NoSuchEntity")
    readings = account.readings
    assert (readings.find_provider(PROVIDER), readings.find_role("r")) == (PROVIDER, role["Arn"])
    assert (readings.find_provider(PROVIDER), readings.find_role("r")) == (None, None)


def test_the_newest_complete_backup_of_each_table_is_read(account):
    def point(table, hours, status="COMPLETED"):
        arn = f"arn:aws:dynamodb:us-west-1:123456789012:table/{table}"
        return {"ResourceArn": arn, "CreationDate": NOW - timedelta(hours=hours), "Status": status}

    points = [point("state", 9), point("state", 3), point("state", 5), point("tokens", 1, "PARTIAL"), point("other", 1)]
    params = {"BackupVaultName": "v", "ByResourceType": "DynamoDB", "ByCreatedAfter": ANY}
    account.answers("backup", "list_recovery_points_by_backup_vault", {"RecoveryPoints": points}, params)
    account.fails("backup", "list_recovery_points_by_backup_vault", "ResourceNotFoundException")
    readings, tables, within = account.readings, ["state", "tokens"], timedelta(hours=36)
    assert readings.read_newest_backups("v", tables, NOW, within) == {
        "state": NOW - timedelta(hours=3),
        "tokens": None,
    }
    assert readings.read_newest_backups("v", tables, NOW, within) == {"state": None, "tokens": None}


READS = {
    "sts": lambda readings: readings.read_caller(),
    "ssm": lambda readings: readings.read_bootstrap(["us-west-1"]),
    "cloudformation": lambda readings: readings.read_stack_policies(["a"]),
    "sns": lambda readings: readings.read_subscriptions({"operators": TOPIC}),
    "cloudwatch": lambda readings: readings.read_alarms("prod"),
    "ce": lambda readings: readings.read_cost_tags(["owner"]),
    "iam": lambda readings: readings.find_role("r"),
    "backup": lambda readings: readings.read_newest_backups("v", [], NOW, timedelta(1)),
}
OPERATIONS = {
    "sts": "get_caller_identity", "ssm": "get_parameter", "cloudformation": "get_stack_policy",
    "sns": "list_subscriptions_by_topic", "cloudwatch": "describe_alarms", "ce": "list_cost_allocation_tags",
    "iam": "get_role", "backup": "list_recovery_points_by_backup_vault",
}  # fmt: skip


@pytest.mark.parametrize("service", READS)
@pytest.mark.parametrize("code", sorted(DENIALS))
def test_a_denied_reading_is_no_reading_and_names_its_action(account, service, code):
    message = f"User: arn:aws:iam::1:user/x is not authorized to perform: {service}:AnAction on resource: *"
    account.fails(service, OPERATIONS[service], code, message)
    with pytest.raises(Denied) as denied, denials():
        READS[service](account.readings)
    assert denied.value.action == f"{service}:AnAction"


def test_a_denial_whose_message_has_no_action_names_the_operation(account):
    account.fails("ce", "list_cost_allocation_tags", "AccessDeniedException", "Linked account has no access")
    with pytest.raises(Denied, match="ListCostAllocationTags"), denials():
        account.readings.read_cost_tags(["owner"])


@pytest.mark.parametrize("service", READS)
def test_any_other_failure_is_raised(account, service):
    account.fails(service, OPERATIONS[service], "SomethingElse")
    with pytest.raises(ClientError, match="SomethingElse"), denials():
        READS[service](account.readings)


@pytest.mark.parametrize(
    ("error", "raised"),
    [(client_error("Throttling"), Throttled), (client_error("InternalFailure", status=500), Unreachable)],
)
def test_throttles_and_faults_are_errors_of_ours(error, raised):
    with pytest.raises(raised), denials():
        raise error
