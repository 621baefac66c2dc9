"""Settings of a delivery are read, or refused by their key."""

from dataclasses import fields
from datetime import timedelta

import pytest

from orchestrator import environments
from orchestrator.domain.deployment.policy import (
    DeliveryPolicy,
    FalseAlarmShares,
    WhenInconclusive,
    decode_policy,
    encode_policy,
)
from orchestrator.domain.errors import Refused
from tests.samples import delivery_table, policy, thresholds_table


def test_durations_are_read_in_seconds():
    assert policy(evaluation_seconds=7).limits.evaluation_interval == timedelta(seconds=7)


def test_what_is_done_without_evidence_is_a_choice_of_the_environment():
    assert policy(when_inconclusive="PAUSE").limits.when_inconclusive is WhenInconclusive.PAUSE


def test_settling_and_watching_may_take_no_time():
    assert policy(metric_delay_seconds=0, after_bake_seconds=0).limits.metric_delay == timedelta(0)


def test_the_minimum_of_requests_is_a_whole_number():
    assert policy().limits.thresholds.minimum_requests == 50
    assert isinstance(policy().limits.thresholds.minimum_requests, int)


def shares(**changes):
    thresholds = thresholds_table()
    return {"thresholds": thresholds | {"false_alarm_shares": thresholds["false_alarm_shares"] | changes}}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"look": 10}, "delivery.look"),
        ({"strategies": None}, "delivery.strategies"),
        ({"strategies": {"one": 3}, "default_strategy": "one"}, "delivery.strategies.one"),
        ({"default_strategy": "canary-99"}, "delivery.default_strategy"),
        ({"default_strategy": ""}, "delivery.default_strategy"),
        ({"default_strategy": None}, "delivery.default_strategy"),
        ({"evaluation_seconds": 0}, "delivery.evaluation_seconds"),
        ({"evaluation_seconds": "10"}, "delivery.evaluation_seconds"),
        ({"evaluation_seconds": 7.5}, "delivery.evaluation_seconds"),
        ({"period_seconds": 15}, "delivery.period_seconds"),
        ({"thresholds": thresholds_table() | {"minimum_requests": 0}}, "delivery.thresholds.minimum_requests"),
        ({"thresholds": thresholds_table() | {"minimum_requests": 0.9}}, "delivery.thresholds.minimum_requests"),
        ({"thresholds": thresholds_table() | {"max_latency_ratio": 0.9}}, "delivery.thresholds.max_latency_ratio"),
        ({"evaluation_seconds": True}, "delivery.evaluation_seconds"),
        ({"evaluation_seconds": float("nan")}, "delivery.evaluation_seconds"),
        ({"evaluation_seconds": float("inf")}, "delivery.evaluation_seconds"),
        ({"evaluation_seconds": 604_801}, "delivery.evaluation_seconds"),
        ({"thresholds": thresholds_table() | {"max_p99_ms": float("inf")}}, "delivery.thresholds.max_p99_ms"),
        ({"metric_delay_seconds": -1}, "delivery.metric_delay_seconds"),
        ({"when_inconclusive": "PASS"}, "delivery.when_inconclusive"),
        ({"when_inconclusive": 1}, "delivery.when_inconclusive"),
        ({"thresholds": []}, "delivery.thresholds"),
        ({"thresholds": thresholds_table() | {"max": 1}}, "delivery.thresholds.max"),
        ({"thresholds": thresholds_table() | {"max_p99_ms": -1}}, "delivery.thresholds.max_p99_ms"),
        ({"thresholds": thresholds_table() | {"false_alarm_percent": 0}}, "delivery.thresholds.false_alarm_percent"),
        ({"thresholds": thresholds_table() | {"false_alarm_percent": 100}}, "delivery.thresholds.false_alarm_percent"),
        (shares(latency=0), "delivery.thresholds.false_alarm_shares.latency"),
        (shares(latency=1.5), "delivery.thresholds.false_alarm_shares.latency"),
        (shares(latency=None), "delivery.thresholds.false_alarm_shares.latency"),
        (shares(other=0.1), "delivery.thresholds.false_alarm_shares.other"),
        (shares(latency=0.5), "delivery.thresholds.false_alarm_shares"),
        ({"checklist": "tests"}, "delivery.checklist"),
        ({"checklist": ["coffee"]}, "delivery.checklist"),
    ],
)
def test_a_wrong_setting_is_refused_by_its_key(changes, field):
    with pytest.raises(Refused) as refused:
        policy(**changes)
    assert refused.value.field == field


@pytest.mark.parametrize("key", sorted(set(delivery_table()) - {"checklist"}))
def test_every_setting_is_needed_but_the_checklist(key):
    table = delivery_table()
    del table[key]
    with pytest.raises(Refused):
        DeliveryPolicy.parse(table)


def test_a_checklist_may_be_left_out():
    table = delivery_table()
    del table["checklist"]
    assert DeliveryPolicy.parse(table).checklist == ()


@pytest.mark.parametrize("name", ["local", "dev", "staging", "prod"])
def test_the_policy_of_every_environment_is_accepted(name):
    assert DeliveryPolicy.parse(environments.load(name).delivery).strategies


def test_the_sources_of_false_alarms_divide_what_is_tolerated():
    thresholds = policy().limits.thresholds
    assert thresholds.false_alarm_probability("request_metrics") == pytest.approx(0.0075)
    sources = [field.name for field in fields(FalseAlarmShares)]
    assert sum(map(thresholds.false_alarm_probability, sources)) == pytest.approx(0.01)


@pytest.mark.parametrize("checks", [0, 60])
def test_a_policy_is_the_same_after_its_environment_variable_and_a_long_one_is_compressed(checks):
    table = delivery_table(checks=[{"name": f"orders-{number}", "kind": "cloudwatch"} for number in range(checks)])
    text = encode_policy(table)
    assert decode_policy(text) == table
    assert text.startswith("{") is not bool(checks)
    assert len(text) <= 2000
