"""An alias with weights splits every invocation, whichever way it comes, and each execution knows alias and version.

https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html
"""

from __future__ import annotations

import json
import math
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.contract.apis import rest_api
from tests.contract.machines import Machines
from tests.contract.waiting import eventually

SOURCE = """
    import json
    def handler(event, context):
        print("ran on", context.function_version)
        answer = {{"version": context.function_version, "arn": context.invoked_function_arn, "change": {change}}}
        return {{"statusCode": 200, "body": json.dumps(answer), **answer}}
"""


class Split:
    """A function with an alias that gives its second version a share."""

    def __init__(self, cloud, weight):
        self.client = cloud.client("lambda")
        self.name = cloud.function("def handler(event, context): return None")
        self.stable, self.canary = cloud.versions(self.name, SOURCE.format(change=1), SOURCE.format(change=2))
        self.weight = weight
        cloud.client("logs").create_log_group(logGroupName=f"/aws/lambda/{self.name}")
        self.alias = self.client.create_alias(
            FunctionName=self.name,
            Name="live",
            FunctionVersion=self.stable,
            RoutingConfig={"AdditionalVersionWeights": {self.canary: weight}},
        )["AliasArn"]

    def assert_fair(self, versions, count):
        """Both versions, and the canary's share within five standard deviations: once in a million by chance."""
        seen = Counter(versions)
        assert seen.total() == count
        assert set(seen) == {self.stable, self.canary}
        deviation = math.sqrt(count * self.weight * (1 - self.weight))
        assert abs(seen[self.canary] - count * self.weight) < 5 * deviation


def logged_versions(cloud, name):
    """Which version each invocation that has ended ran on, from the function's log."""
    pages = cloud.client("logs").get_paginator("filter_log_events")
    found = pages.paginate(logGroupName=f"/aws/lambda/{name}", filterPattern='"ran on"')
    return [event["message"].split()[-1] for page in found for event in page["events"]]


def test_invoke_splits_by_the_weights_and_names_the_executed_version(cloud):
    split = Split(cloud, 0.25)

    def invoke(_):
        answer = split.client.invoke(FunctionName=split.name, Qualifier="live")
        ran = json.load(answer["Payload"])
        assert answer["ExecutedVersion"] == ran["version"]
        assert ran["arn"] == split.alias
        return ran["version"]

    with ThreadPoolExecutor(4) as callers:
        split.assert_fair(callers.map(invoke, range(300)), 300)


def test_invoke_by_the_alias_s_arn_splits_as_well(cloud):
    split = Split(cloud, 0.5)
    versions = [split.client.invoke(FunctionName=split.alias)["ExecutedVersion"] for _ in range(40)]
    split.assert_fair(versions, 40)


def test_asynchronous_invocations_are_split(cloud):
    split = Split(cloud, 0.5)
    for _ in range(24):
        split.client.invoke(FunctionName=split.name, Qualifier="live", InvocationType="Event")
    versions = eventually(
        lambda: (found := logged_versions(cloud, split.name)) and len(found) >= 24 and found, within_seconds=20
    )
    split.assert_fair(versions, 24)


def test_a_rest_api_splits_its_requests_and_the_function_sees_the_alias(cloud):
    split = Split(cloud, 0.5)
    url = rest_api(cloud, f"{split.name}:live").url

    def get(_):
        with urllib.request.urlopen(url) as response:
            ran = json.load(response)
        assert ran["arn"] == split.alias
        return ran["version"]

    with ThreadPoolExecutor(4) as callers:
        split.assert_fair(callers.map(get, range(60)), 60)


@pytest.mark.parametrize("way", ["lambda:invoke", "direct ARN"])
def test_step_functions_splits_its_tasks(cloud, way):
    split = Split(cloud, 0.5)
    if way == "lambda:invoke":
        parameters = {"FunctionName": split.alias, "Payload": {}}
        task = {"Resource": "arn:aws:states:::lambda:invoke", "Parameters": parameters, "OutputPath": "$.Payload"}
    else:
        task = {"Resource": split.alias}
    each = {"StartAt": "Call", "States": {"Call": {"Type": "Task", **task, "End": True}}}
    states = {"All": {"Type": "Map", "MaxConcurrency": 4, "Iterator": each, "End": True}}
    ended = Machines(cloud).run(states, [{}] * 40)
    assert ended.status == "SUCCEEDED"
    assert {ran["arn"] for ran in ended.output} == {split.alias}
    split.assert_fair([ran["version"] for ran in ended.output], 40)


def test_event_rules_split_what_they_send(cloud):
    split = Split(cloud, 0.5)
    events = cloud.client("events")
    source = cloud.name("source")
    events.put_rule(Name=source, EventPattern=json.dumps({"source": [source]}))
    events.put_targets(Rule=source, Targets=[{"Id": "alias", "Arn": split.alias}])
    for _ in range(4):
        entries = [{"Source": source, "DetailType": "Probe", "Detail": "{}"} for _ in range(6)]
        events.put_events(Entries=entries)
    versions = eventually(
        lambda: (found := logged_versions(cloud, split.name)) and len(found) >= 24 and found, within_seconds=20
    )
    split.assert_fair(versions, 24)


@pytest.mark.both
def test_a_version_and_the_latest_code_are_never_split(cloud):
    split = Split(cloud, 0.5)
    for qualifier in (split.stable, split.canary, "$LATEST"):
        ran = [split.client.invoke(FunctionName=split.name, Qualifier=qualifier) for _ in range(5)]
        assert {answer["ExecutedVersion"] for answer in ran} == {qualifier}


@pytest.mark.both
def test_reading_a_split_alias_s_configuration_always_gives_the_primary_version(cloud):
    split = Split(cloud, 0.5)
    read = [split.client.get_function_configuration(FunctionName=split.name, Qualifier="live") for _ in range(10)]
    assert {configuration["Version"] for configuration in read} == {split.stable}


@pytest.mark.both
def test_an_alias_without_weights_sends_everything_to_its_version(cloud):
    split = Split(cloud, 0.5)
    split.client.update_alias(FunctionName=split.name, Name="live", FunctionVersion=split.canary, RoutingConfig={})
    answers = [split.client.invoke(FunctionName=split.name, Qualifier="live") for _ in range(20)]
    assert {answer["ExecutedVersion"] for answer in answers} == {split.canary}
