"""Failures of AWS itself: every error of every operation in use ends in an error that the definitions retry by name."""

from __future__ import annotations

import json
from functools import cache

import pytest

from orchestrator.aws.clients import BUSY, FAULTS, THROTTLES, transient_error, translate_errors
from orchestrator.domain.errors import AliasConflict, OrchestratorError, Throttled, Unreachable
from orchestrator.tasks import runtime
from orchestrator.tasks.runtime import TaskInput
from state_machines import definitions
from state_machines.fragments import TRANSIENT_ERRORS
from tests import aws_errors
from tests.aws_errors import COMMON, OTHERWISE, Failure, failures
from tests.aws_operations import Operation, called_operations
from tests.fakes.errors import client_error


@cache
def all_failures() -> list[Failure]:
    """Read once, by the worker that runs this file: the sources of the product are parsed for it."""
    return failures()


def test_the_page_is_what_source_and_models_say():
    assert aws_errors.PAGE.read_text(encoding="utf-8") == aws_errors.page(), "run `python -m tests.aws_errors`"


def test_the_operations_in_use_are_found():
    # Each by another way: a method, a paginator, a helper that pages, a waiter, a name that is passed on, a raw call.
    found = called_operations()
    for service, name in (
        ("lambda", "UpdateAlias"), ("lambda", "ListVersionsByFunction"), ("iam", "ListRoles"), ("lambda", "GetFunction"),
        ("lambda", "PutProvisionedConcurrencyConfig"), ("dynamodbstreams", "GetRecords"), ("kms", "Sign"),
    ):  # fmt: skip
        assert Operation(service, name) in found
    assert len(found) > 100
    assert len(all_failures()) > 200


def raised_for(failure: Failure) -> str:
    try:
        with translate_errors(**BUSY):
            raise client_error(failure.code, status=failure.status)
    except OrchestratorError as error:
        return type(error).__name__


def test_every_failure_of_aws_is_retried_or_has_its_own_answer():
    ours = [failure for failure in all_failures() if not failure.otherwise]
    assert len(ours) > 150
    assert [failure for failure in ours if failure.raised not in TRANSIENT_ERRORS] == []
    assert [failure for failure in ours if raised_for(failure) != failure.raised] == []


def test_every_exception_to_the_rule_is_still_one():
    excused = {f"{one.code} of {one.operation.service} {one.operation.name}" for one in all_failures() if one.otherwise}
    assert excused == OTHERWISE.keys()


@pytest.mark.parametrize(("code", "status"), [*COMMON, ("Unheard", 500), ("Unheard", 502), ("Unheard", 504)])
def test_what_any_operation_may_have_is_retried(code, status):
    with pytest.raises((Throttled, Unreachable)), translate_errors():
        raise client_error(code, status=status)


@pytest.mark.parametrize("code", sorted(aws_errors.THROTTLES | aws_errors.TRANSIENT))
def test_what_botocore_repeats_is_retried_when_botocore_gives_up(code):
    assert transient_error(code, 400) is not None


@pytest.mark.parametrize("code", ["AccessDeniedException", "ValidationException", "ResourceNotFoundException", ""])
def test_what_a_later_attempt_would_meet_again_is_not_retried(code):
    error = client_error(code, status=400)
    with pytest.raises(type(error)) as raised, translate_errors(**BUSY):
        raise error
    assert raised.value is error


def test_the_meaning_that_an_adapter_gives_a_code_goes_first():
    with pytest.raises(AliasConflict), translate_errors(**BUSY | {"ResourceConflictException": AliasConflict}):
        raise client_error("ResourceConflictException", status=409)


def test_no_code_has_two_meanings():
    assert len(THROTTLES | FAULTS | BUSY.keys()) == len(THROTTLES) + len(FAULTS) + len(BUSY)


@pytest.mark.parametrize("machine", definitions.names())
def test_every_task_retries_both_errors_by_name(machine):
    retriers = [
        [name for retrier in block for name in retrier["ErrorEquals"]]
        for block in retry_blocks(definitions.load(machine).states)
    ]
    assert retriers
    assert all({Throttled.__name__, Unreachable.__name__} <= set(names) for names in retriers)


def retry_blocks(value):
    if isinstance(value, dict):
        yield from ([value["Retry"]] if "Retry" in value else [])
        for inner in value.values():
            yield from retry_blocks(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from retry_blocks(inner)


EVENT = {"execution": "arn", "state_name": "S", "entered": "now", "state": {}, "deployment": "d-1"}


@pytest.mark.parametrize(
    ("code", "status", "raised"),
    [
        ("ServiceException", 500, Unreachable),
        ("ResourceConflictException", 409, Throttled),
        ("TooManyRequestsException", 429, Throttled),
        ("Unheard", 503, Unreachable),
    ],
)
def test_a_task_whose_adapter_translates_nothing_still_ends_in_an_error_that_is_retried(code, status, raised):
    def run(_task, _cloud):
        raise client_error(code, status=status)

    with pytest.raises(raised):
        runtime.make_handler(TaskInput, run)(json.loads(json.dumps(EVENT)), None)
