"""AWS's own services are allowed what they do for an environment by resource policies, and little else."""

import pytest

from tests.infrastructure.permissions.deployed import DeployedEnvironment, listed
from tests.infrastructure.permissions.evaluator import Request, evaluate
from tests.infrastructure.permissions.services import permissions_of_functions, service_calls
from tests.infrastructure.templates import ENVIRONMENTS, HOME_REGION

UNUSED = {
    ("logs", "kms:DescribeKey"): "in the key policy that CloudWatch Logs documents; no page says when it is called",
}
"""What a service may do and no rule says that it does, with the reason."""

OF_QUEUES = {("events", "sqs:GetQueueAttributes"), ("events", "sqs:GetQueueUrl")}
"""What the CDK lets EventBridge do with a queue that is the target of a rule, in addition to sending."""


def policy_of(policies, resource):
    return next((arn for arn in (resource, resource.partition("/")[0]) if arn in policies), None)


def decided(deployed):
    """Each call of a service, the policy that decides about it, and the answer."""
    policies = {**deployed.resource_policies, **permissions_of_functions(deployed)}
    calls = service_calls(deployed)
    requests = []
    for call in calls:
        context = {"aws:SecureTransport": "true", "kms:CallerAccount": deployed.account, "s3:TlsVersion": "1.3"}
        own = {
            key: value
            for key, value in context.items()
            if key.startswith(("aws:", call.action.split(":", maxsplit=1)[0]))
        }
        requests.append(
            Request(
                principal=call.principal,
                action=call.action,
                resource=call.resource,
                account=deployed.account,
                context=own | dict(call.context),
                resource_policy=policy_of(policies, call.resource),
            )
        )
    return policies, list(zip(calls, requests, evaluate(requests, policies), strict=True))


def test_a_service_is_allowed_what_it_does_and_nothing_else(deployed):
    policies, answers = decided(deployed)
    assert len(answers) > 400
    assert [f"{call}: {answer.why}" for call, _, answer in answers if not answer.allowed] == []

    used = {
        (request.resource_policy, match.statement, match.action)
        for _, request, answer in answers
        for match in answer.resource_matches
    }
    unused = {
        (service.partition(".")[0], action)
        for arn, document in policies.items()
        for index, statement in enumerate(listed(document["Statement"]))
        if statement["Effect"] == "Allow" and isinstance(statement["Principal"], dict)
        for service in listed(statement["Principal"].get("Service", []))
        for action in listed(statement["Action"])
        if (arn, index, action) not in used
    }
    queues = [call for call, _, _ in answers if call.action == "sqs:SendMessage" and "dead" not in call.resource]
    assert unused - (OF_QUEUES if queues else set()) == set(UNUSED)


@pytest.mark.parametrize("name", [*ENVIRONMENTS, "everything on"])
def test_a_service_uses_a_key_under_a_condition_only(synthesised, everything_on, name):
    """Without one, the service uses the key for any account's resources. CDK's targets and grants add such statements."""
    one = everything_on if name == "everything on" else synthesised(name)
    deployed = DeployedEnvironment(one.name, one.files, HOME_REGION)

    assert [
        (arn.rpartition("/")[2], statement["Principal"])
        for arn, policy in deployed.resource_policies.items()
        if ":key/" in arn
        for statement in policy["Statement"]
        if statement["Effect"] == "Allow" and "Service" in statement["Principal"] and "Condition" not in statement
    ] == []
