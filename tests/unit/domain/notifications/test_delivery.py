"""The state machine of one dedup key at one destination."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.domain.notifications.delivery import (
    ENDS,
    GRACE,
    HOLD,
    LEASE,
    RECEIVES,
    DeliveryRecord,
    Send,
    Skip,
    Wait,
    after_delivery,
    after_failure,
    after_refusal,
    next_step,
    retry_seconds,
)
from orchestrator.domain.notifications.destinations import Destination, DestinationKind
from orchestrator.domain.notifications.notification import Audience, EventKind, Notification, Severity, Transition
from tests.samples import NOW, seconds

CHAT = Destination("chat", DestinationKind.SLACK, "arn", Severity.INFO, (Audience.OPERATORS,), (EventKind.ALARM,))
PAGER = replace(CHAT, name="pager", kind=DestinationKind.PAGERDUTY, minimum_severity=Severity.ERROR)
ONCALL = replace(PAGER, name="oncall", kind=DestinationKind.GRAFANA_ONCALL, events=(EventKind.INCIDENT,))
NOTHING = timedelta()


def notification(transition: Transition, number: str = "", **changes) -> Notification:
    return Notification(
        **{
            "key": "alarm:a",
            "id": f"{transition}{number}",
            "transition": transition,
            "kind": EventKind.ALARM,
            "severity": Severity.ERROR,
            "audience": Audience.OPERATORS,
            "environment": "prod",
            "title": "t",
            "at": NOW,
            "opened_as": Severity.ERROR if transition in ENDS else None,
            **changes,
        }
    )


TRIGGER, UPDATE, ACKNOWLEDGE, RESOLVE = (notification(transition) for transition in Transition)


def step(record, what, destination=CHAT, now=NOW, waited=NOTHING):
    return next_step(record, what, destination, now, waited)


def delivered(*what, record=None):
    record = record or DeliveryRecord()
    for one in what:
        record = after_delivery(record, one, "HTTP 200")
    return record


@pytest.mark.parametrize("what", [TRIGGER, UPDATE])
def test_what_is_new_is_claimed_and_sent(what):
    found = step(DeliveryRecord(), what)
    assert isinstance(found, Send)
    assert found.record.leased_until == NOW + LEASE
    assert what.id in found.record.waiting


@pytest.mark.parametrize("what", [TRIGGER, UPDATE, RESOLVE])
def test_what_was_delivered_is_not_sent_again(what):
    found = step(delivered(TRIGGER, UPDATE, RESOLVE), what)
    assert found == Skip("it was delivered before")


@pytest.mark.parametrize("what", [TRIGGER, UPDATE])
def test_nothing_is_sent_after_the_end(what):
    assert step(delivered(RESOLVE), what) == Skip("its end was reported before")


@pytest.mark.parametrize("what", [TRIGGER, UPDATE, RESOLVE])
def test_while_one_message_is_sent_the_others_of_its_key_wait(what):
    claimed = step(DeliveryRecord(), notification(Transition.UPDATE, "-other")).record
    found = step(claimed, what, now=NOW + LEASE - seconds(1))
    assert isinstance(found, Wait)
    assert found.record.leased_until == claimed.leased_until
    # The attempt has died: another one follows.
    assert isinstance(step(claimed, TRIGGER, now=NOW + LEASE), Send)


def test_an_end_waits_for_its_beginning_for_a_time_and_is_sent_then():
    assert step(DeliveryRecord(), RESOLVE, waited=HOLD - seconds(1)).reason == "its beginning has not arrived yet"
    assert isinstance(step(DeliveryRecord(), RESOLVE, waited=HOLD), Send)
    assert isinstance(step(delivered(TRIGGER), RESOLVE), Send)


def test_an_update_is_no_beginning():
    assert isinstance(step(delivered(UPDATE), RESOLVE), Wait)


def test_an_end_without_a_beginning_does_not_wait():
    assert isinstance(step(DeliveryRecord(), notification(Transition.RESOLVE, opened_as=None)), Send)


def test_an_end_does_not_wait_for_a_beginning_that_is_below_the_minimum():
    ending = notification(Transition.RESOLVE, opened_as=Severity.INFO)
    assert isinstance(step(DeliveryRecord(), ending, PAGER), Send)


def test_an_end_below_the_minimum_is_sent_only_where_something_is_open():
    ending = notification(Transition.RESOLVE, severity=Severity.INFO, opened_as=Severity.INFO)
    found = step(DeliveryRecord(), ending, PAGER)
    assert found == Skip("nothing is open here", replace(DeliveryRecord(), closed=True))
    # And what comes later is out of date.
    assert isinstance(step(found.record, UPDATE, PAGER), Skip)
    assert isinstance(step(delivered(UPDATE), ending, PAGER), Send)


def test_a_test_passes_whatever_the_minimum_is():
    ending = notification(Transition.RESOLVE, kind=EventKind.TEST, severity=Severity.INFO, opened_as=Severity.INFO)
    assert isinstance(step(DeliveryRecord(), ending, PAGER), Wait)
    assert isinstance(step(delivered(TRIGGER), ending, PAGER), Send)


def test_an_update_and_an_end_wait_for_a_beginning_that_failed():
    failed = after_failure(DeliveryRecord(), TRIGGER, NOW + seconds(600), "HTTP 500")
    assert failed.leased_until is None
    assert step(failed, UPDATE).reason == "the message before it is not delivered yet"
    assert step(failed, RESOLVE, waited=HOLD * 9).reason == "a message before it is not delivered yet"
    assert isinstance(step(failed, TRIGGER), Send)
    # It is in the dead-letter queue.
    gone = NOW + seconds(600) + GRACE
    assert isinstance(step(failed, UPDATE, now=gone), Send)
    assert isinstance(step(failed, RESOLVE, now=gone, waited=HOLD), Send)


def test_an_end_waits_for_an_update_that_failed_and_an_update_for_no_other():
    failed = after_failure(delivered(TRIGGER), UPDATE, NOW + seconds(5), "HTTP 500")
    assert isinstance(step(failed, RESOLVE), Wait)
    assert isinstance(step(failed, notification(Transition.UPDATE, "-2")), Send)


def test_what_waits_keeps_why_it_failed():
    failed = after_failure(DeliveryRecord(), TRIGGER, NOW, "HTTP 500")
    claimed = step(failed, TRIGGER).record
    assert claimed.waiting[TRIGGER.id].failure == "HTTP 500"


def test_a_refusal_is_not_waited_for():
    refused = after_refusal(step(DeliveryRecord(), TRIGGER).record, TRIGGER, "HTTP 404")
    assert (refused.refused, dict(refused.waiting), refused.leased_until) == ({TRIGGER.id: "HTTP 404"}, {}, None)
    assert isinstance(step(refused, RESOLVE), Send)
    assert isinstance(step(refused, TRIGGER), Send)


def test_the_end_closes_the_key():
    assert delivered(TRIGGER).closed is False
    assert delivered(TRIGGER, RESOLVE).closed is True
    assert delivered(RESOLVE, UPDATE).closed is True


def test_retries_take_longer_each_time_and_last_for_more_than_an_hour():
    waits = [retry_seconds(receives) for receives in range(RECEIVES)]
    assert waits[:5] == [5, 5, 10, 20, 40]
    assert max(waits) == 600
    assert sum(waits) > 3 * 3600


def test_a_provider_may_ask_for_more_time_but_not_for_days():
    assert retry_seconds(1, 300) == 300
    assert retry_seconds(20, 300) == 600
    assert retry_seconds(1, 999_999) == 3600


def test_an_acknowledgement_waits_for_its_page_and_ends_nothing():
    assert step(DeliveryRecord(), ACKNOWLEDGE).reason == "its beginning has not arrived yet"
    assert isinstance(step(DeliveryRecord(), ACKNOWLEDGE, waited=HOLD), Send)
    assert isinstance(step(delivered(TRIGGER), ACKNOWLEDGE), Send)
    failed = after_failure(DeliveryRecord(), TRIGGER, NOW, "HTTP 500")
    assert step(failed, ACKNOWLEDGE, waited=HOLD * 9).reason == "the message before it is not delivered yet"
    acknowledged = delivered(TRIGGER, ACKNOWLEDGE)
    assert acknowledged.closed is False
    assert isinstance(step(acknowledged, RESOLVE), Send)


def test_an_acknowledgement_below_the_minimum_is_skipped_where_nothing_is_open_and_closes_nothing():
    quiet = notification(Transition.ACKNOWLEDGE, severity=Severity.INFO, opened_as=Severity.INFO)
    assert step(DeliveryRecord(), quiet, PAGER) == Skip("nothing is open here")


PAGED, PAGE_ACKNOWLEDGED, PAGE_RESOLVED = (
    notification(transition, key="incident:inc-1:1:1-1", kind=EventKind.INCIDENT)
    for transition in (Transition.TRIGGER, Transition.ACKNOWLEDGE, Transition.RESOLVE)
)


@pytest.mark.parametrize("what", [PAGE_ACKNOWLEDGED, PAGE_RESOLVED])
def test_a_pager_that_never_got_the_page_gets_nothing_of_its_end(what):
    early = step(DeliveryRecord(), what, ONCALL, waited=HOLD - seconds(1))
    assert early.reason == "its beginning has not arrived yet"
    late = step(early.record, what, ONCALL, waited=HOLD)
    assert isinstance(late, Skip)
    # A page that is as late as this would call a person for what is being worked on, or over.
    assert isinstance(step(late.record, PAGED, ONCALL), Skip)
    refused = after_refusal(DeliveryRecord(), PAGED, "HTTP 404")
    assert isinstance(step(refused, what, ONCALL), Skip)


@pytest.mark.parametrize("what", [PAGE_ACKNOWLEDGED, PAGE_RESOLVED])
def test_a_pager_that_got_the_page_or_may_have_got_it_gets_its_end(what):
    assert isinstance(step(delivered(PAGED), what, ONCALL), Send)
    unanswered = after_failure(DeliveryRecord(), PAGED, NOW, "timed out")
    assert isinstance(step(unanswered, what, ONCALL, now=NOW + GRACE, waited=HOLD), Send)
    # It may have opened what the severity of the end does not reach.
    lowered = replace(what, severity=Severity.WARNING)
    assert isinstance(step(unanswered, lowered, ONCALL, now=NOW + GRACE, waited=HOLD), Send)


def test_a_chat_gets_the_end_of_an_incident_whose_beginning_never_came():
    assert isinstance(step(DeliveryRecord(), PAGE_RESOLVED, CHAT, waited=HOLD), Send)
