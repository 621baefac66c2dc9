"""The bill of an environment: whose it is, how high it may become, and who is notified."""

import dataclasses
import json

import pytest
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from orchestrator import environments
from tests.infrastructure.templates import resources, synthesise, text_of

TAGS = ("component", "environment", "owner", "service")
ACCOUNTS = [name for name in environments.names() if name != "local"]


def taggable(kind):
    """The property in which CloudFormation takes a type's tags, as its own schema says; empty where it takes none."""
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-west-1", kind).schema
    tagging = schema.get("tagging") or {}
    key = tagging.get("tagProperty", "/properties/Tags").rpartition("/")[2]
    return key if tagging.get("taggable", True) and key in schema["properties"] else ""


def keys_of(tags):
    return set(tags) if isinstance(tags, dict) else {tag["Key"] for tag in tags}


@pytest.mark.strategy("Monitoring: Usage tracking")
def test_everything_that_can_be_tagged_says_whose_it_is(every):
    untagged = [
        (name, resource["Type"])
        for template in every.all
        for name, resource in template["Resources"].items()
        if (key := taggable(resource["Type"])) and not keys_of(resource["Properties"].get(key, [])) >= set(TAGS)
    ]
    assert untagged == []


def test_tags_have_the_environment_the_owner_and_the_part(prod):
    key = next(iter(resources(prod.orchestrator, "AWS::DynamoDB::Table").values()))
    assert {tag["Key"]: tag["Value"] for tag in key["Tags"]} == {
        "component": "orchestrator",
        "environment": "prod",
        "owner": environments.load("prod").owner,
        "service": "ib-oauth",
    }


@pytest.mark.strategy("Monitoring & Alerts: Cost alerts")
@pytest.mark.parametrize("name", ACCOUNTS)
def test_a_month_has_a_budget_whose_shares_are_notified_as_they_are_reached_and_as_they_are_foreseen(synthesised, name):
    one, settings = synthesised(name), environments.load(name).budget
    (budget,) = resources(one.orchestrator, "AWS::Budgets::Budget").values()
    notifications = [
        (alert["Notification"]["NotificationType"], alert["Notification"]["Threshold"], alert["Subscribers"][0])
        for alert in budget["NotificationsWithSubscribers"]
    ]
    topic = text_of(notifications[0][2]["Address"])

    assert budget["Budget"]["BudgetLimit"] == {"Amount": settings.monthly_usd, "Unit": "USD"}
    assert budget["Budget"]["CostFilters"] == {"TagKeyValue": [f"user:environment${name}"]}
    assert [(kind, percent) for kind, percent, _ in notifications] == [
        *(("ACTUAL", percent) for percent in settings.alert_percents),
        ("FORECASTED", 100),
    ]
    assert {text_of(subscriber["Address"]) for _, _, subscriber in notifications} == {topic}
    assert topic.startswith("<OperatorsTopic")


def test_owners_with_an_e_mail_address_are_notified_by_it(tmp_path):
    dev = environments.load("dev")
    owned = dataclasses.replace(dev, contacts={**dev.contacts, "owners": ("boss@example.com",)})
    (budget,) = resources(synthesise(tmp_path, owned).orchestrator, "AWS::Budgets::Budget").values()
    for alert in budget["NotificationsWithSubscribers"]:
        assert [one["SubscriptionType"] for one in alert["Subscribers"]] == ["SNS", "EMAIL"]
        assert alert["Subscribers"][1]["Address"] == "boss@example.com"


@pytest.mark.strategy("Monitoring: Cost alerts")
def test_an_anomaly_of_a_tenth_of_the_budget_is_notified_at_once(everything_on):
    (monitor,) = resources(everything_on.orchestrator, "AWS::CE::AnomalyMonitor").values()
    (subscription,) = resources(everything_on.orchestrator, "AWS::CE::AnomalySubscription").values()

    assert json.loads(monitor["MonitorSpecification"])["Tags"]["Values"] == [everything_on.name]
    assert (subscription["Frequency"], subscription["Subscribers"][0]["Type"]) == ("IMMEDIATE", "SNS")
    threshold = json.loads(subscription["ThresholdExpression"])["Dimensions"]
    assert threshold["Values"] == [str(round(environments.load(everything_on.name).budget.monthly_usd / 10))]


@pytest.mark.parametrize("name", ACCOUNTS)
def test_a_member_account_of_an_organization_does_not_request_a_monitor_that_it_cannot_have(synthesised, name):
    template = synthesised(name).orchestrator

    assert not environments.load(name).budget.anomaly_monitor
    assert not [one["Type"] for one in template["Resources"].values() if one["Type"].startswith("AWS::CE::")]
    assert not publishers(template, "costalerts")


def publishers(template, service):
    return [
        statement
        for policy in resources(template, "AWS::SNS::TopicPolicy").values()
        for statement in policy["PolicyDocument"]["Statement"]
        if (statement.get("Principal") or {}) == {"Service": f"{service}.amazonaws.com"}
    ]


@pytest.mark.parametrize("service", ["budgets", "costalerts"])
def test_the_cost_services_may_publish_to_the_operators_for_this_account_alone(everything_on, service):
    statements = publishers(everything_on.orchestrator, service)
    assert [(one["Action"], one["Condition"]) for one in statements] == [
        ("sns:Publish", {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}})
    ]
