"""Step 2: let AWS judge the policies and the patterns over the trail that are deployed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from orchestrator.local.cdk_deploy import SECURITY
from orchestrator.smoke.results import Fact, Verdict
from orchestrator.smoke.world import STACKS, World

_FINDINGS = ("ERROR", "SECURITY_WARNING")


def run(world: World) -> Iterator[Fact]:
    """Yield the findings of IAM Access Analyzer, and which patterns an own and a foreign call match."""
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
    role = f"arn:aws:iam::{world.account}:role/ib-oauth-task-check-readiness-{world.name}"
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
    """Test each deployed pattern with a call of a sibling environment's task and with one of an unknown user."""
    logs, filters = world.clients("logs"), []
    for page in logs.get_paginator("describe_metric_filters").paginate(
        logGroupName=f"/aws/cloudtrail/ib-oauth-trail-{world.name}"
    ):
        filters += page["metricFilters"]
    events = {"ours": _event("ib-oauth-task-plan-recovery-sibling"), "unknown": _event("somebody-else")}
    for one in filters:
        answer = logs.test_metric_filter(
            filterPattern=one["filterPattern"],
            logEventMessages=[json.dumps(event, allow_nan=False) for event in events.values()],
        )
        matched = [list(events)[match["eventNumber"] - 1] for match in answer["matches"]]
        yield Fact(
            "6",
            Verdict.FAIL if "ours" in matched else Verdict.PASS,
            f"{one['filterName']} matches {' and '.join(matched) or 'neither'} of our own and an unknown user's call",
            {"pattern": one["filterPattern"]},
        )


def _event(role: str) -> Mapping[str, Any]:
    """A refused read of a table, as CloudTrail records it."""
    return {
        "eventSource": "dynamodb.amazonaws.com",
        "eventName": "UpdateTable",
        "errorCode": "AccessDenied",
        "userIdentity": {
            "type": "AssumedRole",
            "sessionContext": {"sessionIssuer": {"type": "Role", "userName": role}},
        },
        "requestParameters": {"tableName": "ib-oauth-drill-1"},
        "resources": [],
    }


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
