"""The stacks of a rebuild: what a former attempt left goes, and a failure says why CloudFormation rolled back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from orchestrator.aws.rebuild.stacks import StackNotRebuilt, Stacks
from orchestrator.domain.rebuild.plan import PlannedStack
from tests.fakes.errors import client_error

NAME, ID = "ib-oauth-stack-prod", "arn:aws:cloudformation:us-west-1:123456789012:stack/ib-oauth-stack-prod/1"
TEMPLATE = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}
PAGE = 100
"""Events of a page of DescribeStackEvents."""


def event(resource: str, status: str, reason: str = "") -> dict[str, str]:
    kind, physical = ("AWS::CloudFormation::Stack", ID) if resource == NAME else ("AWS::SQS::Queue", f"{resource}-1")
    found = {
        "StackId": ID,
        "LogicalResourceId": resource,
        "PhysicalResourceId": physical,
        "ResourceType": kind,
        "ResourceStatus": status,
    }
    return found | ({"ResourceStatusReason": reason} if reason else {})


class _CloudFormation:
    """A stack in a status, with its events from the oldest to the newest; every creation succeeds."""

    def __init__(self, status: str, *events: dict[str, str]) -> None:
        self.status, self.events, self.calls = status, events, []

    def describe_stacks(self, *, StackName: str) -> Mapping[str, Any]:  # noqa: N803 - as botocore names it
        if not self.status:
            raise client_error("ValidationError", f"Stack with id {StackName} does not exist")
        return {"Stacks": [{"StackStatus": self.status}]}

    def delete_stack(self, **_request: str) -> None:
        self.calls.append("delete")
        self.status = ""

    def create_stack(self, **_request: Any) -> None:
        assert not self.status, "AlreadyExistsException"
        self.calls.append("create")
        self.status = "CREATE_COMPLETE"

    def get_template(self, **_request: str) -> Mapping[str, Any]:
        return {"TemplateBody": json.dumps(TEMPLATE)}

    def update_termination_protection(self, **_request: Any) -> None:
        """Accept it."""

    def get_paginator(self, operation: str) -> _CloudFormation:
        assert operation == "describe_stack_events"
        return self

    def paginate(self, **_request: str) -> list[Mapping[str, Any]]:
        newest_first = self.events[::-1]
        return [{"StackEvents": newest_first[start : start + PAGE]} for start in range(0, len(newest_first), PAGE)]


class _Assembly:
    """The assembly of one stack."""

    def publish(self, *_arguments: object) -> None:
        """Nothing is uploaded."""

    def properties(self, _stack: str) -> Mapping[str, Any]:
        return {}

    def template(self, _stack: str) -> Mapping[str, Any]:
        return TEMPLATE

    def template_location(self, stack: str) -> str:
        return f"bucket/{stack}"


def rebuild(client: _CloudFormation) -> str:
    return Stacks(lambda _: client, _Assembly(), lambda _: None).rebuild(PlannedStack(NAME, ()))


def failure(client: _CloudFormation) -> str:
    with pytest.raises(StackNotRebuilt) as failed:
        rebuild(client)
    return str(failed.value)


@pytest.mark.parametrize("status", ["REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE", "IMPORT_ROLLBACK_COMPLETE"])
def test_a_stack_that_was_never_complete_is_made_again(status):
    client = _CloudFormation(status)
    assert rebuild(client) == "created"
    assert client.calls == ["delete", "create"]


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        ("ROLLBACK_FAILED", "orchestrator remove-failed-stacks"),
        ("UPDATE_ROLLBACK_FAILED", "aws cloudformation continue-update-rollback"),
        ("IMPORT_ROLLBACK_FAILED", "aws cloudformation delete-stack"),
        ("DELETE_FAILED", "aws cloudformation delete-stack"),
    ],
)
def test_a_stack_that_has_something_is_not_deleted_and_the_error_names_the_command(status, remedy):
    client = _CloudFormation(status)
    assert remedy in failure(client)
    assert client.calls == []


def test_the_reason_is_found_however_many_events_follow_it():
    begun = event(NAME, "CREATE_IN_PROGRESS", "User Initiated")
    reason = event("Queue", "CREATE_FAILED", "quota of queues")
    cancelled = event("Table", "CREATE_FAILED", "Resource creation cancelled")
    removed = [event(f"R{number}", "DELETE_COMPLETE") for number in range(3 * PAGE)]
    text = failure(_CloudFormation("ROLLBACK_FAILED", begun, reason, cancelled, *removed))
    assert "is in ROLLBACK_FAILED: Queue (AWS::SQS::Queue): quota of queues. " in text


def test_failures_of_an_earlier_operation_are_not_the_reason():
    earlier = [event(f"R{number}", "UPDATE_FAILED", "earlier attempt") for number in range(5)]
    first = [event(NAME, "UPDATE_IN_PROGRESS"), *earlier, event(NAME, "UPDATE_ROLLBACK_COMPLETE")]
    second = [
        event(NAME, "UPDATE_IN_PROGRESS"),
        event("Queue", "UPDATE_FAILED", "second attempt"),
        event(NAME, "UPDATE_ROLLBACK_IN_PROGRESS"),
        event(NAME, "UPDATE_ROLLBACK_FAILED", "the queue"),
    ]
    text = failure(_CloudFormation("UPDATE_ROLLBACK_FAILED", *first, *second))
    assert "second attempt" in text
    assert "earlier attempt" not in text
    assert text.index("second attempt") < text.index("the queue")


def test_a_failure_without_a_reason_says_so():
    assert "its events have no reason" in failure(_CloudFormation("DELETE_FAILED"))
