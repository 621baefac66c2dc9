"""Cost alerts of an environment: a budget with notifications, and a cost anomaly monitor where the account pays.

Both filter by the cost allocation tag `environment`, which must be activated once in the payer account
(docs/guides/operations.md).

A member account of an organization cannot create the monitor: custom monitors, which filter by a tag, are for the
management account or a stand-alone account. The creation would fail, and with it the creation of the whole stack.
https://docs.aws.amazon.com/cost-management/latest/userguide/getting-started-ad.html
"""

from __future__ import annotations

import json

from aws_cdk import Stack
from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_ce as ce
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns

from infrastructure.iam import own_account_service
from infrastructure.naming import global_name, physical_name
from orchestrator.environments import Environment

TAG = "environment"
MAX_ADDRESSES = 10
"""A budget notification takes at most ten e-mail addresses and one topic."""

_ANOMALY_SHARE = 0.1
"""Share of the monthly budget below which an anomaly is not reported."""


def create_cost_alerts(stack: Stack, environment: Environment, operators: sns.Topic, topics_key: kms.Key) -> None:
    """Create the budget and, if the environment's account pays its own bill, the anomaly monitor.

    Args:
        stack: the orchestrator's stack.
        environment: has the budget's amount and the owners' addresses.
        operators: the topic that receives both kinds of alerts.
        topics_key: encrypts the topic.
    """
    monitored = environment.budget.anomaly_monitor
    for service in ("budgets", "costalerts") if monitored else ("budgets",):
        principal = own_account_service(stack, service)
        operators.grant_publish(principal)
        topics_key.grant(principal, "kms:Decrypt", "kms:GenerateDataKey*")
    _budget(stack, environment, operators)
    if monitored:
        _anomalies(stack, environment, operators)


def _budget(stack: Stack, environment: Environment, operators: sns.ITopic) -> None:
    addresses = environment.contacts["owners"][:MAX_ADDRESSES]
    subscribers = [
        budgets.CfnBudget.SubscriberProperty(subscription_type="SNS", address=operators.topic_arn),
        *(budgets.CfnBudget.SubscriberProperty(subscription_type="EMAIL", address=address) for address in addresses),
    ]
    alerts = [("ACTUAL", percent) for percent in environment.budget.alert_percents] + [("FORECASTED", 100)]
    budget = budgets.CfnBudget(
        stack,
        "Budget",
        budget=budgets.CfnBudget.BudgetDataProperty(
            budget_name=global_name(physical_name("month", environment), environment),
            budget_type="COST",
            time_unit="MONTHLY",
            budget_limit=budgets.CfnBudget.SpendProperty(amount=environment.budget.monthly_usd, unit="USD"),
            cost_filters={"TagKeyValue": [f"user:{TAG}${environment.name}"]},
        ),
        notifications_with_subscribers=[
            budgets.CfnBudget.NotificationWithSubscribersProperty(
                notification=budgets.CfnBudget.NotificationProperty(
                    notification_type=kind, comparison_operator="GREATER_THAN", threshold=percent
                ),
                subscribers=subscribers,
            )
            for kind, percent in alerts
        ],
    )
    # AWS Budgets checks at creation whether it may publish to the topic.
    budget.node.add_dependency(operators)


def _anomalies(stack: Stack, environment: Environment, operators: sns.ITopic) -> None:
    monitor = ce.CfnAnomalyMonitor(
        stack,
        "CostMonitor",
        monitor_name=global_name(physical_name("costs", environment), environment),
        monitor_type="CUSTOM",
        monitor_specification=json.dumps(
            {"Tags": {"Key": TAG, "Values": [environment.name], "MatchOptions": ["EQUALS"]}},
            allow_nan=False,
        ),
    )
    minimum_usd = max(1, round(environment.budget.monthly_usd * _ANOMALY_SHARE))
    subscription = ce.CfnAnomalySubscription(
        stack,
        "CostAnomalies",
        subscription_name=physical_name("cost-anomalies", environment),
        frequency="IMMEDIATE",
        monitor_arn_list=[monitor.attr_monitor_arn],
        subscribers=[ce.CfnAnomalySubscription.SubscriberProperty(type="SNS", address=operators.topic_arn)],
        threshold_expression=json.dumps(
            {
                "Dimensions": {
                    "Key": "ANOMALY_TOTAL_IMPACT_ABSOLUTE",
                    "MatchOptions": ["GREATER_THAN_OR_EQUAL"],
                    "Values": [str(minimum_usd)],
                }
            },
            allow_nan=False,
        ),
    )
    subscription.node.add_dependency(operators)
