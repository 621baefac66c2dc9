"""The main job on the local cloud: real stacks, real machines, real traffic.

The tests share one cloud and go in order, as a day of an environment does.
"""

import json
import time

import pytest

from orchestrator.application.telemetry.traces import read_trace
from orchestrator.domain.deployment.plan import transitions
from orchestrator.domain.deployment.record import DeploymentOutcome, DeploymentPhase
from orchestrator.domain.verdict import Outcome
from orchestrator.local.deployed_environment import ENVIRONMENT, RELEASES, LocalEnvironment, local_environment
from orchestrator.local.traffic_generator import Traffic
from tests.e2e.failing_version import publish_failures
from tests.infrastructure.permissions.recorded import check_calls, complete_record

pytestmark = pytest.mark.timeout(360)
FUNCTIONS = ("authorize", "public", "token")
QUICK = {"type": "canary", "steps": [{"weight_percent": 50, "bake_seconds": 8}]}
LONG = {"type": "canary", "steps": [{"weight_percent": 50, "bake_seconds": 60}]}
PAUSED = {"type": "canary", "steps": [*QUICK["steps"], {"type": "pause", "name": "look", "deadline_seconds": 600}]}
"""While a deployment is paused only an alarm judges its canary."""
ALARM = f"ib-oauth-token-server-errors-{ENVIRONMENT}"


# Under AWS's timing in `make test`; the demo and the benchmarks run without it.
@pytest.fixture(scope="module", params=["aws-timing", pytest.param("instant", marks=pytest.mark.proof)])
def here(request, tmp_path_factory):
    with local_environment(tmp_path_factory.mktemp("local"), profile=request.param, seed=1) as here:
        here.local.enforce_policies(True)
        with Traffic(here.api_url, here.platform_url, rate_per_second=15, seed=1):
            yield here


def aliases(here: LocalEnvironment) -> dict[str, tuple[str, str, int]]:
    read = {name: here.cloud.aliases.read_alias(f"ib-oauth-{name}-{ENVIRONMENT}").routing for name in FUNCTIONS}
    return {name: (routing.primary, routing.canary, routing.weight_percent) for name, routing in read.items()}


def states_entered(here: LocalEnvironment, execution: str) -> list[str]:
    pages = here.cloud.clients("stepfunctions").get_paginator("get_execution_history").paginate(executionArn=execution)
    events = [event for page in pages for event in page["events"]]
    return [event["stateEnteredEventDetails"]["name"] for event in events if "stateEnteredEventDetails" in event]


def shifted(here: LocalEnvironment, deployment: str) -> bool:
    def found() -> bool | None:
        kept = here.cloud.ledger.find_record(deployment)
        assert not (kept and kept.ended_at), kept
        assert not here.cloud.ledger.read_refusal(deployment), here.cloud.ledger.read_refusal(deployment)
        return True if kept and kept.shifts else None

    return here.wait_until(found, 60, "a shift")


@pytest.fixture(scope="module")
def healthy_release(tmp_path_factory):
    """A changed release in which no analysis finds a fault: only what the test does to a deployment ends it."""
    module = tmp_path_factory.mktemp("release") / "service" / "oauth" / "metadata.py"
    module.parent.mkdir(parents=True)
    good = (RELEASES / "good" / "service" / "oauth" / "metadata.py").read_text()
    module.write_text(good.replace('"ui_locales_supported": ["en"]', '"ui_locales_supported": ["en", "de"]'))
    return module.parents[2]


@pytest.mark.strategy("Post-deployment Verification: Endpoint health checks")
def test_a_good_release_is_promoted_with_the_transitions_that_its_plan_predicted(here):
    here.deploy_release("good")
    execution = here.start_deployment("d-good", strategy=QUICK)
    ended = here.wait_for_deployment("d-good", 150)
    assert ended.outcome is DeploymentOutcome.SUCCEEDED, ended.reason
    assert aliases(here) == {one.name: (one.canary_version, "", 0) for one in ended.functions}
    assert all(one.changed for one in ended.functions)
    entered = states_entered(here, execution)
    looks = entered.count("AnalyzeCanary")
    watched_longer = 3 * (entered.count("VerifyAfterPromotion") - 1)
    assert len(entered) == transitions(looks) + watched_longer


def test_an_execution_is_a_trace_with_a_span_for_each_state_that_it_entered(here):
    execution = here.cloud.ledger.read_record("d-good").execution
    spans = read_trace(here.cloud, execution)["resourceSpans"][0]["scopeSpans"][0]["spans"]
    root, *states = spans
    assert [span["name"] for span in states] == states_entered(here, execution)
    assert {span["parentSpanId"] for span in states} == {root["spanId"]}
    assert not [span for span in spans if span["status"]]
    times = [(int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])) for span in spans]
    assert all(times[0][0] <= start <= end <= times[0][1] for start, end in times)
    assert len(root["links"]) == 1


def test_what_is_live_already_is_nothing_to_ship(here):
    here.start_deployment("d-same")
    ended = here.wait_for_deployment("d-same", 30)
    assert ended.outcome is DeploymentOutcome.NOTHING_TO_SHIP


def test_a_release_whose_items_stable_cannot_read_is_refused_before_any_client_meets_it(here):
    before = aliases(here)
    here.deploy_release("incompatible-items")
    here.start_deployment("d-layout", strategy=QUICK)
    ended = here.wait_for_deployment("d-layout", 90)
    assert ended.outcome is DeploymentOutcome.ROLLED_BACK
    assert ended.shifts == ()
    assert aliases(here) == before
    looked = next(
        entry for entry in here.cloud.ledger.read_decisions("d-layout") if entry.state == "VerifyBeforeTraffic"
    )
    found = next(evidence for evidence in looked.evidence if evidence.probe == "compatibility")
    assert found.verdict.outcome is Outcome.FAIL
    assert found.figures == {"items": {"stable": {"writes": 1, "reads": [1]}, "canary": {"writes": 2, "reads": [1, 2]}}}
    assert looked.verdict == found.verdict


def test_a_request_that_makes_no_sense_is_refused_by_field_value_and_remedy(here):
    execution = here.start_deployment(
        "d-nonsense", strategy={"type": "canary", "steps": [{"weight_percent": 150, "bake_seconds": 60}]}
    )
    here.wait_until(lambda: not here.cloud.executions.describe_execution(execution).alive or None, 30, "the refusal")
    events = here.cloud.clients("stepfunctions").get_execution_history(executionArn=execution)["events"]
    causes = " ".join(json.dumps(event, default=str) for event in events)
    assert "strategy.steps[0].weight_percent: 150 is refused: give a whole number from 1 to 99" in causes
    assert here.cloud.executions.describe_execution(execution).phase == "FAILED"


def test_a_release_that_was_rolled_back_is_refused_unless_forced(here):
    execution = here.start_deployment("d-again", strategy=QUICK)
    here.wait_until(lambda: not here.cloud.executions.describe_execution(execution).alive or None, 30, "the refusal")
    assert here.cloud.executions.describe_execution(execution).phase == "FAILED"
    assert here.cloud.ledger.find_record("d-again") is None


def test_a_deployment_stopped_from_outside_at_a_weight_is_back_on_stable_within_90_seconds(here, healthy_release):
    here.deploy_release(healthy_release)
    before = aliases(here)
    execution = here.start_deployment("d-stopped", strategy=LONG)
    shifted(here, "d-stopped")
    here.cloud.executions.stop_execution(execution, "somebody outside")
    ended = here.wait_for_deployment("d-stopped", 90)
    assert ended.outcome is DeploymentOutcome.ROLLED_BACK
    assert ended.rollback.trigger.source == "execution"
    assert aliases(here) == before


@pytest.mark.strategy("Features: Automated deployment")
def test_an_announced_release_is_deployed_and_an_alarm_takes_it_back_once(here):
    before = aliases(here)
    detail = {"requested_by": "pipeline", "idempotency_key": "announced", "strategy": PAUSED, "force": True}
    entry = {
        "EventBusName": f"ib-oauth-{ENVIRONMENT}",
        "Source": "pipeline",
        "DetailType": "ReleaseReady",
        "Detail": json.dumps(detail),
    }
    here.cloud.clients("events").put_events(Entries=[entry, entry])
    shifted(here, "d-announced")
    here.wait_until(
        lambda: here.cloud.ledger.read_record("d-announced").phase is DeploymentPhase.PAUSED or None, 90, "the pause"
    )
    cloudwatch = here.cloud.clients("cloudwatch")

    def alarm_events(*, acted):
        recorded = [one for one in here.cloud.ledger.read_events(50) if one.source == "alarm" and one.acted is acted]
        return [one for one in recorded if one.deployment == "d-announced"] or None

    cloudwatch.set_alarm_state(AlarmName=ALARM, StateValue="ALARM", StateReason="test")
    (skipped, *_) = here.wait_until(lambda: alarm_events(acted=False), 30, "the evaluation of the alarm")
    assert "the release is not proved to be the cause" in skipped.why or "before the first metrics" in skipped.why

    def taken_back():
        """The alarm fires by itself, and is evaluated until the versions' own metrics have arrived."""
        publish_failures(here, here.cloud.ledger.read_record("d-announced"))
        time.sleep(3)
        found = here.cloud.ledger.read_record("d-announced")
        return found if found.ended_at and not here.cloud.ledger.read_lock().held else None

    ended = here.wait_until(taken_back, 150, "the rollback")
    assert ended.outcome is DeploymentOutcome.ROLLED_BACK
    assert ended.rollback.trigger.source == "alarm"
    assert aliases(here) == before
    assert "is proved worse: " in ended.reason or "catastrophic, without further proof: " in ended.reason
    assert len(alarm_events(acted=True)) == 1


@complete_record
def test_every_call_of_this_run_is_in_the_record(here):
    check_calls(here, f"test_main_job {here.local.profile}")
