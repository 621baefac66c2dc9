"""The steps that only an account can run, over clients that answer as AWS does."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from infrastructure.security.cloudtrail_alarms import cloudtrail_alarms
from orchestrator import environments
from orchestrator.smoke.results import Verdict
from orchestrator.smoke.steps import pipeline, policies
from tests.infrastructure.filter_patterns import matches

ACCOUNT, NAME = "123456789012", "smoke"
SMOKE = replace(environments.load("dev"), name=NAME)


class Pages:
    def __init__(self, *pages):
        self._pages = pages

    def paginate(self, **_):
        return iter(self._pages)


def world(**clients):
    environment = SimpleNamespace(backups=SimpleNamespace(copy_region="us-east-2"), local=False)
    return SimpleNamespace(
        account=ACCOUNT,
        name=NAME,
        region="us-west-1",
        environment=environment,
        stack=lambda part: f"{part}-{NAME}",
        clients=lambda service: clients[service.replace("-", "_")],
    )


class Iam:
    def __init__(self, *, seconds=18_000, allowed=("us-west-1", "us-east-2"), alarms="allowed"):
        self._seconds, self._allowed, self._alarms = seconds, allowed, alarms

    def get_role(self, *, RoleName):  # noqa: N803 - botocore's
        arn = f"arn:aws:iam::{ACCOUNT}:role/{RoleName}"
        return {"Role": {"MaxSessionDuration": self._seconds, "Arn": arn}}

    def simulate_principal_policy(self, *, PolicySourceArn, ActionNames, ResourceArns):  # noqa: N803 - botocore's
        (action,), (resource,) = ActionNames, ResourceArns
        if action == "cloudwatch:DescribeAlarms":
            assert PolicySourceArn.endswith(f"role/ib-oauth-task-check-readiness-{NAME}")
            decision = self._alarms
        else:
            allowed = resource.rpartition(f"{ACCOUNT}-")[2] in self._allowed
            decision = "allowed" if allowed else "implicitDeny"
        return {"EvaluationResults": [{"EvalDecision": decision}]}

    def get_paginator(self, operation):
        assert operation == "list_role_policies"
        return Pages({"PolicyNames": ["access"]})

    def get_role_policy(self, **_):
        return {"PolicyDocument": {"Version": "2012-10-17", "Statement": []}}


def verdicts(facts) -> list[tuple[str, Verdict]]:
    return [(fact.row, fact.verdict) for fact in facts]


def test_a_role_that_lasts_and_reaches_every_region_passes_and_the_workflow_is_left_to_a_person():
    facts = verdicts(pipeline.run(world(iam=Iam())))
    assert facts == [("11", Verdict.PASS), ("10", Verdict.PASS), ("10", Verdict.PASS), ("11", Verdict.NOT_RUN)]


@pytest.mark.parametrize(
    ("iam", "failed"), [(Iam(seconds=3600), {"11"}), (Iam(allowed=("us-west-1",)), {"10"}), (Iam(allowed=()), {"10"})]
)
def test_a_role_that_ends_early_or_misses_a_region_fails(iam, failed):
    facts = pipeline.run(world(iam=iam))
    assert {fact.row for fact in facts if fact.verdict is Verdict.FAIL} == failed


class Logs:
    """CloudWatch Logs with the patterns of an environment, which it evaluates by AWS's rule."""

    def __init__(self, patterns):
        self._patterns = patterns

    def get_paginator(self, _):
        named = [{"filterName": name, "filterPattern": pattern} for name, pattern in self._patterns.items()]
        return Pages({"metricFilters": named})

    def test_metric_filter(self, *, filterPattern, logEventMessages):  # noqa: N803 - botocore's
        assert len(logEventMessages) <= 50
        found = [json.loads(message) for message in logEventMessages]
        return {"matches": [{"eventNumber": n} for n, one in enumerate(found, 1) if matches(filterPattern, one)]}


def patterns(**changed):
    found = {f"ib-oauth-{one.name}-smoke": one.pattern for one in cloudtrail_alarms(SMOKE)}
    return found | {f"ib-oauth-{name.replace('_', '-')}-smoke": pattern for name, pattern in changed.items()}


class Analyzer:
    def __init__(self, *types):
        self._types = types

    def get_paginator(self, _):
        return Pages({"findings": [{"findingType": one, "issueCode": "CODE"} for one in self._types]})


class Stacks:
    def get_paginator(self, _):
        role = {"ResourceType": "AWS::IAM::Role", "PhysicalResourceId": "ib-oauth-token-smoke"}
        return Pages({"StackResourceSummaries": [role, {"ResourceType": "AWS::SNS::Topic", "PhysicalResourceId": "t"}]})


@pytest.mark.parametrize(
    ("findings", "alarms", "changed", "failed"),
    [
        ((), "allowed", {}, set()),
        (("SUGGESTION", "WARNING"), "allowed", {}, set()),
        (("ERROR",), "allowed", {}, {"IAM"}),
        (("SECURITY_WARNING",), "allowed", {}, {"IAM"}),
        ((), "implicitDeny", {}, {"23"}),
        # It misses what it is for: an asterisk within a term is literal.
        ((), "allowed", {"table_changed_manually": '{ $.eventName = "Dele*Table" }'}, {"6"}),
        # It also matches our own nights.
        (
            (),
            "allowed",
            {"table_changed_manually": '{ $.eventSource = "dynamodb*" || $.eventSource = "backup*" }'},
            {"6"},
        ),
        # No event is known that it is for.
        ((), "allowed", {"another": '{ $.eventName = "Never" }'}, {"6"}),
    ],
)
def test_a_fault_of_a_policy_a_refusal_and_a_pattern_that_is_wrong_fail(findings, alarms, changed, failed):
    clients = {
        "accessanalyzer": Analyzer(*findings),
        "iam": Iam(alarms=alarms),
        "logs": Logs(patterns(**changed)),
        "cloudformation": Stacks(),
    }
    facts = list(policies.run(world(**clients)))
    assert {fact.row for fact in facts} == {"IAM", "23", "6"}
    assert {fact.row for fact in facts if fact.verdict is Verdict.FAIL} == failed
