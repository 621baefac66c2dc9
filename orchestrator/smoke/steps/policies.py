"""Step 2: let AWS judge the policies and the patterns over the trail that are deployed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import unquote

from orchestrator.domain.names import resource_name, short_name
from orchestrator.local.cdk_deploy import SECURITY
from orchestrator.smoke.results import Fact, Verdict
from orchestrator.smoke.trail_events import Event, events_by_alarm, night
from orchestrator.smoke.world import STACKS, World

_FINDINGS = ("ERROR", "SECURITY_WARNING")
MESSAGES = 50
"""The most that TestMetricFilter takes."""
SPIKE, SPIKE_EVENTS = "access-denied-spike", 20
"""The alarm that some denied calls of ours may count for, and how many it tolerates in its period."""


def run(world: World) -> Iterator[Fact]:
    """Yield the findings of IAM Access Analyzer, and which calls the patterns match."""
    yield _valid_policies(world)
    yield _describe_alarms(world)
    yield from _patterns(world)


def _valid_policies(world: World) -> Fact:
    analyzer, found, policies = world.clients("accessanalyzer"), [], 0
    for role in _resources(world, "AWS::IAM::Role"):
        for name, document in _inline_policies(world, role):
            policies += 1
            pages = analyzer.get_paginator("validate_policy").paginate(
                policyDocument=json.dumps(document, allow_nan=False), policyType="IDENTITY_POLICY"
            )
            found += [
                f"{role}/{name}: {one['issueCode']}"
                for page in pages
                for one in page["findings"]
                if one["findingType"] in _FINDINGS
            ]
    verdict = Verdict.FAIL if found or not policies else Verdict.PASS
    return Fact(
        "IAM", verdict, f"IAM Access Analyzer found {len(found)} faults in {policies} policies", {"found": found}
    )


def _describe_alarms(world: World) -> Fact:
    """Whether a task may call DescribeAlarms, for which AWS's page wants a permission scoped to ``*``."""
    role = f"arn:aws:iam::{world.account}:role/{resource_name('task-check-readiness', world.name)}"
    answer = world.clients("iam").simulate_principal_policy(
        PolicySourceArn=role, ActionNames=["cloudwatch:DescribeAlarms"], ResourceArns=["*"]
    )
    decision = answer["EvaluationResults"][0]["EvalDecision"]
    return Fact(
        "23",
        Verdict.PASS if decision == "allowed" else Verdict.FAIL,
        f"IAM's simulation of DescribeAlarms by CheckReadiness: {decision}",
    )


def _patterns(world: World) -> Iterator[Fact]:
    """Test each deployed pattern with the calls that its alarm is for, and with our own nights and a sibling's."""
    logs, filters = world.clients("logs"), []
    for page in logs.get_paginator("describe_metric_filters").paginate(
        logGroupName=f"/aws/cloudtrail/{resource_name('trail', world.name)}"
    ):
        filters += page["metricFilters"]
    by_alarm = events_by_alarm(world.name, world.account)
    nights = [*night(world.name), *night("sibling")]
    for one in filters:
        alarm = short_name(one["filterName"], world.name)
        meant = by_alarm.get(alarm, [])
        seen, own = (_count_matches(logs, one["filterPattern"], events) for events in (meant, nights))
        fires = own > (SPIKE_EVENTS if alarm == SPIKE else 0)
        yield Fact(
            "6",
            Verdict.FAIL if fires or not meant or seen < len(meant) else Verdict.PASS,
            f"{one['filterName']} matches {seen} of {len(meant)} calls that it is for, and {own} of {len(nights)} calls "
            "of nights of ours and of another environment",
            {"pattern": one["filterPattern"]},
        )


def _count_matches(logs: Any, pattern: str, events: Sequence[Event]) -> int:
    messages = [json.dumps(event, allow_nan=False) for event in events]
    parts = [messages[at : at + MESSAGES] for at in range(0, len(messages), MESSAGES)]
    return sum(len(logs.test_metric_filter(filterPattern=pattern, logEventMessages=part)["matches"]) for part in parts)


def _resources(world: World, kind: str) -> list[str]:
    client = world.clients("cloudformation")
    stacks = [part for part in STACKS if part != SECURITY]
    return [
        one["PhysicalResourceId"]
        for part in stacks
        for page in client.get_paginator("list_stack_resources").paginate(StackName=world.stack(part))
        for one in page["StackResourceSummaries"]
        if one["ResourceType"] == kind
    ]


def _inline_policies(world: World, role: str) -> Iterator[tuple[str, Any]]:
    iam = world.clients("iam")
    for page in iam.get_paginator("list_role_policies").paginate(RoleName=role):
        for name in page["PolicyNames"]:
            document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
            yield name, json.loads(unquote(document)) if isinstance(document, str) else document
