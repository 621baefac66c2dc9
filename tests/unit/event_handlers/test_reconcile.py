"""The reconciler's steps: an error of one keeps no other from running, and fails the run in the end."""

from __future__ import annotations

import pytest

from orchestrator.domain.errors import Throttled
from orchestrator.event_handlers import reconcile
from orchestrator.event_handlers.steps import StepsFailed
from tests.fakes.errors import client_error

STEPS = (
    "roll_back_stale_deployment",
    "repeat_failed_rollback",
    "evaluate_lasting_alarms",
    "attend_incidents",
    "attend_maintenance",
    "attend_findings",
    "close_abandoned_plans",
    "unblock_live_tables",
    "reconcile_provisioned",
    "emit_drill_age",
    "report_live_state",
    "close_dead_restores",
)
ERRORS = (
    Throttled("busy"),
    client_error("AccessDeniedException", "busy"),
    ValueError("busy"),  # a defect, or a record that does not decode
)


def have_steps(monkeypatch, errors):
    """Have steps that only note that they ran, or raise; return the list of those that ran."""
    ran = []

    def step(name):
        def run(_cloud, **_options):
            ran.append(name)
            if name in errors:
                raise errors[name]
            return ""

        return run

    for name in STEPS:
        monkeypatch.setattr(reconcile, name, step(name))
    return ran


def test_the_rollback_comes_first_and_people_are_called_before_the_rest(cloud, monkeypatch):
    ran = have_steps(monkeypatch, {})
    assert reconcile.handler({}, None) == {"answer": ""}
    assert tuple(ran) == STEPS


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("failing", STEPS)
def test_an_error_of_any_one_step_lets_all_others_run_and_fails_the_run(cloud, monkeypatch, failing, error):
    ran = have_steps(monkeypatch, {failing: error})
    with pytest.raises(StepsFailed, match=f"{failing}: {type(error).__name__}: .*busy"):
        reconcile.handler({}, None)
    assert tuple(ran) == STEPS


def test_errors_of_all_steps_are_one_error_that_names_each(cloud, monkeypatch):
    ran = have_steps(monkeypatch, dict.fromkeys(STEPS, Throttled("busy")))
    with pytest.raises(StepsFailed) as raised:
        reconcile.handler({}, None)
    assert tuple(ran) == STEPS
    assert [part.partition(":")[0] for part in str(raised.value).split("; ")] == list(STEPS)
