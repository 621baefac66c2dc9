"""The message of each provider: within its limits, and no text of a person is markup."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from orchestrator.domain.notifications.destinations import Destination, DestinationKind
from orchestrator.domain.notifications.notification import Audience, EventKind, Figure, Severity, Transition
from orchestrator.domain.notifications.providers.chats import GOOGLE_CHAT_BYTES, TEAMS_BYTES, title_of
from orchestrator.domain.notifications.providers.dispatch import next_request
from orchestrator.domain.notifications.providers.pagers import dedup_key
from orchestrator.domain.notifications.providers.requests import (
    Answer,
    Result,
    SecretMalformed,
    fitted,
    json_request,
    read_address,
    read_answer,
    read_key,
    redacted,
    within_bytes,
)
from orchestrator.domain.notifications.providers.webhook import sign
from tests.samples import NOW
from tests.unit.domain.notifications.test_delivery import notification

ADDRESS, KEY, SHA = "https://hooks.example.com/services/T0/B0/secret-path", "0123456789abcdef0123456789abcdef", "a" * 40
SIGNING = f"whsec_{base64.b64encode(b'k' * 32).decode()}"
SECRETS = {
    DestinationKind.PAGERDUTY: KEY,
    DestinationKind.OPSGENIE: KEY,
    DestinationKind.GITHUB: KEY,
    DestinationKind.WEBHOOK: json.dumps({"url": ADDRESS, "signing_secret": SIGNING}),
    DestinationKind.CLOUDEVENTS: json.dumps({"url": ADDRESS, "signing_secret": SIGNING}),
}
WHAT = notification(
    Transition.TRIGGER,
    title="prod: rollback of d-1 started",
    reason="7.7 % > 5 %",
    impact="clients may see failures",
    action="aliases are reverted",
    command="orchestrator explain d-1 --env prod",
    figures=(Figure("Average", "7.7", "5"),),
)
HOSTILE = "<!channel> <@U1> <https://evil.example|click> **bold** [x](https://evil.example) &lt; <users/all> <b>hi</b>\n# \x1b[2J"

BY_ONE_REQUEST = [kind for kind in DestinationKind if kind not in {DestinationKind.GITHUB, DestinationKind.EMAIL}]


def request(kind, what=WHAT, secret=None, answers=(), local=False, address="https://api.example.com"):
    destination = Destination(
        "one", kind, "arn", Severity.INFO, (Audience.OPERATORS,), tuple(EventKind), address, "owner/name"
    )
    secret = SECRETS.get(kind, ADDRESS) if secret is None else secret
    return next_request(what, destination, secret, NOW, list(answers), local=local)


def body(kind, what=WHAT, **more):
    return json.loads(request(kind, what, **more).body)


@pytest.mark.parametrize("kind", BY_ONE_REQUEST)
def test_a_message_says_what_since_when_impact_numbers_action_and_where_to_look(kind):
    made = request(kind)
    text = made.body.decode()
    for part in ("rollback of d-1 started", "2026-11-23", "7.7 % > 5 %", "clients may see failures", "explain d-1"):
        assert part in text.replace("&gt;", ">"), part
    assert "7.7, threshold 5" in text or '"value":"7.7","threshold":"5"' in text
    expected = {DestinationKind.CLOUDEVENTS: "application/cloudevents+json; charset=UTF-8"}
    assert made.headers["Content-Type"] == expected.get(kind, "application/json")
    assert request(kind, answers=[b"ok"]) is None
    assert ADDRESS not in repr(made)
    assert KEY not in repr(replace(made, body=b""))


def test_slack_shows_texts_and_interprets_none():
    message = body(DestinationKind.SLACK, replace(WHAT, reason=HOSTILE, title=HOSTILE))
    header, section = message["blocks"]
    texts = [message["text"], header["text"]["text"], *(entry["text"] for entry in section["fields"])]
    assert {header["text"]["type"], *(entry["type"] for entry in section["fields"])} == {"plain_text"}
    assert not any("<" in text or ">" in text or "\n" in text for text in texts)
    assert any("&lt;!channel&gt;" in text for text in texts)


def test_slack_cuts_what_is_longer_than_its_blocks():
    long = replace(WHAT, title="<" * 400, reason="&" * 9000, figures=tuple(Figure(f"f{n}", "1") for n in range(9)))
    message = body(DestinationKind.SLACK, long)
    assert len(message["blocks"][0]["text"]["text"]) <= 150
    assert len(message["blocks"][1]["fields"]) <= 10
    assert max(len(entry["text"]) for entry in message["blocks"][1]["fields"]) <= 2000


def test_teams_has_texts_in_runs_where_no_markdown_is_read():
    card = body(DestinationKind.TEAMS, replace(WHAT, reason=HOSTILE))["attachments"][0]["content"]
    assert {element["type"] for element in card["body"]} == {"RichTextBlock"}
    runs = [run for element in card["body"] for run in element["inlines"]]
    assert {run["type"] for run in runs} == {"TextRun"}
    assert any("[x](https://evil.example)" in run["text"] for run in runs)
    ended = body(DestinationKind.TEAMS, replace(WHAT, transition=Transition.RESOLVE))["attachments"][0]["content"]
    assert (runs[0]["color"], ended["body"][0]["inlines"][0]["color"]) == ("Attention", "Good")


def test_google_chat_escapes_html_and_names_thread_and_request():
    message = body(DestinationKind.GOOGLE_CHAT, replace(WHAT, reason=HOSTILE))
    texts = [widget["decoratedText"]["text"] for widget in message["cardsV2"][0]["card"]["sections"][0]["widgets"]]
    assert not any("<" in text for text in texts)
    query = parse_qs(urlsplit(request(DestinationKind.GOOGLE_CHAT).url).query)
    with_key = request(DestinationKind.GOOGLE_CHAT, secret=f"{ADDRESS}?key=k1&token=t1").url
    assert with_key.startswith(f"{ADDRESS}?key=k1&token=t1&messageReplyOption=")
    again = parse_qs(urlsplit(request(DestinationKind.GOOGLE_CHAT).url).query)
    other = parse_qs(urlsplit(request(DestinationKind.GOOGLE_CHAT, replace(WHAT, id="resolve")).url).query)
    assert query["requestId"] == again["requestId"] != other["requestId"]


@pytest.mark.parametrize(
    ("kind", "limit"), [(DestinationKind.TEAMS, TEAMS_BYTES), (DestinationKind.GOOGLE_CHAT, GOOGLE_CHAT_BYTES)]
)
def test_a_message_stays_within_its_bytes_whatever_it_says(kind, limit):
    huge = dict.fromkeys(("title", "reason", "impact", "action", "command"), "\U0001f525<" * 4000)
    assert len(request(kind, replace(WHAT, **huge)).body) <= limit
    assert len(request(kind).body) < 3000


def test_what_is_too_large_at_every_length_is_sent_as_short_as_possible():
    made = within_bytes(1, lambda characters: json_request("https://x.example", "x" * characters))
    assert len(made.body) == 102


def test_pagerduty_opens_and_closes_an_alert_under_its_key():
    opened = body(DestinationKind.PAGERDUTY, replace(WHAT, title="x" * 2000))
    assert (opened["event_action"], opened["routing_key"]) == ("trigger", KEY)
    assert len(opened["payload"]["summary"]) == 1024
    assert opened["payload"]["severity"] == "error"
    assert body(DestinationKind.PAGERDUTY, replace(WHAT, transition=Transition.UPDATE))["event_action"] == "trigger"
    closed = body(DestinationKind.PAGERDUTY, replace(WHAT, transition=Transition.RESOLVE))
    assert (closed["event_action"], closed["dedup_key"]) == ("resolve", opened["dedup_key"])


def test_a_key_that_is_too_long_is_a_digest_that_is_the_same_for_all_transitions():
    long = replace(WHAT, key="alarm:" + "n" * 255)
    assert dedup_key(WHAT) == "ib-oauth:prod:alarm:a"
    assert len(dedup_key(long)) < 255
    assert dedup_key(long) == dedup_key(replace(long, transition=Transition.RESOLVE))
    assert dedup_key(long) != dedup_key(replace(long, key=long.key + "m"))


def test_opsgenie_opens_by_alias_and_closes_by_it():
    made = request(DestinationKind.OPSGENIE, replace(WHAT, title="x" * 300, key="alarm:a/b c"))
    assert made.headers["Authorization"] == f"GenieKey {KEY}"
    assert made.url == "https://api.example.com/v2/alerts"
    opened = json.loads(made.body)
    assert (len(opened["message"]), opened["priority"]) == (130, "P2")
    closing = request(DestinationKind.OPSGENIE, replace(WHAT, transition=Transition.RESOLVE, key="alarm:a/b c"))
    assert closing.url == (
        "https://api.example.com/v2/alerts/ib-oauth%3Aprod%3Aalarm%3Aa%2Fb%20c/close?identifierType=alias"
    )


def test_oncall_groups_by_key_and_says_the_state():
    opened, closed = (
        body(DestinationKind.GRAFANA_ONCALL, replace(WHAT, transition=transition))
        for transition in (Transition.UPDATE, Transition.RESOLVE)
    )
    assert (opened["state"], closed["state"], opened["alert_uid"]) == ("alerting", "ok", closed["alert_uid"])


@pytest.mark.parametrize("kind", [DestinationKind.CLOUDEVENTS, DestinationKind.WEBHOOK])
def test_a_webhook_is_signed_and_every_attempt_has_the_same_id(kind):
    made = request(kind)
    message, timestamp = made.headers["webhook-id"], made.headers["webhook-timestamp"]
    signed = f"{message}.{timestamp}.".encode() + made.body
    expected = base64.b64encode(hmac.new(b"k" * 32, signed, hashlib.sha256).digest()).decode()
    assert made.headers["webhook-signature"] == f"v1,{expected}"
    assert int(timestamp) == NOW.timestamp()
    assert request(kind).headers["webhook-id"] == message
    assert request(kind, replace(WHAT, id="resolve")).headers["webhook-id"] != message


def test_the_document_of_a_webhook_has_its_type_and_its_data():
    document = body(DestinationKind.WEBHOOK)
    assert (document["type"], document["data"]["transition"]) == ("alarm.trigger", "trigger")


def test_a_cloud_event_has_the_attributes_of_the_specification_and_the_data_of_a_webhook():
    made = request(DestinationKind.CLOUDEVENTS)
    event, ours = json.loads(made.body), body(DestinationKind.WEBHOOK)
    assert made.headers["Content-Type"] == "application/cloudevents+json; charset=UTF-8"
    assert event["data"] == ours["data"]
    assert {name: event[name] for name in ("specversion", "type", "source", "subject", "time", "id")} == {
        "specversion": "1.0",
        "type": f"ib-oauth.{ours['type']}",
        "source": "/ib-oauth/prod",
        "subject": WHAT.key,
        "time": ours["timestamp"],
        "id": made.headers["webhook-id"],
    }


def test_the_signature_is_that_of_the_specification():
    """The example of the specification's reference libraries."""
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    found = sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}')
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_text_with_a_lone_surrogate_can_be_sent_to_all():
    for kind in BY_ONE_REQUEST:
        assert b"ud800" in request(kind, replace(WHAT, reason="\ud800")).body


BAD_SECRETS = [
    (DestinationKind.SLACK, "http://hooks.example.com/x"),
    (DestinationKind.SLACK, "https://169.254.169.254/latest"),
    (DestinationKind.SLACK, "https://127.0.0.1/x"),
    (DestinationKind.SLACK, "https://[::1]/x"),
    (DestinationKind.SLACK, "https://10.0.0.1/x"),
    (DestinationKind.SLACK, "https://user:secret-pass@hooks.example.com/x"),
    (DestinationKind.SLACK, "https://hooks.example.com/a b"),
    (DestinationKind.SLACK, "http://127.0.0.1:9001/2018-06-01/runtime/invocation/next"),
    (DestinationKind.TEAMS, "hooks.example.com"),
    (DestinationKind.PAGERDUTY, "short"),
    (DestinationKind.PAGERDUTY, "secret-key\nX-Header: 1"),
    (DestinationKind.OPSGENIE, "secret key with blanks"),
    (DestinationKind.GITHUB, ""),
    (DestinationKind.WEBHOOK, "not-a-document"),
    (DestinationKind.WEBHOOK, "[]"),
    (DestinationKind.WEBHOOK, '{"url": 1}'),
    (DestinationKind.WEBHOOK, json.dumps({"url": ADDRESS})),
    (DestinationKind.WEBHOOK, json.dumps({"url": ADDRESS, "signing_secret": "whsec_?"})),
    (DestinationKind.WEBHOOK, json.dumps({"url": ADDRESS, "signing_secret": "whsec_c2hvcnQ="})),
    (DestinationKind.WEBHOOK, json.dumps({"url": ADDRESS, "signing_secret": SIGNING.removeprefix("whsec_")})),
    (DestinationKind.WEBHOOK, json.dumps({"url": "http://x.example", "signing_secret": SIGNING})),
]


@pytest.mark.parametrize(("kind", "secret"), BAD_SECRETS)
def test_a_secret_of_another_form_is_refused_without_being_quoted(kind, secret):
    with pytest.raises(SecretMalformed) as refused:
        request(kind, secret=secret)
    assert not secret or secret not in str(refused.value)
    assert "secret-" not in str(refused.value)


def test_an_address_of_this_machine_is_for_the_local_cloud_alone():
    assert read_address("http://127.0.0.1:8000/x\n", local=True) == "http://127.0.0.1:8000/x"
    with pytest.raises(SecretMalformed):
        read_address("http://127.0.0.1:8000/x", local=False)
    with pytest.raises(SecretMalformed):
        read_address("http://192.168.0.1/x", local=True)
    assert read_key(f" {KEY}\n") == KEY


@pytest.mark.parametrize(
    ("status", "headers", "result", "retry_after"),
    [
        (200, {}, Result.DELIVERED, 0),
        (204, {"retry-after": "9"}, Result.DELIVERED, 0),
        (301, {}, Result.REFUSED, 0),
        (404, {}, Result.REFUSED, 0),
        (408, {}, Result.FAILED, 0),
        (429, {"retry-after": "30"}, Result.FAILED, 30),
        (429, {"retry-after": "Mon, 23 Nov 2026 03:01:00 GMT"}, Result.FAILED, 60),
        (429, {"retry-after": "Mon, 23 Nov 2026 03:01:00 -0000"}, Result.FAILED, 60),
        (429, {"retry-after": "Mon, 23 Nov 2026 02:00:00 GMT"}, Result.FAILED, 0),
        (429, {"retry-after": "soon"}, Result.FAILED, 0),
        (429, {"retry-after": "Wed, 21 Oct 2015 07:28:00 +99999999999999999999"}, Result.FAILED, 0),
        (429, {"retry-after": "Wed, 21 Oct 99999999999999999 07:28:00 GMT"}, Result.FAILED, 0),
        (429, {"retry-after": f"Wed, 21 Oct {'9' * 5000} 07:28:00 GMT"}, Result.FAILED, 0),
        (429, {"retry-after": "9" * 40}, Result.FAILED, 999_999_999),
        (500, {}, Result.FAILED, 0),
    ],
)
def test_an_answer_means_delivered_failed_or_refused(status, headers, result, retry_after):
    answer = read_answer(status, headers, b"said\n\x1b", "a-secret-of-mine", NOW)
    assert answer == Answer(result, rf"HTTP {status} said\n\x1b", retry_after)


def test_an_answer_is_short_and_without_the_secret():
    answer = read_answer(400, {}, f"bad {ADDRESS} or secret-path {'x' * 500}".encode(), ADDRESS, NOW)
    assert "secret-path" not in answer.text
    assert len(answer.text) < 220
    assert read_answer(204, {}, b"", KEY, NOW).text == "HTTP 204"
    assert redacted("the word services and T0", ADDRESS) == "the word … and T0"


def test_a_text_is_cut_after_it_was_escaped():
    assert fitted("a<b", 9, lambda text: text.replace("<", "&lt;")) == "a&lt;b"
    cut = fitted("<" * 50, 20, lambda text: text.replace("<", "&lt;"))
    assert cut == "&lt;&lt;&lt;&lt;…"


def test_a_title_has_a_mark_of_its_severity_or_of_its_end():
    assert title_of(WHAT).startswith("🔴")
    assert title_of(replace(WHAT, transition=Transition.UPDATE, severity=Severity.CRITICAL)).startswith("🔥")
    assert title_of(replace(WHAT, transition=Transition.RESOLVE)).startswith("✅")


ROLLBACK = replace(WHAT, kind=EventKind.ROLLBACK, subject="d-1")
PLANNED = replace(WHAT, kind=EventKind.DEPLOYMENT, subject="d-1", commit=SHA)
FOUND = json.dumps([{"id": 7, "sha": SHA}]).encode()
CREATED = json.dumps({"id": 7, "sha": SHA}).encode()


def github(what, *answers):
    return request(DestinationKind.GITHUB, what, answers=answers)


def test_github_creates_a_deployment_once_and_sets_both_statuses():
    looked = github(PLANNED)
    assert (looked.method, looked.body) == ("GET", b"")
    assert looked.url.startswith("https://api.example.com/repos/owner/name/deployments?task=orchestrator%3Ad-1&")
    created = json.loads(github(PLANNED, b"[]").body)
    assert (created["ref"], created["required_contexts"], created["auto_merge"]) == (SHA, [], False)
    for answers in ([b"[]", CREATED], [FOUND]):
        status, commit = github(PLANNED, *answers), github(PLANNED, *answers, b"{}")
        assert status.url.endswith("/deployments/7/statuses")
        assert json.loads(status.body)["state"] == "in_progress"
        assert commit.url.endswith(f"/statuses/{SHA}")
        assert json.loads(commit.body)["state"] == "pending"
        assert github(PLANNED, *answers, b"{}", b"{}") is None


@pytest.mark.parametrize(
    ("changes", "states"),
    [
        ({"transition": Transition.RESOLVE}, ("success", "success")),
        ({"transition": Transition.RESOLVE, "failed": True}, ("failure", "failure")),
        ({"kind": EventKind.ROLLBACK}, ("failure", "failure")),
    ],
)
def test_github_s_states_follow_from_the_transition(changes, states):
    what = replace(PLANNED, **changes)
    found = tuple(json.loads(github(what, FOUND, *more).body)["state"] for more in ([], [b"{}"]))
    assert found == states


def test_github_gets_nothing_without_a_commit_or_a_deployment_and_a_test_only_looks():
    assert github(ROLLBACK, b"[]") is None
    assert github(replace(PLANNED, subject="")) is None
    test = replace(ROLLBACK, kind=EventKind.TEST)
    assert (github(test).method, github(test).url) == ("GET", "https://api.example.com/repos/owner/name")
    assert github(test, b"{}") is None


@pytest.mark.parametrize(
    "answer", [b"{}", b"no JSON", b'[{"id": "7", "sha": "a"}]', b"[7]", b'[{"id": 7, "sha": "x/../y"}]']
)
def test_an_answer_of_github_in_another_form_is_an_error(answer):
    with pytest.raises(ValueError):  # noqa: PT011 - of several kinds
        github(PLANNED, answer)


def test_pagers_acknowledge_an_alert_under_its_key():
    acknowledged = replace(WHAT, transition=Transition.ACKNOWLEDGE, id="acknowledge")
    sent = body(DestinationKind.PAGERDUTY, acknowledged)
    assert (sent["event_action"], sent["dedup_key"]) == ("acknowledge", dedup_key(WHAT))
    assert "/acknowledge?identifierType=alias" in request(DestinationKind.OPSGENIE, acknowledged).url
    assert body(DestinationKind.GRAFANA_ONCALL, acknowledged)["state"] == "alerting"
