import pytest

from orchestrator.domain.errors import Throttled, Unreachable
from orchestrator.local.demo import FAILURES, overload_hint
from orchestrator.local.post_deploy import FunctionUpdateTimeout


@pytest.mark.parametrize(("load", "processors"), [(0.5, 2), (5.9, 2), (23.9, 8)])
def test_a_machine_that_has_time_is_not_blamed(load, processors):
    assert overload_hint(load, processors) == ""


@pytest.mark.parametrize(("load", "processors"), [(6.0, 2), (40.0, 8)])
def test_an_overloaded_machine_is_named_with_its_load(load, processors):
    hint = overload_hint(load, processors)
    assert "too slow for the demo" in hint
    assert f"{load:.0f} processes wait for {processors} processors" in hint


@pytest.mark.parametrize("error", [FunctionUpdateTimeout, Throttled, Unreachable])
def test_what_a_slow_machine_ends_the_demo_with_is_reported_with_the_hint(error):
    assert issubclass(error, FAILURES)
