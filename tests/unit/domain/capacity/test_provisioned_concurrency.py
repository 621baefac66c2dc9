"""Which versions are kept warm, and what follows from how warm they are."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.domain.capacity.provisioned_concurrency import (
    CHECK_INTERVAL_SECONDS,
    ProvisionedState,
    ProvisioningChanges,
    judge_provisioning,
    provisioning_changes,
    versions_in_use,
)
from orchestrator.domain.deployment.decision import Action
from orchestrator.domain.deployment.plan import MAX_WARM_UP_CHECKS
from orchestrator.domain.deployment.record import DeploymentOutcome, Rollback, RollbackTrigger, Shift
from tests.samples import NOW, deployment

WARM, WARMING = ProvisionedState(5, 5, "READY"), ProvisionedState(5, 2, "IN_PROGRESS")
FAILED = ProvisionedState(5, 0, "FAILED", "FUNCTION_ERROR_INIT_FAILURE")
SUCCEEDED = deployment(shifts=(Shift(0, 10, NOW),), outcome=DeploymentOutcome.SUCCEEDED, ended_at=NOW)


@pytest.mark.parametrize(
    ("found", "warm", "cool"),
    [
        ({}, ("1", "2"), ()),
        ({"1": WARM, "2": WARMING}, (), ()),
        ({"1": WARM, "2": WARM, "3": WARM}, (), ("3",)),
        ({"1": ProvisionedState(4, 4, "READY"), "2": WARM}, ("1",), ()),
        ({"1": FAILED, "2": WARM}, ("1",), ()),
    ],
)
def test_versions_that_serve_have_what_is_requested_and_no_other_has_any(found, warm, cool):
    assert provisioning_changes(5, ("1", "2"), found) == ProvisioningChanges(warm, cool)


def test_nothing_is_warm_where_nothing_is_requested():
    assert provisioning_changes(0, ("1", "2"), {"1": WARM, "2": FAILED}) == ProvisioningChanges((), ("1", "2"))


@pytest.mark.parametrize(
    ("look", "found", "action"),
    [
        (0, None, Action.WARM_UP),
        (0, FAILED, Action.WARM_UP),  # of an earlier attempt: it is asked for again first
        (0, WARM, Action.PROCEED),  # the same release once more
        (1, WARMING, Action.WARM_UP),
        (1, WARM, Action.PROCEED),
        (1, ProvisionedState(4, 4, "READY"), Action.WARM_UP),
        (1, FAILED, Action.ROLL_BACK),
        (MAX_WARM_UP_CHECKS - 2, WARMING, Action.WARM_UP),
        (MAX_WARM_UP_CHECKS - 1, WARM, Action.PROCEED),
        (MAX_WARM_UP_CHECKS - 1, WARMING, Action.ROLL_BACK),
        (MAX_WARM_UP_CHECKS - 1, None, Action.ROLL_BACK),
    ],
)
def test_canary_is_shown_to_no_client_before_it_is_warm(look, found, action):
    decision = judge_provisioning(look, {"token": 5}, {"token": found})
    assert decision.action is action
    assert (decision.evaluation, decision.wait_seconds) == (
        (look + 1, CHECK_INTERVAL_SECONDS) if action is Action.WARM_UP else (look, 0)
    )


def test_one_function_that_is_cold_holds_all_of_them():
    decision = judge_provisioning(1, {"authorize": 2, "token": 5}, {"authorize": WARMING, "token": WARM})
    assert (decision.action, decision.reason) == (Action.WARM_UP, "warming up canary: authorize 2 of 2, token 5 of 5")


def test_what_failed_says_why():
    assert judge_provisioning(1, {"token": 5}, {"token": FAILED}).reason == (
        "canary's provisioned concurrency failed: token 0 of 5 (FAILED: FUNCTION_ERROR_INIT_FAILURE)"
    )
    unsaid = replace(FAILED, reason="")
    assert judge_provisioning(1, {"token": 5}, {"token": unsaid}).reason.endswith("(FAILED: no reason given)")


@pytest.mark.parametrize(
    ("newest", "versions"),
    [
        (None, {"2"}),
        (SUCCEEDED, {"1", "2"}),
        (replace(SUCCEEDED, ended_at=NOW - SUCCEEDED.plan.limits.rollback_window - timedelta(seconds=1)), {"2"}),
        (replace(SUCCEEDED, outcome=DeploymentOutcome.ROLLED_BACK), {"2"}),
        (replace(SUCCEEDED, rollback=Rollback(RollbackTrigger("alarm", "it fired", NOW))), {"2"}),
        (replace(SUCCEEDED, outcome=None, ended_at=None), {"2"}),
    ],
)
def test_the_version_before_is_reachable_for_as_long_as_an_alarm_may_bring_it_back(newest, versions):
    assert versions_in_use("token", ["2"], newest, NOW) == versions


def test_a_function_that_the_deployment_did_not_have_is_where_its_alias_is():
    assert versions_in_use("public", ["2"], replace(SUCCEEDED, functions=SUCCEEDED.functions[:1]), NOW) == {"2"}


def test_an_alias_that_was_moved_by_hand_has_both_versions_kept():
    assert versions_in_use("token", ["7", "8"], None, NOW) == {"7", "8"}
