"""The audit trail: the ledger's and CloudTrail's entries in one time line, and as CSV that no spreadsheet calculates."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.domain.audit.cloudtrail_entries import entry_of_call
from orchestrator.domain.audit.csv_export import COLUMNS, csv_of
from orchestrator.domain.audit.entry import SYSTEM, AuditEntry, AuditQuery, Source, time_line
from orchestrator.domain.audit.ledger_entries import (
    entries_of_deployment,
    entries_of_failover,
    entries_of_incident,
    entries_of_recovery,
    entry_of_event,
    entry_of_override,
    recorded_in,
)
from orchestrator.domain.deployment.gates import Approval
from orchestrator.domain.deployment.record import (
    DeploymentOutcome,
    EventRecord,
    OperatorCommand,
    Rollback,
    RollbackTrigger,
    Shift,
)
from orchestrator.domain.failover.record import Failover, FailoverOutcome
from orchestrator.domain.failover.steps import Direction, Step
from orchestrator.domain.incidents.incident import ORCHESTRATOR, Draft, EntryKind, append
from orchestrator.domain.recovery.record import RecoveryOutcome
from orchestrator.domain.rollback.decision import PERSON
from orchestrator.domain.status_page.component_state import ComponentState
from orchestrator.domain.status_page.overrides import Override, OverrideEntry
from tests.fakes.cloudtrail import call
from tests.samples import NOW, deployment, recovery, seconds
from tests.unit.domain.failover.world import GATE

pytestmark = pytest.mark.decision
LATER = NOW + seconds(60)


def entry(**changes):
    return replace(AuditEntry(NOW, Source.LEDGER, "1", "ann", "deployment requested", "d-1"), **changes)


def query(**changes):
    return replace(AuditQuery(NOW - timedelta(days=1), NOW + timedelta(days=1)), **changes)


def test_the_time_line_is_in_order_and_has_every_entry_once():
    first, second = entry(), entry(id="2", at=LATER)
    assert time_line([second, first, first], query()) == (first, second)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, True),
        ({"actor": "ANN"}, True),
        ({"actor": "bob"}, False),
        ({"resource": "D-1"}, True),
        ({"resource": "d-2"}, False),
        ({"since": NOW}, True),
        ({"since": LATER}, False),
        ({"until": NOW}, False),
    ],
)
def test_a_query_narrows_by_time_actor_and_resource(changes, found):
    assert (time_line([entry()], query(**changes)) != ()) is found


def test_the_detail_is_searched_with_the_resource():
    assert time_line([entry(resource="", detail="from arn:alarm")], query(resource="arn:alarm")) != ()


def test_a_deployment_shows_who_requested_approved_commanded_and_rolled_back():
    trigger = RollbackTrigger(PERSON, "errors (as seen) (by bob)", LATER)
    one = deployment(
        requested_by="ann",
        requested_as="arn:aws:sts::123456789012:assumed-role/deploy/ann",
        outside_calendar="urgent",
        shifts=(Shift(0, 10, NOW + seconds(10)),),
        rollback=Rollback(trigger, reverted_at=NOW + seconds(70)),
        outcome=DeploymentOutcome.ROLLED_BACK,
        reason="bob said so",
        ended_at=NOW + seconds(80),
    )
    command = OperatorCommand("promote", "cat", NOW + seconds(20))
    found = list(entries_of_deployment(one, [trigger], command, [Approval("dan", NOW + seconds(5))]))

    assert [(one.actor, one.action, one.outcome) for one in time_line(found, query())] == [
        ("ann", "deployment requested", ""),
        ("dan", "approved", ""),
        (SYSTEM, "traffic shifted to 10 %", ""),
        ("cat", "command promote", ""),
        ("bob", "rollback triggered (person)", ""),
        (SYSTEM, "aliases reverted", ""),
        (SYSTEM, "deployment ended", "ROLLED_BACK"),
    ]
    assert "outside the calendar: urgent" in found[0].detail
    assert "with the credentials of arn:aws:sts::123456789012:assumed-role/deploy/ann" in found[0].detail


def test_a_deployment_in_progress_and_a_repair_are_named_so():
    (requested,) = entries_of_deployment(deployment(repair=True, rollback=Rollback(RollbackTrigger("alarm", "x", NOW))))
    assert requested.action == "repair requested"
    ended = list(entries_of_deployment(deployment(ended_at=LATER, promoted_by="ann")))[-1]
    assert (ended.actor, ended.outcome) == ("ann", "")


@pytest.mark.parametrize(
    ("source", "reason", "actor"),
    [
        (PERSON, "aborted by eve", "eve"),
        (PERSON, "no name", SYSTEM),
        ("alarm", "latency (by nobody)", SYSTEM),
    ],
)
def test_the_actor_of_a_rollback_is_the_person_who_requested_it(source, reason, actor):
    found = list(entries_of_deployment(deployment(), [RollbackTrigger(source, reason, LATER)]))
    assert found[-1].actor == actor


def test_a_recovery_shows_its_kind_its_point_and_its_outcome():
    (begun,) = entries_of_recovery(recovery(requested_by="ann", skip_comparison=True))
    assert (begun.actor, begun.action) == ("ann", "drill requested")
    assert begun.detail.endswith("comparison skipped")
    ended = list(entries_of_recovery(recovery(failback_of="r-1", ended_at=LATER, outcome=RecoveryOutcome.FAILED)))[-1]
    assert (ended.action, ended.outcome) == ("failback ended", "FAILED")
    assert list(entries_of_recovery(recovery(ended_at=LATER)))[-1].outcome == ""


@pytest.mark.parametrize(
    ("source", "name", "why", "actor", "action"),
    [
        ("person", "rotate by ann", "k is published", "ann", "rotate"),
        ("person", "erase sha256:ab by ann by name", "1 codes", "ann by name", "erase sha256:ab"),
        ("person", "freeze", "frozen by ann since 2026-01-01 00:00 UTC: sale", "ann", "freeze"),
        ("person", "unfreeze", "unfrozen by bob: done (it was frozen by ann since x: y)", "bob", "unfreeze"),
        ("person", "erase sha256:ab", "1 codes", "person", "erase sha256:ab"),
        ("alarm", "errors by version", "ignored", SYSTEM, "alarm errors by version"),
    ],
)
def test_an_event_names_its_person_where_its_record_does(source, name, why, actor, action):
    found = entry_of_event(EventRecord("e", NOW, source, name, acted=source == "person", why=why))
    assert (found.actor, found.action) == (actor, action)
    assert found.outcome == ("acted" if source == "person" else "ignored")


def test_a_call_names_who_called_what_on_which_resource_and_whether_it_was_denied():
    assert entry_of_call(call(), "prod") == AuditEntry(
        NOW,
        Source.CLOUDTRAIL,
        "e-1",
        "arn:aws:sts::1:assumed-role/ops/ann",
        "lambda:UpdateAlias",
        "ib-oauth-token-prod",
        "SUCCEEDED",
        "from 192.0.2.1",
    )
    assert entry_of_call(call(errorCode="AccessDenied"), "prod").outcome == "AccessDenied"


@pytest.mark.parametrize(
    ("resource", "ours"),
    [
        ("ib-oauth-token-prod", True),
        ("arn:aws:lambda:us-west-1:1:function:ib-oauth-token-prod:live", True),
        ("ib-oauth-evidence-prod-123456789012", True),
        ("ib-oauth-token-production", False),
        ("ib-oauth-token-dev", False),
        ("other-prod", False),
        ("ib-oauth-token-dev,ib-oauth-token-prod", True),
    ],
)
def test_only_calls_on_resources_of_the_environment_are_its(resource, ours):
    assert (entry_of_call(call(resource), "prod") is not None) is ours


def test_a_call_that_names_its_resource_in_its_parameters_alone_is_found():
    one = call("other", requestParameters={"functionName": "ib-oauth-token-prod"})
    assert entry_of_call(one, "prod").resource == "other"
    assert entry_of_call({**one, "Resources": None}, "prod").resource == ""


def test_a_secret_that_the_settings_name_is_of_the_environment():
    arn = "arn:aws:secretsmanager:us-west-1:1:secret:chat"
    assert entry_of_call(call(arn), "prod") is None
    assert entry_of_call(call(arn), "prod", [arn]).resource == arn


@pytest.mark.parametrize(
    ("identity", "actor"),
    [({"invokedBy": "lambda.amazonaws.com"}, "lambda.amazonaws.com"), ({}, "ann"), ("text", "ann")],
)
def test_the_actor_of_a_call_is_the_best_name_that_it_has(identity, actor):
    assert entry_of_call(call(userIdentity=identity), "prod").actor == actor
    without = {**call(userIdentity={}), "Username": ""}
    assert entry_of_call(without, "prod").actor == SYSTEM


@pytest.mark.parametrize("text", ["", "{", "[]", None, '{"requestParameters": NaN}'])
def test_a_record_that_cannot_be_read_leaves_what_the_event_itself_says(text):
    found = entry_of_call({**call(), "CloudTrailEvent": text}, "prod")
    assert (found.actor, found.detail) == ("ann", "from an unknown address")


def test_a_call_without_a_time_is_no_entry():
    assert entry_of_call({**call(), "EventTime": None}, "prod") is None


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@sum", "|cmd", "%x", " =1", "\t=1", "\uff1d1"])
def test_no_cell_is_a_formula(text):
    (_, row) = csv.reader(io.StringIO(csv_of([entry(actor=text)])))
    assert row[COLUMNS.index("actor")].startswith(("'", "\\t"))


def test_csv_has_a_heading_and_is_read_back_as_it_was():
    texts = entry(actor='a "b", c', detail="two\nlines \x1b[2J")
    heading, row = csv.reader(io.StringIO(csv_of([texts])))
    assert tuple(heading) == COLUMNS
    assert row[COLUMNS.index("actor")] == 'a "b", c'
    assert row[COLUMNS.index("detail")] == r"two\nlines \x1b[2J"
    assert csv_of([]) == "time,source,actor,action,resource,outcome,detail,id\r\n"


def test_an_incident_s_entries_name_the_person_or_the_system():
    opening = Draft(EntryKind.OPENED, "logins fail", "ann", {"cause": "upstream", "title": "t", "severity": "SEV2"})
    paged = Draft(
        EntryKind.PAGED, "paged bob", ORCHESTRATOR, {"level": 1, "round": 1, "person": "bob", "destinations": []}
    )
    _, chain = append("inc-1", None, (opening, paged), NOW)
    found = [(one.actor, one.action, one.resource, one.detail) for one in entries_of_incident("inc-1", chain)]
    assert found == [
        ("ann", "incident opened", "inc-1", "logins fail"),
        (SYSTEM, "incident paged", "inc-1", "paged bob"),
    ]
    assert len({one.id for one in entries_of_incident("inc-1", chain)}) == len(chain)


def test_an_override_of_the_status_page_and_its_clearing_are_two_entries():
    override = Override("tokens", ComponentState.DEGRADED, "Slow logins.", NOW, LATER, "ann")
    set_by_ann = entry_of_override(OverrideEntry(NOW, "ann", override))
    cleared_by_bob = entry_of_override(OverrideEntry(LATER, "bob", override, cleared=True))

    assert (set_by_ann.actor, set_by_ann.resource) == ("ann", "tokens")
    assert set_by_ann.action == f"status override set to {ComponentState.DEGRADED}"
    assert set_by_ann.detail == f"until {LATER:%Y-%m-%d %H:%M} UTC: Slow logins."
    assert (cleared_by_bob.actor, cleared_by_bob.action) == ("bob", "status override cleared")
    assert set_by_ann.id != cleared_by_bob.id


def test_a_failover_has_its_request_its_approvals_its_steps_and_its_end():
    ended = replace(failover(), outcome=FailoverOutcome.SUCCEEDED, ended_at=LATER).with_result(
        Step.APPROVE, "2 of 2", NOW
    )
    found = list(entries_of_failover(ended, [Approval("bob", NOW)]))
    assert [(one.actor, one.action, one.outcome, one.detail) for one in found] == [
        ("ann", "failover requested", "", "from us-west-1 to us-east-2: the region is lost"),
        ("bob", "approved", "", ""),
        (SYSTEM, "failover APPROVE", "", "2 of 2"),
        (SYSTEM, "failover ended", "SUCCEEDED", ""),
    ]
    assert len({one.id for one in found}) == len(found)


def test_a_way_back_in_progress_has_its_request_and_one_that_was_rejected_has_its_approver():
    back = replace(failover(), direction=Direction.BACK)
    assert [one.action for one in entries_of_failover(back)] == ["way back requested"]
    rejected = replace(back, rejected_by="bob", outcome=FailoverOutcome.CANCELLED, ended_at=LATER)
    assert [(one.actor, one.outcome) for one in entries_of_failover(rejected)][-1] == ("bob", "CANCELLED")


def failover():
    return Failover(
        id="fo-1",
        environment="test",
        home="us-west-1",
        region="us-east-2",
        requested_by="ann",
        reason="the region is lost",
        requested_at=NOW,
        gate=GATE,
        lease=seconds(900),
        tables=(),
    )


@pytest.mark.parametrize(("detail", "shown"), [("why", "why; recorded in us-east-2"), ("", "recorded in us-east-2")])
def test_an_entry_of_another_region_s_ledger_names_it_and_has_an_id_of_its_own(detail, shown):
    copied = recorded_in(entry(detail=detail), "us-east-2")
    assert (copied.detail, copied.id) == (shown, "us-east-2/1")
