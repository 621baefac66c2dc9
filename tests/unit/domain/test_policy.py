from datetime import timedelta

import pytest

import environments
from orchestrator.domain.errors import Refused
from orchestrator.domain.policy import DeliveryPolicy, WhenInconclusive
from tests.samples import delivery_table, policy, thresholds_table


def test_durations_are_read_in_seconds():
    assert policy(look_seconds=7.5).look == timedelta(seconds=7.5)


def test_what_is_done_without_evidence_is_a_choice_of_the_environment():
    assert policy(when_inconclusive="HOLD").when_inconclusive is WhenInconclusive.HOLD


def test_settling_and_watching_may_take_no_time():
    assert policy(settle_seconds=0, after_bake_seconds=0).settle == timedelta(0)


def test_the_minimum_of_requests_is_a_whole_number():
    assert policy().thresholds.minimum_requests == 50
    assert isinstance(policy().thresholds.minimum_requests, int)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"look": 10}, "delivery.look"),
        ({"strategies": None}, "delivery.strategies"),
        ({"strategies": {"one": 3}, "default_strategy": "one"}, "delivery.one"),
        ({"default_strategy": "canary-99"}, "delivery.default_strategy"),
        ({"default_strategy": ""}, "delivery.default_strategy"),
        ({"default_strategy": None}, "delivery.default_strategy"),
        ({"look_seconds": 0}, "delivery.look_seconds"),
        ({"look_seconds": "10"}, "delivery.look_seconds"),
        ({"look_seconds": True}, "delivery.look_seconds"),
        ({"settle_seconds": -1}, "delivery.settle_seconds"),
        ({"when_inconclusive": "PASS"}, "delivery.when_inconclusive"),
        ({"when_inconclusive": 1}, "delivery.when_inconclusive"),
        ({"thresholds": []}, "delivery.thresholds"),
        ({"thresholds": thresholds_table() | {"max": 1}}, "delivery.thresholds.max"),
        ({"thresholds": thresholds_table() | {"max_p99_ms": -1}}, "delivery.thresholds.max_p99_ms"),
        ({"thresholds": thresholds_table() | {"false_alarm_percent": 0}}, "delivery.thresholds.false_alarm_percent"),
        ({"thresholds": thresholds_table() | {"false_alarm_percent": 100}}, "delivery.thresholds.false_alarm_percent"),
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
