"""A pooled alarm fires: whether the deployment is to blame, where the traffic goes if it is, and what is said."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from orchestrator.domain.deployment.record import DeploymentOutcome, Side
from orchestrator.domain.errors import Throttled
from orchestrator.domain.verdict import Evidence, Outcome, Verdict, Window
from orchestrator.probes import analysis_run
from orchestrator.probes.analysis_run import AnalysisRun
from state_machines import definitions
from tests.fakes.version_metrics import FakeVersionMetrics
from tests.workflow.cases import STRATEGY
from tests.workflow.moto_interpreter import moto_interpreter
from tests.workflow.world import Scenario, World, function_arns, inhabited, raised

SECONDS_TO_ROLL_BACK = 10
"""From the alarm to the last alias, in simulated time: a task takes half a second."""


@pytest.fixture(scope="module")
def interpreter():
    with moto_interpreter() as moto:
        for name in ("deployment", "rollback"):
            moto.create(name, definitions.bind(definitions.load(name), function_arns(name)))
        yield moto


def alarmed_at_half(interpreter, name, metrics, scenario=None):
    """A deployment whose service fires an alarm at 50 %, while its execution can go no further."""
    worlds = []

    def bridge(invocation, run):
        if invocation.state != "AnalyzeCanary":
            return run()
        worlds[0].clock.advance(120)
        worlds[0].ring("event-1")
        return raised("ValueError", "the execution got no further")

    world = World(interpreter, name, scenario or Scenario(), bridge)
    worlds.append(world)
    vars(world.cloud)["probe_clients"] = SimpleNamespace(metrics=metrics)
    with inhabited(world):
        world.deploy(strategy=STRATEGY)
        world.settle()
    return world


def completed(world):
    (detail,) = [detail for kind, detail in world.events.put if kind == "RollbackCompleted"]
    return detail


def operator_messages(world):
    return [(subject, text) for topic, subject, text in world.topics.published if "operators" in topic]


@pytest.mark.parametrize(
    "broken", [{"errors": {"1": 0.8}}, {"refused": {"1": 1.0}}, {"latency_ms": {"1": 9000.0}}], ids=str
)
def test_traffic_goes_to_the_healthy_canary_while_stable_is_broken(interpreter, broken):
    world = alarmed_at_half(interpreter, f"d-kept-{next(iter(broken))}", FakeVersionMetrics(**broken))
    assert world.check() == "canary"
    found = world.deployment
    assert (found.outcome, found.keeps_canary) == (DeploymentOutcome.SUCCEEDED, True)
    assert "stable is broken and the canary is healthy: " in found.reason
    assert (completed(world)["traffic_to"], completed(world)["healthy"]) == ("CANARY", True)
    assert "stable is broken" in operator_messages(world)[-1][1]
    assert not world.cloud.ledger.rolled_back_by(found.release.digest), "its release is live"
    assert (found.rollback.reverted_at - found.rollback.trigger.at).total_seconds() <= SECONDS_TO_ROLL_BACK


def test_what_comes_after_a_kept_canary_moves_no_traffic_except_an_operator(interpreter):
    world = alarmed_at_half(interpreter, "d-kept-then", FakeVersionMetrics(errors={"1": 0.8}))
    with inhabited(world):
        world.clock.advance(10)
        for number, alarm in enumerate(world.deployment.service.alarms):
            assert world.ring(f"later-{number}", arn=alarm).startswith("the deployment is being rolled back or was")
        world.settle(twice=True)
    assert world.check() == "canary"


@pytest.mark.parametrize("broken", [{"errors": {"2": 0.8}}, {"refused": {"2": 1.0}}], ids=str)
def test_traffic_goes_to_stable_while_the_canary_is_broken(interpreter, broken):
    world = alarmed_at_half(interpreter, f"d-back-{next(iter(broken))}", FakeVersionMetrics(**broken))
    assert world.check() == "stable"
    assert world.deployment.outcome is DeploymentOutcome.ROLLED_BACK
    assert "the canary is the broken version: " in world.deployment.reason
    assert (completed(world)["traffic_to"], completed(world)["healthy"]) == ("STABLE", True)


@pytest.mark.parametrize(
    "metrics",
    [FakeVersionMetrics(error=Throttled("slow down")), FakeVersionMetrics(requests=0)],
    ids=["unreadable", "no data"],
)
def test_where_the_evidence_cannot_be_read_the_alarm_is_obeyed_at_once(interpreter, metrics):
    world = alarmed_at_half(interpreter, f"d-obeyed-{metrics.requests}", metrics)
    assert world.check() == "stable"
    rollback = world.deployment.rollback
    assert (rollback.trigger.source, rollback.traffic_to) == ("alarm", Side.STABLE)
    assert "the evidence could not be read, so it rolls back: " in rollback.trigger.reason
    assert (rollback.reverted_at - rollback.trigger.at).total_seconds() <= SECONDS_TO_ROLL_BACK


@pytest.mark.parametrize("share", [0.0, 0.1])
def test_a_deployment_that_is_not_to_blame_goes_on_and_is_promoted(interpreter, share):
    answers = []

    def bridge(invocation, run):
        if invocation.state == "AnalyzeCanary":
            world.clock.advance(120)
            answers.append(world.ring(f"event-{len(answers)}"))
        return run()

    world = World(interpreter, f"d-not-to-blame-{share}", Scenario(), bridge)
    vars(world.cloud)["probe_clients"] = SimpleNamespace(metrics=FakeVersionMetrics(errors={"1": share, "2": share}))
    with inhabited(world):
        world.deploy(strategy=STRATEGY)
        world.settle()
    assert world.check() == "canary"
    assert answers
    assert all("; the release is not proved to be the cause: " in answer for answer in answers)
    assert world.cloud.ledger.read_triggers(world.name) == []
    assert [record.acted for record in world.cloud.ledger.read_events(50)] == [False] * len(answers)


def test_an_alarm_that_stays_in_alarm_is_evaluated_every_minute_of_the_rollback_window(interpreter):
    world = World(interpreter, "d-lasting", Scenario())
    vars(world.cloud)["probe_clients"] = SimpleNamespace(metrics=FakeVersionMetrics(errors={"1": 0.1, "2": 0.1}))
    with inhabited(world):
        world.deploy(strategy=STRATEGY)
        world.clock.advance(120)
        world.alarms.since = world.clock.now()
        world.alarms.ringing.add("ib-oauth-token-server-errors-test")
        world.settle()
        assert world.check() == "canary"
        vars(world.cloud)["probe_clients"] = SimpleNamespace(metrics=FakeVersionMetrics(errors={"1": 0.1, "2": 0.9}))
        world.settle(twice=True)
        world.settle()
    assert world.check() == "stable"
    assert world.deployment.rollback.trigger.source == "alarm"
    assert "the canary is proved worse: " in world.deployment.reason


def test_where_neither_is_healthy_record_event_and_notification_say_so(interpreter):
    world = alarmed_at_half(interpreter, "d-neither", FakeVersionMetrics(errors={"1": 0.8, "2": 0.8}))
    assert world.check() == "stable"
    assert "neither version is healthy: " in world.deployment.reason
    assert completed(world)["healthy"] is False
    assert "neither version is healthy: " in completed(world)["cause"]
    subject, text = operator_messages(world)[-1]
    assert subject == "test: stable is not healthy, an operator must look"
    assert "neither version is healthy: " in text


def test_a_stable_that_fails_its_probes_after_the_rollback_is_not_called_healthy(interpreter):
    scenario = Scenario({0: Outcome.PASS})
    world = World(interpreter, "d-unhealthy", scenario)
    vars(world.cloud)["probe_clients"] = SimpleNamespace(metrics=FakeVersionMetrics(errors={"2": 0.8}))

    def stable_fails(context, _clients):
        verdict = Verdict.failed("stable itself returns 5xx: token:1 503")
        evidence = Evidence("stable", verdict, context.versions, Window(context.now, context.now), "the test", 9)
        return AnalysisRun(verdict, (evidence,), {}, ())

    def bridge(invocation, run):
        if invocation.state == "AnalyzeCanary":
            world.ring("event-1")
            return raised("ValueError", "the execution got no further")
        if invocation.state != "VerifyStable":
            return run()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(analysis_run, "verify_stable", stable_fails)
            return run()

    world.bridge = bridge
    with inhabited(world):
        world.deploy(strategy=STRATEGY)
        world.settle()
    assert world.check() == "stable"
    found = world.deployment
    assert (found.rollback.verified_at, found.rollback.verification.outcome) == (None, Outcome.FAIL)
    assert "stable is not healthy after the rollback: stable itself returns 5xx: token:1 503" in found.reason
    assert completed(world)["healthy"] is False
    assert operator_messages(world)[-1][0] == "test: stable is not healthy, an operator must look"
    assert "stable verified" not in [what for what, _ in world.cloud.ledger.read_incident("i-d-unhealthy").timeline]
