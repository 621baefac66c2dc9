"""A key that belongs to another execution is refused, whatever that execution's input is."""

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from orchestrator.application.start_request import refuse_used_key
from orchestrator.domain.errors import Refused

MACHINE = "arn:aws:states:us-west-1:123456789012:stateMachine:deployment"
REQUEST = {"requested_by": "ann", "strategy": "canary-10-50"}


def refuse(earlier: str) -> None:
    execution = SimpleNamespace(phase="RUNNING", input_json=earlier)
    executions = SimpleNamespace(describe_execution=lambda _arn: execution)
    refuse_used_key(cast("Any", executions), MACHINE, "d-1", REQUEST)


@pytest.mark.parametrize(
    "earlier", ["[]", '"text"', "[" * 100_000, r'{"strategy": "\ud800"}', '{"strategy": "linear-25"}']
)
def test_a_key_of_an_execution_with_any_other_input_is_refused(earlier):
    with pytest.raises(Refused, match="idempotency_key"):
        refuse(earlier)


def test_the_same_request_is_not_refused():
    refuse(json.dumps(REQUEST))
