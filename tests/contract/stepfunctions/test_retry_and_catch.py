"""Which errors Retry and Catch match, and how long a retry waits."""

import random

import pytest

from orchestrator.local.emulator.stepfunctions.retry_and_catch import retry_delay_seconds
from tests.contract.machines import Machines

OUCH = {"StartAt": "Ouch", "States": {"Ouch": {"Type": "Fail", "Error": "Ouch", "Cause": "it hurts"}}}


@pytest.fixture
def machines(cloud):
    return Machines(cloud)


def retried(**retry):
    """A state that fails always, retried so."""
    return {
        "Both": {"Type": "Parallel", "Branches": [OUCH], "End": True} | {"Retry": [{"ErrorEquals": ["Ouch"], **retry}]}
    }


def test_a_retry_waits_no_longer_than_its_longest_delay(machines):
    found = machines.run(retried(IntervalSeconds=1, BackoffRate=10, MaxDelaySeconds=1, MaxAttempts=2), TimeoutSeconds=5)
    assert (found.status, found.error) == ("FAILED", "Ouch")
    assert 1.9 < found.seconds < 4


@pytest.mark.both
def test_a_retry_waits_its_interval_grown_by_its_rate(machines):
    found = machines.run(retried(IntervalSeconds=1, BackoffRate=1.5, MaxAttempts=2))
    assert 2.4 < found.seconds < 4


def test_full_jitter_waits_a_random_part_of_the_delay(machines):
    started = [machines.start(retried(IntervalSeconds=2, MaxAttempts=1, JitterStrategy="FULL")) for _ in range(4)]
    shortest = min(machines.ended(arn).seconds for arn in started)
    assert shortest < 1.9


@pytest.mark.both
def test_an_error_that_is_not_retried_is_caught_with_its_name_and_cause(machines):
    catch = [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Caught"}]
    found = machines.run(
        {
            "Both": {"Type": "Parallel", "Branches": [OUCH], "Catch": catch, "End": True},
            "Caught": {"Type": "Pass", "End": True},
        },
        {"kept": True},
    )
    assert found.output == {"kept": True, "error": {"Error": "Ouch", "Cause": "it hurts"}}


def test_states_all_does_not_catch_a_runtime_error(machines):
    inner = {"StartAt": "Lost", "States": {"Lost": {"Type": "Wait", "SecondsPath": "$.nowhere", "End": True}}}
    catch = [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}]
    found = machines.run(
        {
            "Both": {"Type": "Parallel", "Branches": [inner], "Catch": catch, "End": True},
            "Caught": {"Type": "Pass", "End": True},
        }
    )
    assert (found.status, found.error) == ("FAILED", "States.Runtime")


def test_delays_grow_are_capped_and_are_not_cut_at_a_minute():
    drawn = random.Random(7)
    assert [retry_delay_seconds({"IntervalSeconds": 2}, n, drawn) for n in range(3)] == [2, 4, 8]
    assert retry_delay_seconds({"IntervalSeconds": 100, "BackoffRate": 1.0}, 5, drawn) == 100
    assert retry_delay_seconds({"IntervalSeconds": 2, "MaxDelaySeconds": 5}, 9, drawn) == 5
    jittered = [retry_delay_seconds({"IntervalSeconds": 4, "JitterStrategy": "FULL"}, 0, drawn) for _ in range(50)]
    assert 0 <= min(jittered) < 1
    assert 3 < max(jittered) <= 4
