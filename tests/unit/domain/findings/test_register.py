"""Owners of findings are notified once of each, and reminded once a day while any is open."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.domain.compliance.catalogue.controls import CONTROLS
from orchestrator.domain.compliance.control import Owner as ControlOwner
from orchestrator.domain.compliance.report import compile_report as compliance_report
from orchestrator.domain.compliance.result import Result
from orchestrator.domain.compliance.result import Status as ControlStatus
from orchestrator.domain.findings.register import (
    MOST_NAMED,
    REMIND_EVERY,
    SEVERITIES,
    FindingRegister,
    after_compliance,
    after_message,
    after_upkeep,
    event_detail,
    next_message,
)
from orchestrator.domain.notifications.bus_event import Objectives
from orchestrator.domain.notifications.bus_events import NOTIFIED, bus_notifications
from orchestrator.domain.notifications.notification import Audience, EventKind, Severity
from orchestrator.domain.upkeep.finding import Finding, Owner
from orchestrator.domain.upkeep.finding import Severity as UpkeepSeverity
from orchestrator.domain.upkeep.report import compile_report as upkeep_report
from orchestrator.domain.upkeep.result import CheckResult, Status
from tests.json_schema import validate_event
from tests.samples import NOW

SECURITY = [one for one in CONTROLS if one.owner is ControlOwner.SECURITY]
OPERATORS = [one for one in CONTROLS if one.owner is ControlOwner.OPERATORS]


def compliance(at=NOW, **statuses):
    """A report of the first controls of security: `failing` and `unchecked` are counts, the rest passes."""
    failing, unchecked = statuses.get("failing", 0), statuses.get("unchecked", 0)
    chosen = [*SECURITY[:4], OPERATORS[0]]
    kinds = [ControlStatus.FAIL] * failing + [ControlStatus.NOT_CHECKED] * unchecked
    kinds += [ControlStatus.PASS] * (len(chosen) - len(kinds))
    results = [Result(one.id, kind, "it found 2") for one, kind in zip(chosen, kinds, strict=True)]
    return compliance_report("test", at, chosen, results)


def upkeep(at=NOW, days=10, status=Status.FINDINGS):
    finding = Finding(
        "backups", "tokens", UpkeepSeverity.HIGH, Owner.OPERATORS, "no backup", {}, "orchestrator drill",
        NOW - timedelta(days=days),
    )  # fmt: skip
    findings = (finding,) if status is Status.FINDINGS else ()
    return upkeep_report("test", at, [CheckResult("backups", status, "read", findings=findings)], {})


def sent(register, now=NOW):
    """The messages that are due now, and the register after them."""
    messages = []
    while message := next_message(register, now):
        messages.append(message)
        register = after_message(register, message, now)
    return messages, register


def test_a_failing_control_is_reported_to_its_owner_once_and_reminded_of_after_a_day():
    messages, register = sent(after_compliance(FindingRegister(), compliance(failing=2)))
    assert [(one.owner, one.new, len(one.findings)) for one in messages] == [("security", 2, 2)]
    assert sent(register, NOW + REMIND_EVERY - timedelta(minutes=1))[0] == []
    reminders, register = sent(register, NOW + REMIND_EVERY)
    assert [(one.new, len(one.findings), one.number) for one in reminders] == [(0, 2, 2)]
    assert sent(register, NOW + REMIND_EVERY)[0] == []


def test_the_same_report_again_reports_nothing_and_keeps_since_when_it_lasts():
    _, register = sent(after_compliance(FindingRegister(), compliance(failing=2)))
    again = after_compliance(register, compliance(NOW + timedelta(hours=2), failing=2))
    assert again == register


def test_a_new_finding_is_reported_at_once_and_first():
    _, register = sent(after_compliance(FindingRegister(), compliance(failing=1)))
    later = NOW + timedelta(hours=1)
    (message,), _ = sent(after_compliance(register, compliance(later, failing=2)), later)
    assert (message.new, [one.notified for one in message.findings]) == (1, [False, True])


def test_a_control_that_passes_again_is_not_reminded_of():
    _, register = sent(after_compliance(FindingRegister(), compliance(failing=1)))
    passed = after_compliance(register, compliance(failing=0))
    assert passed.findings == {}
    assert sent(passed, NOW + REMIND_EVERY)[0] == []


def test_a_control_that_was_not_checked_stays_a_finding():
    _, register = sent(after_compliance(FindingRegister(), compliance(failing=1)))
    assert after_compliance(register, compliance(unchecked=4)).findings == register.findings


def test_each_owner_gets_a_message_of_their_own():
    register = after_upkeep(after_compliance(FindingRegister(), compliance(failing=1)), upkeep())
    assert [one.owner for one in sent(register)[0]] == ["operators", "security"]


def test_upkeep_is_reported_when_it_is_overdue_and_not_before():
    assert after_upkeep(FindingRegister(), upkeep(days=1)).findings == {}
    register = after_upkeep(FindingRegister(), upkeep(days=10))
    (finding,) = register.findings.values()
    assert finding.summary == f"no backup, due {NOW - timedelta(days=3):%Y-%m-%d}"


@pytest.mark.parametrize(("status", "stays"), [(Status.CLEAR, False), (Status.NOT_CHECKED, True)])
def test_upkeep_ends_when_its_check_is_clear_and_stays_if_the_check_did_not_end(status, stays):
    register = after_upkeep(after_compliance(FindingRegister(), compliance(failing=1)), upkeep())
    after = after_upkeep(register, upkeep(status=status))
    assert ("upkeep:backups:tokens" in after.findings) is stays
    assert len(after.findings) == 1 + stays


def test_the_words_of_severity_are_those_of_controls_and_of_upkeep():
    assert [one.value for one in UpkeepSeverity] == list(SEVERITIES)
    assert {one.severity.value for one in CONTROLS} <= set(SEVERITIES)


def detail_of(register):
    (message,), _ = sent(register)
    return {"environment": "test", **event_detail(message, NOW)}


def test_the_event_is_as_its_schema_says_and_names_at_most_ten():
    many = [one for one in SECURITY if one.id.startswith("oauth-")][:20]
    report = compliance_report("test", NOW, many, [Result(one.id, ControlStatus.FAIL, "no") for one in many])
    detail = detail_of(after_compliance(FindingRegister(), report))
    validate_event("FindingsReported", detail)
    assert (detail["open"], len(detail["findings"])) == (20, MOST_NAMED)
    assert detail["severity"] == "critical"


OBJECTIVES = Objectives(1, 1)


def test_the_message_says_what_is_new_what_is_open_and_what_to_do_first():
    detail = detail_of(after_compliance(FindingRegister(), compliance(failing=4)))
    (message,) = bus_notifications("FindingsReported", detail, "test", OBJECTIVES)
    assert "FindingsReported" in NOTIFIED
    assert (message.kind, message.audience) == (EventKind.FINDING, Audience.SECURITY)
    assert message.title == "test: 4 new of 4 open findings wait for security"
    assert message.reason.endswith("; and 1 more")
    assert message.action.startswith("first remedy: ")
    assert message.command == "orchestrator compliance --env test"


def test_a_reminder_says_that_it_is_one_and_what_the_owners_of_costs_have_goes_to_the_operators():
    detail = {**detail_of(after_upkeep(FindingRegister(), upkeep())), "new": 0, "owner": "owners"}
    (message,) = bus_notifications("FindingsReported", detail, "test", OBJECTIVES)
    assert message.title == "test: reminder of 1 open findings wait for owners"
    assert (message.audience, message.severity) == (Audience.OPERATORS, Severity.ERROR)
    assert message.command == "orchestrator upkeep --env test"


def test_the_dedup_key_is_of_one_message():
    detail = detail_of(after_upkeep(FindingRegister(), upkeep()))
    keys = {
        bus_notifications("FindingsReported", {**detail, "number": n}, "test", OBJECTIVES)[0].key for n in (1, 2, 2)
    }
    assert len(keys) == 2


def test_a_finding_that_lasts_longer_in_a_later_report_has_the_earlier_time():
    register = after_upkeep(FindingRegister(), upkeep(days=10))
    earlier = after_upkeep(register, upkeep(days=20))
    (finding,) = earlier.findings.values()
    assert finding.since == NOW - timedelta(days=20)
    assert replace(finding, notified=True) != finding
