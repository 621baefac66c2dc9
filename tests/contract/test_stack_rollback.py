"""CloudFormation's own way back, by the commands of the runbook.

RollbackStack takes a stack from CREATE_FAILED or UPDATE_FAILED to its last stable state, and is refused from any other
(https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_RollbackStack.html). MiniStack has it right as it is.
"""

from __future__ import annotations

import json
import time

import pytest
from botocore.exceptions import ClientError

from tests.e2e.runbook import Runbook

STACK = "ib-oauth-rollback-rehearsal"
SEE, ROLL_BACK = 0, 1
NOWHERE = "http://127.0.0.1:1/template"
"""No template is there, so an update that has a stack from it fails."""


@pytest.fixture(scope="module")
def runbook():
    return Runbook("infrastructure-rollback", {"STACK=ib-oauth-stack-$ENV": f"STACK={STACK}"})


def queue(delay_seconds: int) -> dict:
    return {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": STACK, "DelaySeconds": delay_seconds}}


class _Stack:
    def __init__(self, cloud):
        self.client, self._sqs = cloud.client("cloudformation"), cloud.client("sqs")

    def settled(self) -> str:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            phase = self.client.describe_stacks(StackName=STACK)["Stacks"][0]["StackStatus"]
            if not phase.endswith("IN_PROGRESS"):
                return phase
            time.sleep(0.2)
        raise AssertionError("the stack did not settle")

    def delay_seconds(self) -> int:
        url = self._sqs.get_queue_url(QueueName=STACK)["QueueUrl"]
        found = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["DelaySeconds"])
        return int(found["Attributes"]["DelaySeconds"])


@pytest.mark.strategy(
    "Quick Rollback: aws cloudformation rollback-stack --stack-name ib-oauth-stack-prod",
    "Quick Rollback: aws cloudformation describe-stacks --stack-name ib-oauth-stack-prod",
)
@pytest.mark.both
def test_a_failed_update_is_rolled_back_by_the_runbook_and_a_complete_one_cannot_be(cloud, runbook):
    stack, environ = _Stack(cloud), cloud.local.environ
    stack.client.create_stack(StackName=STACK, TemplateBody=json.dumps({"Resources": {"Queue": queue(1)}}))
    assert stack.settled() == "CREATE_COMPLETE"
    with pytest.raises(ClientError, match="cannot be called from current stack status"):
        stack.client.rollback_stack(StackName=STACK)

    broken = {"Type": "AWS::CloudFormation::Stack", "DependsOn": "Queue", "Properties": {"TemplateURL": NOWHERE}}
    template = json.dumps({"Resources": {"Queue": queue(5), "Broken": broken}})
    stack.client.update_stack(StackName=STACK, TemplateBody=template, DisableRollback=True)
    assert (stack.settled(), stack.delay_seconds()) == ("UPDATE_FAILED", 5)
    assert runbook.run(runbook.blocks[SEE], environ=environ).strip() == "UPDATE_FAILED"

    output = runbook.run(runbook.blocks[SEE], runbook.blocks[ROLL_BACK], environ=environ)
    assert output.strip().endswith("UPDATE_ROLLBACK_COMPLETE")
    assert stack.delay_seconds() == 1
