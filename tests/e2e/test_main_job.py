"""The main job on the local cloud: real stacks, real machines, real traffic.

The tests share one cloud and go in order, as a day of an environment does.
"""

import json

import pytest

from orchestrator.domain.plan import transitions
from orchestrator.domain.records import Ending
from orchestrator.domain.verdict import Outcome
from orchestrator.local.stage import ENVIRONMENT, Stage, stage
from orchestrator.local.traffic import Traffic

pytestmark = pytest.mark.timeout(240)
FUNCTIONS = ("authorize", "public", "token")
QUICK = {"type": "canary", "steps": [{"weight_percent": 50, "bake_seconds": 8}]}
LONG = {"type": "canary", "steps": [{"weight_percent": 50, "bake_seconds": 60}]}
ALARM = f"ib-oauth-token-server-errors-{ENVIRONMENT}"


# Under AWS's timing in `make test`; the demo and the benchmarks run without it.
@pytest.fixture(scope="module", params=["aws-timing", pytest.param("instant", marks=pytest.mark.proof)])
def here(request, tmp_path_factory):
    with (
        stage(tmp_path_factory.mktemp("local"), profile=request.param, seed=1) as here,
        Traffic(here.api_url, here.platform_url, rate_per_second=15, seed=1),
    ):
        yield here


def aliases(here: Stage) -> dict[str, tuple[str, str, int]]:
    read = {name: here.cloud.aliases.read(f"ib-oauth-{name}-{ENVIRONMENT}").routing for name in FUNCTIONS}
    return {name: (routing.primary, routing.canary, routing.weight_percent) for name, routing in read.items()}


def states_entered(here: Stage, execution: str) -> list[str]:
    pages = here.cloud.clients("stepfunctions").get_paginator("get_execution_history").paginate(executionArn=execution)
    events = [event for page in pages for event in page["events"]]
    return [event["stateEnteredEventDetails"]["name"] for event in events if "stateEnteredEventDetails" in event]


def shifted(here: Stage, deployment: str) -> bool:
    def found() -> bool | None:
        kept = here.cloud.ledger.find(deployment)
        assert not (kept and kept.ended_at), kept
        assert not here.cloud.ledger.refusal(deployment), here.cloud.ledger.refusal(deployment)
        return True if kept and kept.shifts else None

    return here.until(found, 60, "a shift")


def test_a_good_release_is_promoted_with_the_transitions_that_its_plan_predicted(here):
    here.put_into_latest("good")
    execution = here.start("d-good", strategy=QUICK)
    ended = here.ended("d-good", 150)
    assert ended.ending is Ending.SUCCEEDED, ended.reason
    assert aliases(here) == {one.name: (one.canary_version, "", 0) for one in ended.functions}
    assert all(one.changed for one in ended.functions)
    entered = states_entered(here, execution)
    looks = entered.count("Verify")
    watched_longer = 3 * (entered.count("VerifyAfterTraffic") - 1)
    assert len(entered) == transitions(looks) + watched_longer


def test_what_is_live_already_is_nothing_to_ship(here):
    here.start("d-same")
    ended = here.ended("d-same", 30)
    assert ended.ending is Ending.NOTHING_TO_SHIP


def test_a_release_whose_items_stable_cannot_read_is_refused_before_any_client_meets_it(here):
    before = aliases(here)
    here.put_into_latest("incompatible-items")
    here.start("d-layout", strategy=QUICK)
    ended = here.ended("d-layout", 90)
    assert ended.ending is Ending.ROLLED_BACK
    assert ended.shifts == ()
    assert aliases(here) == before
    looked = next(entry for entry in here.cloud.ledger.decisions("d-layout") if entry.state == "VerifyBeforeTraffic")
    found = next(evidence for evidence in looked.evidence if evidence.probe == "compatibility")
    assert found.verdict.outcome is Outcome.FAIL
    assert found.figures == {"items": {"stable": {"writes": 1, "reads": [1]}, "canary": {"writes": 2, "reads": [1, 2]}}}
    assert looked.verdict == found.verdict


def test_a_request_that_makes_no_sense_is_refused_by_field_value_and_remedy(here):
    execution = here.start(
        "d-nonsense", strategy={"type": "canary", "steps": [{"weight_percent": 150, "bake_seconds": 60}]}
    )
    here.until(lambda: not here.cloud.executions.describe(execution).alive or None, 30, "the refusal")
    events = here.cloud.clients("stepfunctions").get_execution_history(executionArn=execution)["events"]
    causes = " ".join(json.dumps(event, default=str) for event in events)
    assert "strategy.steps[0].weight_percent: 150 is refused: give a whole number from 1 to 99" in causes
    assert here.cloud.executions.describe(execution).phase == "FAILED"


def test_a_deployment_stopped_from_outside_at_a_weight_is_back_on_stable_within_90_seconds(here):
    here.put_into_latest("token-500s")
    before = aliases(here)
    execution = here.start("d-stopped", strategy=LONG)
    shifted(here, "d-stopped")
    here.cloud.executions.stop(execution, "somebody outside")
    ended = here.ended("d-stopped", 90)
    assert ended.ending is Ending.ROLLED_BACK
    assert ended.rollback.trigger.source in {"execution", "alarm"}
    assert aliases(here) == before


def test_a_release_that_was_rolled_back_is_refused_unless_forced(here):
    execution = here.start("d-again", strategy=QUICK)
    here.until(lambda: not here.cloud.executions.describe(execution).alive or None, 30, "the refusal")
    assert here.cloud.executions.describe(execution).phase == "FAILED"
    assert here.cloud.ledger.find("d-again") is None


def test_an_announced_release_is_deployed_and_an_alarm_takes_it_back_once(here):
    before = aliases(here)
    detail = {"requested_by": "pipeline", "idempotency_key": "announced", "strategy": LONG, "force": True}
    entry = {
        "EventBusName": f"ib-oauth-{ENVIRONMENT}",
        "Source": "pipeline",
        "DetailType": "ReleaseReady",
        "Detail": json.dumps(detail),
    }
    here.cloud.clients("events").put_events(Entries=[entry, entry])
    shifted(here, "d-announced")
    cloudwatch = here.cloud.clients("cloudwatch")
    cloudwatch.set_alarm_state(AlarmName=ALARM, StateValue="ALARM", StateReason="test")
    ended = here.ended("d-announced", 60)
    assert ended.ending is Ending.ROLLED_BACK
    assert ended.rollback.trigger.source == "alarm"
    assert aliases(here) == before
    acted = [signal for signal in here.cloud.ledger.signals(50) if signal.acted and signal.source == "alarm"]
    assert [signal.deployment for signal in acted if signal.deployment == "d-announced"] == ["d-announced"]
