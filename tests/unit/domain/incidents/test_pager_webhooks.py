"""Webhooks of the pagers, in the forms of their public documents: who sent them, and which page they acknowledge."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.incidents.acknowledgement import PageReference
from orchestrator.domain.incidents.pager_webhooks import WebhookRefused, acknowledged_page, verify_webhook
from orchestrator.domain.notifications.destinations import PAGERS, DestinationKind
from tests.fakes.pager_webhooks import KEY_OF_PAGE, SECRET, acknowledgement, headers_for

PAGE = PageReference("inc-20261123T030000Z-abcdef", 2, "1-1", "Ann Example")
KINDS = sorted(PAGERS)
PAGERDUTY = DestinationKind.PAGERDUTY


@pytest.mark.parametrize("kind", KINDS)
def test_an_acknowledgement_names_the_page_and_the_person(kind):
    body = acknowledgement(kind)
    verify_webhook(kind, f" {SECRET}\n", headers_for(kind, body), body)
    assert acknowledged_page(kind, body, "test") == PAGE


def test_pagerduty_signs_with_both_keys_while_one_is_replaced():
    body = acknowledgement(PAGERDUTY)
    other = hmac.new(b"another-key", body, hashlib.sha256).hexdigest()
    ours = headers_for(PAGERDUTY, body)["x-pagerduty-signature"]
    verify_webhook(PAGERDUTY, SECRET, {"x-pagerduty-signature": f"v1={other}, {ours}"}, body)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("secret", ["", "  ", "another-secret"])
def test_a_request_without_the_secret_is_refused_and_the_secret_is_not_quoted(kind, secret):
    body = acknowledgement(kind)
    with pytest.raises(WebhookRefused) as refused:
        verify_webhook(kind, secret, headers_for(kind, body), body)
    assert SECRET not in str(refused.value)
    assert "webhook_secret" in str(refused.value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("header", ["", "v1=", "Bearer ", "Bearer \u00e4", "v1=\u00e4"])
def test_a_request_without_a_proof_is_refused(kind, header):
    body = acknowledgement(kind)
    with pytest.raises(WebhookRefused):
        verify_webhook(kind, SECRET, {"authorization": header, "x-pagerduty-signature": header}, body)
    with pytest.raises(WebhookRefused):
        verify_webhook(kind, SECRET, {}, body)


def test_a_body_that_was_changed_does_not_have_pagerdutys_signature():
    body = acknowledgement(PAGERDUTY)
    with pytest.raises(WebhookRefused):
        verify_webhook(PAGERDUTY, SECRET, headers_for(PAGERDUTY, body), body.replace(b"Ann", b"Eve"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("action", ["other", "resolve"])
def test_what_is_no_acknowledgement_is_ignored(kind, action):
    assert acknowledged_page(kind, acknowledgement(kind, action=action), "test") is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("key", [
    "baf7cf21b1da41b4b0221008339ff357",
    "ib-oauth:prod:incident:inc-20261123T030000Z-abcdef:2:1-1",
    "ib-oauth:test:alarm:ib-oauth-5xx-test:2026",
    "ib-oauth:test:incident:inc-20261123T030000Z-abcdef:0:1-1",
    "ib-oauth:test:incident:inc-20261123T030000Z-abcdef:2",
    None,
    7,
])  # fmt: skip
def test_an_alert_that_is_no_page_of_this_environment_is_ignored(kind, key):
    assert acknowledged_page(kind, acknowledgement(kind, key=key), "test") is None


@pytest.mark.parametrize("kind", KINDS)
def test_an_acknowledgement_without_a_person_is_one(kind):
    document = json.loads(acknowledgement(kind))
    for name in ("event", "alert", "user"):
        if isinstance(document.get(name), dict):
            document[name] |= {"agent": None, "username": None}
    found = acknowledged_page(kind, json.dumps(document).encode(), "test")
    assert found is not None
    assert found.person == ""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000])
def test_what_is_no_json_object_is_refused(kind, body):
    with pytest.raises(WebhookRefused):
        acknowledged_page(kind, body, "test")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["event", "data", "agent", "incident_key", "alert", "alias", "alert_payload", "user", "type"]),
        inner, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@given(st.sampled_from(KINDS), json_values.filter(lambda value: isinstance(value, dict)))
def test_any_object_is_read_without_an_error(kind, document):
    assert acknowledged_page(kind, json.dumps(document).encode(), "test") is None


def test_a_name_with_line_breaks_is_one_line():
    body = acknowledgement(DestinationKind.OPSGENIE, person="Ann\nresolved by the system")
    assert "\n" not in acknowledged_page(DestinationKind.OPSGENIE, body, "test").person


def test_the_key_of_the_samples_is_the_one_that_our_pages_have():
    assert f"ib-oauth:test:incident:{PAGE.incident}:{PAGE.episode}:{PAGE.page}" == KEY_OF_PAGE
