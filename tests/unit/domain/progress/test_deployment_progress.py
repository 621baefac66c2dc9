"""The figures of a deployment in flight are those of its record and its evaluations; what nothing recorded is None."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.domain.deployment.gates import Approval, Gate, GateKind, GateRecord
from orchestrator.domain.deployment.record import DeploymentPhase, Rollback, RollbackTrigger, Shift, Side
from orchestrator.domain.progress.deployment_progress import (
    AlarmView,
    Measure,
    VersionTraffic,
    alarms_of,
    canary_percent,
    measures_of,
    traffic_of,
    who_may_act,
)
from orchestrator.domain.verdict import Evidence, Verdict, Window
from tests.followed import DECISIONS, alarms, decision, in_flight, metrics, rolled_back
from tests.samples import ALARM, NOW, plan, seconds


def named(traffic, name):
    return next(function for function in traffic if function.name == name).versions


def test_both_versions_have_the_weight_that_was_requested_and_what_was_observed():
    traffic, measured = traffic_of(in_flight(), DECISIONS)
    stable, canary = named(traffic, "token")
    assert stable == VersionTraffic(
        Side.STABLE, "14", 90, 90.0, 810, 1, 12.3, 48.7, {"issued": 640, "invalid_grant": 3}
    )
    assert canary == VersionTraffic(Side.CANARY, "15", 10, 10.0, 90, 7, 12.3, 151.9, {"issued": 71, "invalid_grant": 2})
    assert (measured.at, measured.weight_percent) == (NOW + seconds(28), 10)
    assert (measured.since, measured.until) == (NOW + seconds(5), NOW + seconds(25))


def test_a_function_without_grants_has_none_and_an_unchanged_function_only_its_stable_version():
    traffic, _ = traffic_of(in_flight(), DECISIONS)
    assert {version.grants for version in named(traffic, "public")} == {None}
    assert named(traffic, "authorize") == (VersionTraffic(Side.STABLE, "3", 100),)


def test_before_the_first_evaluation_with_client_traffic_nothing_is_invented():
    traffic, measured = traffic_of(in_flight(), DECISIONS[:1])
    assert measured is None
    assert named(traffic, "token")[1] == VersionTraffic(Side.CANARY, "15", 10)


def test_the_newest_evaluation_that_measured_counts():
    later = decision(4, 40, "BAKE", evidence=(metrics(scale=2, weight=50),))
    failed = Evidence("metrics", Verdict.error("throttled"), {}, Window(NOW, NOW), "none: the probe failed", 0)
    traffic, measured = traffic_of(in_flight(), [*DECISIONS, later, decision(5, 50, "BAKE", evidence=(failed,))])
    assert named(traffic, "token")[1].requests == 180
    assert measured.weight_percent == 50


def test_figures_without_functions_or_a_weight_measure_nothing():
    bare = replace(metrics(), figures={"log_evidence": 0.0})
    traffic, measured = traffic_of(in_flight(), [decision(1, 9, "BAKE", evidence=(bare,))])
    assert named(traffic, "token")[0].requests is None
    assert measured.weight_percent is None


@pytest.mark.parametrize(
    ("changes", "weight"),
    [
        ({"shifts": ()}, 0),
        ({}, 10),
        ({"shifts": (Shift(0, 10, NOW), Shift(2, 100, NOW))}, 100),
        ({"rollback": Rollback(RollbackTrigger("alarm", "x", NOW))}, 10),
        ({"rollback": Rollback(RollbackTrigger("alarm", "x", NOW), reverted_at=NOW)}, 0),
        ({"rollback": Rollback(RollbackTrigger("alarm", "x", NOW), reverted_at=NOW, traffic_to=Side.CANARY)}, 100),
    ],
)
def test_the_weight_of_the_canary_is_that_of_the_aliases(changes, weight):
    assert canary_percent(in_flight(**changes)) == weight


def test_every_source_has_a_measure_and_the_one_nearest_to_its_threshold_leads():
    measures = measures_of(in_flight(), DECISIONS)
    assert [measure.name for measure in measures] == [
        "request metrics",
        "latency",
        "logs",
        "checks",
        "alarms",
        "custom checks",
    ]
    leading = measures[0]
    assert (leading.odds, leading.needed, leading.leading) == (14.21, 133.333, True)
    assert leading.rate == "token server errors: canary 7 of 90, stable 1 of 810"
    assert leading.filled == pytest.approx(0.5425, abs=0.001)
    assert [measure.leading for measure in measures[1:]] == [False] * 5
    assert (measures[1].odds, measures[1].filled) == (None, 0.0)


def test_nothing_leads_before_there_is_evidence():
    assert not any(measure.leading for measure in measures_of(in_flight(), ()))
    even = [decision(1, 9, "BAKE", evidence=(metrics(odds=0.4), alarms()))]
    assert not any(measure.leading or measure.rate for measure in measures_of(in_flight(), even))


def test_a_rate_that_was_counted_in_an_earlier_step_says_so():
    document = in_flight().running["metrics"]
    watches = {
        name: {**watch, "canary": {"trials": 0, "bad": 0}, "stable": {"trials": 0, "bad": 0}}
        for name, watch in document["watches"].items()
    }
    between = in_flight(running={"metrics": {**document, "watches": watches}})
    assert measures_of(between, DECISIONS)[0].rate == "token server errors: counted in an earlier step"
    assert measures_of(in_flight(running={}), DECISIONS)[0].rate == ""


def test_probes_that_divide_a_source_are_named():
    spent = {"percent": 0.03, "evidence": 2.0, "needed": 3333.0}
    checks = tuple(
        Evidence(probe, Verdict.passed("x"), {}, Window(NOW, NOW), "x", 1, {"false_alarm": spent})
        for probe in ("health", "flows")
    )
    names = [measure.name for measure in measures_of(in_flight(), [decision(1, 1, "BAKE", evidence=checks)])]
    assert {"checks: health", "checks: flows"} <= set(names)


@pytest.mark.parametrize(
    ("odds", "filled"), [(None, 0.0), (0.5, 0.0), (1.0, 0.0), (10.0, 0.5), (100.0, 1.0), (1e9, 1.0)]
)
def test_a_bar_shows_odds_on_a_logarithmic_scale(odds, filled):
    assert Measure("x", odds, 100.0).filled == pytest.approx(filled)


def test_the_alarms_have_the_states_of_the_newest_evaluation():
    firing = [*DECISIONS, decision(4, 40, "BAKE", evidence=(alarms("ALARM"),))]
    assert alarms_of(in_flight(), firing) == (
        AlarmView("ib-oauth-token-server-errors-test", "ALARM", preexisting=False),
        AlarmView("ib-oauth-token-latency-test", "OK", preexisting=False),
    )


def test_before_the_first_evaluation_an_alarm_has_no_state_and_a_preexisting_one_is_known():
    listed = alarms_of(in_flight(preexisting_alarms=(ALARM,)), ())
    assert [(alarm.state, alarm.preexisting) for alarm in listed] == [("", True), ("", False)]


def test_an_alarm_that_the_evaluation_excused_is_preexisting():
    evidence = alarms("ALARM")
    excused = replace(evidence, figures={**evidence.figures, "excused": ["ib-oauth-token-server-errors-test"]})
    assert alarms_of(in_flight(), [decision(1, 1, "BAKE", evidence=(excused,))])[0].preexisting
    unread = replace(evidence, figures={"evaluation": "x"})
    assert {alarm.state for alarm in alarms_of(in_flight(), [decision(1, 1, "BAKE", evidence=(unread,))])} == {""}


def waiting(kind, **more):
    gate = Gate(kind, str(kind), 1, seconds(600), **more)
    return in_flight(plan=replace(plan(), gates=(gate,)), gates=(GateRecord(0, NOW),), phase=DeploymentPhase.PAUSED)


@pytest.mark.parametrize(
    ("deployment", "words"),
    [
        (in_flight(), "any operator: promote, abort, rollback"),
        (in_flight(phase=DeploymentPhase.PAUSED), "any operator: resume, promote, abort"),
        (waiting(GateKind.PAUSE), "any operator: resume, promote, abort"),
        (waiting(GateKind.HOOK), "it waits for the hook hook; any operator: abort"),
        (waiting(GateKind.WINDOW, windows=("Mon 08:00-16:00",)), "it waits for the window window; any operator: abort"),
        (in_flight(phase=DeploymentPhase.ROLLING_BACK), "the rollback runs by itself"),
        (rolled_back(), ""),
    ],
)
def test_who_may_act_and_how(deployment, words):
    assert who_may_act(deployment) == words


def test_of_an_approval_the_approvers_may_act_and_it_says_what_it_lacks():
    deployment = waiting(GateKind.APPROVE, approvers=("bob", "eve"), quorum=2)
    assert who_may_act(deployment) == "bob, eve: approve (lacks 2 of 2 approvals); any operator: abort"
    approvals = [Approval("bob", NOW), Approval("eve", NOW)]
    assert "lacks nothing" in who_may_act(deployment, approvals)


def test_the_requester_under_another_name_is_named_with_the_credentials_of_the_request():
    gate = waiting(GateKind.APPROVE, approvers=("bob", "eve"))
    deployment = replace(gate, requested_as="arn:aws:iam::123456789012:user/bob")
    lacks = "another person than the requester, ann (arn:aws:iam::123456789012:user/bob)"
    assert lacks in who_may_act(replace(deployment, requested_by="ann"), [Approval("bob", NOW)])
