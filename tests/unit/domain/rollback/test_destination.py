"""Which version gets the traffic when a rollback starts: by their own numbers, before a pooled alarm is obeyed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.domain.analysis.latency_lines import LatencyLines
from orchestrator.domain.analysis.observations import Measurements, Sample, VersionComparison
from orchestrator.domain.deployment.decision import Action, Decision
from orchestrator.domain.deployment.record import (
    DecisionEntry,
    DeploymentOutcome,
    DeploymentPhase,
    Rollback,
    RollbackTrigger,
    Shift,
    Side,
)
from orchestrator.domain.environment_lock import EnvironmentLock
from orchestrator.domain.rollback.decision import cause_of_rollback, decide_rollback
from orchestrator.domain.rollback.destination import (
    choose_destination,
    functions_at_destination,
    needs_comparison,
    unread_destination,
)
from orchestrator.domain.rollback.incident import open_incident
from orchestrator.domain.verdict import Evidence, Verdict, Window
from tests.samples import NOW, cut_over, deployment, policy, seconds

THRESHOLDS = policy().limits.thresholds
ALARM = RollbackTrigger("alarm", "token-server-errors: 2 of 3", NOW + seconds(20))
HALF = deployment(phase=DeploymentPhase.SHIFTING, shifts=(Shift(0, 10, NOW), Shift(1, 50, NOW + seconds(5))))


def measured(version, requests=200, *, errors=0.0, refused=0.0, died=0.0, p99_ms=40.0):
    """A version that fails by these shares, over twenty periods."""
    periods = 20
    each = requests // periods
    samples = tuple(
        Sample(
            NOW + seconds(number), each, round(each * errors), {}, 20.0, p99_ms,
            known_grants=each, refused_grants=round(each * refused), timed=each,
            slower={THRESHOLDS.max_p99_ms: each if p99_ms > THRESHOLDS.max_p99_ms else 0},
        )
        for number in range(periods)
    )  # fmt: skip
    return Measurements(version, samples, invocations=requests, unhandled=round(requests * died))


def chosen(stable, canary, name="token", *others):
    pairs = ((name, stable, canary), *others)
    functions = [VersionComparison(one, left, right, left.requests + right.requests) for one, left, right in pairs]
    return choose_destination(functions, THRESHOLDS, NOW)


@pytest.mark.parametrize(
    "broken",
    [{"errors": 0.8}, {"refused": 1.0}, {"died": 0.6}, {"p99_ms": 9000.0}],
    ids=["server errors", "refused grants", "exceptions", "latency"],
)
def test_traffic_goes_to_a_canary_that_is_healthy_while_stable_is_broken_whatever_the_alarm_was_for(broken):
    there = chosen(measured("1", **broken), measured("2"))
    assert (there.traffic_to, there.neither_healthy) == (Side.CANARY, False)
    assert there.why.startswith("stable is broken and the canary is healthy: ")


@pytest.mark.parametrize("broken", [{"errors": 0.8}, {"refused": 1.0}, {"died": 0.6}, {"p99_ms": 9000.0}])
def test_traffic_goes_to_stable_while_the_canary_is_broken(broken):
    there = chosen(measured("1"), measured("2", **broken))
    assert (there.traffic_to, there.neither_healthy) == (Side.STABLE, False)
    assert there.why.startswith("the canary is the broken version: ")


@pytest.mark.parametrize("broken", [{"errors": 0.8}, {"refused": 1.0}, {"died": 0.6}, {"p99_ms": 9000.0}])
def test_where_neither_is_healthy_it_is_said_and_traffic_goes_to_stable(broken):
    there = chosen(measured("1", **broken), measured("2", **broken))
    assert (there.traffic_to, there.neither_healthy) == (Side.STABLE, True)
    assert there.why.startswith("neither version is healthy: token:1 ")
    assert "token:2 " in there.why


@pytest.mark.parametrize(
    ("stable", "canary"),
    [
        (measured("1", errors=0.8), measured("2", requests=20)),  # the canary has too few requests to be called healthy
        (measured("1", errors=0.8), measured("2", errors=0.3)),  # better than stable, and broken as well
        (measured("1"), measured("2")),  # the alarm saw what versions do not show, such as API Gateway's own errors
        (measured("1", requests=0), measured("2")),
        (measured("1", requests=0), measured("2", requests=0)),
    ],
)
def test_what_is_not_proved_goes_to_stable(stable, canary):
    assert chosen(stable, canary).traffic_to is Side.STABLE


def test_a_fault_of_stable_that_both_would_show_is_not_taken_for_a_healthy_canary_s_merit():
    # 30 of 200 against 40 of 200: a dependency that fails for both.
    there = chosen(measured("1", errors=0.2), measured("2", errors=0.2))
    assert (there.traffic_to, there.neither_healthy) == (Side.STABLE, True)


def test_a_canary_that_is_broken_in_another_function_gets_no_traffic():
    there = chosen(
        measured("1", errors=0.8), measured("2"), "token", ("public", measured("1"), measured("2", died=0.6))
    )
    assert there.traffic_to is Side.STABLE
    there = chosen(
        measured("1", errors=0.8), measured("2"), "token", ("public", measured("1"), measured("2", errors=0.8))
    )
    assert (there.traffic_to, there.neither_healthy) == (Side.STABLE, True)


def test_a_function_that_is_hardly_used_does_not_keep_clients_of_another_on_a_broken_version():
    quiet = ("public", measured("1", requests=20), measured("2", requests=20))
    assert chosen(measured("1", errors=0.8), measured("2"), "token", quiet).traffic_to is Side.CANARY


def test_lines_that_were_fixed_from_the_compared_requests_do_not_keep_clients_on_a_broken_stable():
    lines = LatencyLines(NOW + seconds(60), {"p50": 20.0, "p90": 30.0, "p99": 40.0})
    function = VersionComparison("token", measured("1", errors=0.8), measured("2"), 400, lines=lines)
    assert choose_destination([function], THRESHOLDS, NOW).traffic_to is Side.CANARY


def test_no_measurements_prove_nothing():
    assert (
        choose_destination([], THRESHOLDS, NOW).why == "the comparison proves no version broken: nothing was measured"
    )
    assert unread_destination("Throttled slow down").traffic_to is Side.STABLE
    assert unread_destination("Throttled slow down").why == "the versions could not be compared: Throttled slow down"


def rejected(*failed, action=Action.ROLL_BACK):
    evidence = tuple(
        Evidence(probe, Verdict.failed("x") if probe in failed else Verdict.passed("y"), {}, Window(NOW, NOW), "", 1)
        for probe in ("alarms", "metrics", "security")
    )
    return DecisionEntry("d-1", 3, NOW, "AnalyzeCanary", "t", Decision(action, 1, 0, 0, "x"), evidence=evidence)


VERDICT = RollbackTrigger("verdict", "in ALARM: token-server-errors", NOW)


@pytest.mark.parametrize(
    ("found", "trigger", "decisions", "needed"),
    [
        (HALF, ALARM, (), True),
        (HALF, VERDICT, (rejected(action=Action.BAKE), rejected("alarms")), True),
        (HALF, VERDICT, (rejected("alarms", "metrics"),), False),  # the analysis has proved the canary wrong
        (HALF, VERDICT, (rejected("security"),), False),
        (HALF, VERDICT, (rejected("alarms", action=Action.BAKE),), False),
        (HALF, VERDICT, (), False),
        (HALF, RollbackTrigger("person", "asked", NOW), (), False),
        (HALF, RollbackTrigger("execution", "died", NOW), (), False),
        (deployment(), ALARM, (), False),  # no client has reached the canary
        (replace(HALF, shifts=(*HALF.shifts, Shift(1, 100, NOW))), ALARM, (), False),  # only one version has traffic
        (replace(HALF, cutover=cut_over()), ALARM, (), False),
        (replace(HALF, outcome=DeploymentOutcome.SUCCEEDED), ALARM, (), False),
    ],
)
def test_versions_are_compared_only_where_pooled_alarms_are_all_there_is_and_both_serve(
    found, trigger, decisions, needed
):
    assert needs_comparison(found, trigger, decisions) is needed


def test_the_functions_of_a_kept_canary_are_its_own():
    kept = replace(HALF, rollback=Rollback(ALARM, traffic_to=Side.CANARY))
    assert {function.stable_version for function in functions_at_destination(kept)} == {"2"}
    assert functions_at_destination(HALF) == HALF.functions
    assert functions_at_destination(replace(HALF, rollback=Rollback(ALARM))) == HALF.functions


KEPT = replace(
    HALF,
    phase=DeploymentPhase.ENDED,
    outcome=DeploymentOutcome.SUCCEEDED,
    reason="stable is broken",
    ended_at=NOW + seconds(30),
    rollback=Rollback(ALARM, "x", traffic_to=Side.CANARY),
)
LATE_ALARM = RollbackTrigger("alarm", "token-latency: 2 of 3", NOW + seconds(31))
BEFORE = RollbackTrigger("person", "asked", NOW + seconds(25))
AFTER = RollbackTrigger("person", "asked", NOW + seconds(60))


@pytest.mark.parametrize(
    ("triggers", "cause", "action"),
    [
        ([ALARM], ALARM, Action.NOTHING),
        ([ALARM, LATE_ALARM], ALARM, Action.NOTHING),
        ([ALARM, BEFORE], ALARM, Action.NOTHING),
        ([ALARM, AFTER], AFTER, Action.REVERT),
    ],
)
def test_a_kept_canary_is_left_by_an_operator_who_asks_afterwards_and_by_nothing_else(triggers, cause, action):
    found = cause_of_rollback(KEPT, triggers)
    assert found == cause
    decision = decide_rollback(KEPT, KEPT, EnvironmentLock(4), found, holder_alive=False)
    assert decision.action is action
    assert action is Action.REVERT or decision.reason == "its canary keeps the traffic: stable is broken"


def test_other_deployments_causes_are_as_before():
    assert cause_of_rollback(HALF, [ALARM, AFTER]) == ALARM
    assert cause_of_rollback(HALF, []) is None


def test_a_rollback_says_what_it_compared_and_that_nothing_is_healthy():
    plain = Rollback(ALARM)
    assert (plain.reason, plain.unhealthy) == (ALARM.reason, "")
    assert replace(plain, verification=Verdict.passed("9 responses")).unhealthy == ""
    broken = replace(plain, why_there="the canary is the broken version: x", verification=Verdict.failed("token 503"))
    assert broken.unhealthy == "stable is not healthy after the rollback: token 503"
    assert broken.reason == f"{ALARM.reason}; the canary is the broken version: x; {broken.unhealthy}"
    neither = replace(plain, why_there="neither version is healthy: a, b", neither_healthy=True)
    assert (neither.unhealthy, neither.reason) == (neither.why_there, f"{ALARM.reason}; {neither.why_there}")


def test_the_incident_of_a_kept_canary_says_where_the_aliases_point():
    done = replace(KEPT.rollback, reverted_at=NOW + seconds(22), verified_at=NOW + seconds(23))
    moments = [what for what, _ in open_incident(replace(KEPT, rollback=done), [], NOW).timeline]
    assert moments[-2:] == ["aliases point at canary", "canary verified"]
