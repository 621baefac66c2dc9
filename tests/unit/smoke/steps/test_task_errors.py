"""Which tasks retry an error: read from the definitions, so a task without a retry is found."""

import pytest

from orchestrator.smoke.steps.task_errors import not_retried
from state_machines import definitions


@pytest.mark.parametrize("error", ["Sandbox.Timedout", "Lambda.Unknown", "Runtime.ExitError", "Runtime.OutOfMemory"])
def test_every_task_retries_the_names_that_are_known(error):
    assert not_retried(error) == []


def test_an_unknown_name_is_retried_by_none():
    missing = not_retried("Sandbox.Unheard")
    assert {name.partition(".")[0] for name in missing} == set(definitions.names())
    assert len(missing) > 40
