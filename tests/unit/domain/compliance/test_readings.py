"""The checks of readings: data protection and practices."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.domain.compliance.catalogue.controls import controls_of
from orchestrator.domain.compliance.control import Framework
from orchestrator.domain.compliance.data_protection_checks import (
    encryption_problem,
    expiry_problem,
    retention_problem,
)
from orchestrator.domain.compliance.practices_checks import (
    OF_DOCTOR,
    check_checklist,
    check_evidence_chain,
    check_false_alarm_budget,
    check_key_age,
    result_of_reading,
    rule_pack_problem,
    trail_problem,
    violations_of,
)
from orchestrator.domain.compliance.result import NotApplicable, NotChecked, Status
from orchestrator.domain.doctor.result import denied, failed, passed, skipped, unread, warned
from orchestrator.domain.evidence.chain import ChainFault

pytestmark = pytest.mark.decision
NOW = datetime(2026, 7, 1, tzinfo=UTC)


def test_tables_that_keep_expired_items_are_named():
    assert expiry_problem({"state": "ENABLED"}) == ""
    assert expiry_problem({"state": "ENABLED", "tokens": "DISABLED", "keys": ""}) == "keys: off, tokens: DISABLED"


def test_tables_under_keys_of_aws_are_named_unless_the_settings_say_so():
    assert encryption_problem({"state": "KMS"}, customer_managed_keys=True) == ""
    assert encryption_problem({"state": ""}, customer_managed_keys=True) == "state: off"
    with pytest.raises(NotApplicable, match="customer_managed_keys is false"):
        encryption_problem({"state": ""}, customer_managed_keys=False)


def test_log_groups_that_keep_logs_too_long_are_named():
    assert retention_problem({"a": 30, "b": 90}, 90) == ""
    assert retention_problem({"a": 91, "b": None, "c": 1}, 90) == "longer than 90 days: a: 91 days, b: for ever"


@pytest.mark.parametrize(
    ("result", "status"),
    [
        (passed("ok"), Status.PASS),
        (failed("no", "do"), Status.FAIL),
        (warned("hm", "do"), Status.FAIL),
        (skipped("the local cloud has none"), Status.NOT_APPLICABLE),
        (denied("backup:List"), Status.NOT_CHECKED),
        (unread("timeout"), Status.NOT_CHECKED),
    ],
)
def test_a_check_of_the_doctor_is_a_control_and_what_was_not_read_is_no_pass(result, status):
    found = result_of_reading(OF_DOCTOR["drill"], result)

    assert (found.control, found.status) == ("practice-drill-in-time", status)
    assert found.reason == ("" if status is Status.PASS else result.reason)


def test_every_check_of_the_doctor_has_a_control():
    assert set(OF_DOCTOR.values()) <= {one.id for one in controls_of([Framework.PRACTICES])}


def test_a_fault_of_the_evidence_chain_fails():
    assert check_evidence_chain([]).status is Status.PASS
    fault = check_evidence_chain([ChainFault("entry 3", "it was changed"), ChainFault("the head", "missing")])
    assert fault.reason == "2 faults, the first: entry 3: it was changed"


def test_a_key_that_signs_too_long_fails():
    rotation = timedelta(days=90)
    assert check_key_age(NOW - timedelta(days=91), rotation, NOW).status is Status.PASS
    overdue = check_key_age(NOW - timedelta(days=93), rotation, NOW)
    assert overdue.reason == "the key has signed for 93 days, of 90 at most"


@pytest.mark.parametrize(("percent", "status"), [(1, Status.PASS), (5, Status.PASS), (0, Status.FAIL), (6, Status.FAIL), (float("nan"), Status.FAIL)])  # fmt: skip
def test_a_budget_of_false_alarms_has_two_bounds(percent, status):
    assert check_false_alarm_budget(percent).status is status


def test_production_needs_a_checklist():
    assert check_checklist(["tests"], protected=True).status is Status.PASS
    assert check_checklist([], protected=True).status is Status.FAIL
    assert check_checklist([], protected=False).status is Status.NOT_APPLICABLE


def validation_report(*packs, violations=()):
    return json.dumps(
        {"pluginReports": [{"pluginName": pack, "violations": list(violations)} for pack in packs]}
    ).encode()


def test_the_violations_of_both_rule_packs_are_read_and_of_no_other_plugin():
    violation = {"ruleName": "AwsSolutions-DDB3", "violatingConstructs": [{"constructPath": "stack/Table"}]}

    assert violations_of(validation_report("AwsSolutions", "NIST.800.53.R5")) == []
    found = violations_of(validation_report("AwsSolutions", "NIST.800.53.R5", "other", violations=[violation]))
    assert found == [("AwsSolutions-DDB3", "stack/Table")] * 2


@pytest.mark.parametrize("report", [b"", b"[]", b"{}", validation_report("AwsSolutions")])
def test_a_validation_report_that_is_not_whole_checks_nothing(report):
    with pytest.raises(NotChecked, match="validation report"):
        violations_of(report)


def test_violations_of_rule_packs_are_counted_and_named():
    assert rule_pack_problem([]) == ""
    assert rule_pack_problem([("AwsSolutions-DDB3", "stack/Table")]) == "1 violations: AwsSolutions-DDB3 stack/Table"


def test_a_trail_has_to_exist_and_to_log():
    assert trail_problem(["a", "b"], {"a": False, "b": True}, local=False) == ""
    assert trail_problem(["a"], {"a": False}, local=False) == "not logging: a"
    assert trail_problem([], {}, local=False) == "there is no trail"
    with pytest.raises(NotApplicable, match="local cloud"):
        trail_problem([], {}, local=True)
