"""What an environment may cost, and who is told when it costs more: a budget with its alerts, and a monitor of anomalies.

Both see an environment by its cost allocation tag, which has to be activated once in the account that pays (docs/operations.md).
"""

from __future__ import annotations

import json

from aws_cdk import Stack
from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_ce as ce
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns

from environments import Environment
from stack_parts import name_of, worldwide

TAG = "environment"
MOST_ADDRESSES = 10
"""A notification of a budget takes ten e-mail addresses and one topic."""

_ANOMALY_SHARE = 0.1
"""Of the month's budget: a smaller anomaly is told by nobody."""


def watch_costs(stack: Stack, environment: Environment, operators: sns.Topic, topics_key: kms.Key) -> None:
    """Make the budget and the monitor.

    Args:
        stack: the orchestrator's.
        environment: where; its budget says how much, and its contacts who owns the bill.
        operators: the topic that hears of both.
        topics_key: encrypts it.
    """
    for service in ("budgets", "costalerts"):
        principal = iam.ServicePrincipal(
            f"{service}.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": stack.account}}
        )
        operators.grant_publish(principal)
        topics_key.grant(principal, "kms:Decrypt", "kms:GenerateDataKey*")
    _budget(stack, environment, operators)
    _anomalies(stack, environment, operators)


def _budget(stack: Stack, environment: Environment, operators: sns.ITopic) -> None:
    addresses = [address for address in environment.contacts["owners"] if "@" in address][:MOST_ADDRESSES]
    subscribers = [
        budgets.CfnBudget.SubscriberProperty(subscription_type="SNS", address=operators.topic_arn),
        *(budgets.CfnBudget.SubscriberProperty(subscription_type="EMAIL", address=address) for address in addresses),
    ]
    alerts = [("ACTUAL", percent) for percent in environment.budget.alert_percents] + [("FORECASTED", 100)]
    budget = budgets.CfnBudget(
        stack,
        "Budget",
        budget=budgets.CfnBudget.BudgetDataProperty(
            budget_name=worldwide(name_of("month", environment), environment),
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
    # It asks the topic whether it may publish as soon as it is made.
    budget.node.add_dependency(operators)


def _anomalies(stack: Stack, environment: Environment, operators: sns.ITopic) -> None:
    monitor = ce.CfnAnomalyMonitor(
        stack,
        "CostMonitor",
        monitor_name=worldwide(name_of("costs", environment), environment),
        monitor_type="CUSTOM",
        monitor_specification=json.dumps(
            {"Tags": {"Key": TAG, "Values": [environment.name], "MatchOptions": ["EQUALS"]}}
        ),
    )
    least = max(1, round(environment.budget.monthly_usd * _ANOMALY_SHARE))
    subscription = ce.CfnAnomalySubscription(
        stack,
        "CostAnomalies",
        subscription_name=name_of("cost-anomalies", environment),
        frequency="IMMEDIATE",
        monitor_arn_list=[monitor.attr_monitor_arn],
        subscribers=[ce.CfnAnomalySubscription.SubscriberProperty(type="SNS", address=operators.topic_arn)],
        threshold_expression=json.dumps(
            {
                "Dimensions": {
                    "Key": "ANOMALY_TOTAL_IMPACT_ABSOLUTE",
                    "MatchOptions": ["GREATER_THAN_OR_EQUAL"],
                    "Values": [str(least)],
                }
            }
        ),
    )
    subscription.node.add_dependency(operators)
