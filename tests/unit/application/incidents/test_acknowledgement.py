"""From the page's message to the acknowledgement: the link and the pagers' webhooks, over the real notifications."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from unittest import mock
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from orchestrator.application.incidents.incident_log import attend_incidents, receive_event
from orchestrator.aws.secrets_manager import LinkKeys
from orchestrator.domain.errors import Throttled
from orchestrator.domain.incidents.acknowledgement import LINK_LASTS, PAGERS_PATH, PATH
from orchestrator.domain.incidents.incident import IncidentState
from orchestrator.domain.incidents.policy import encode_policy
from orchestrator.domain.notifications.destinations import PAGERS, DestinationKind
from orchestrator.event_handlers import runtime
from orchestrator.event_handlers.acknowledge_incident import handler
from tests.fakes.clock import START
from tests.fakes.clouds import SETTINGS, cloud_over
from tests.fakes.errors import client_error
from tests.fakes.lambda_control_plane import LambdaControlPlane
from tests.fakes.notification_providers import CONFIDENTIAL, LINK_KEY
from tests.fakes.pager_webhooks import acknowledgement, headers_for
from tests.unit.application.incidents.test_pages_arrive import POLICY_OF_ALL, Bus, event, wait
from tests.unit.application.notifications.conftest import ENDPOINT, World, bus_event

WITH_BUTTONS = sorted(set(DestinationKind) - {DestinationKind.GITHUB})
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Page(HTMLParser):
    """The heading, the texts and the hidden token of a page."""

    def __init__(self, text):
        super().__init__()
        self.token, self.texts, self.tags = "", [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "input":
            self.token = dict(attrs)["value"]

    def handle_data(self, data):
        self.texts.append(data.strip())

    @property
    def text(self):
        return " ".join(filter(None, self.texts))


class Paged:
    """An environment in which a rollback paged the first level."""

    def __init__(self, seed=1):
        self.world = World(seed)
        self.world.started = self.world.clock.now()
        clients = {
            "dynamodb": self.world.ledger,
            "events": Bus(self.world, seed),
            "lambda": LambdaControlPlane(),
            "secretsmanager": self.world.providers,
        }
        settings = {
            **SETTINGS,
            "INCIDENTS": encode_policy(POLICY_OF_ALL),
            "NOTIFICATIONS": self.world.cloud.settings["NOTIFICATIONS"],
            "LINK_KEY": LINK_KEY,
        }
        self.cloud = cloud_over(clients, self.world.clock.now, settings)
        vars(self.cloud)["providers"] = self.world.cloud.providers
        receive_event(event(self.cloud, "RollbackStarted", source="alarm", reason="7.7 % > 5 %"), self.cloud)
        self.wait(2)

    def wait(self, minutes):
        wait(self.world, self.cloud, minutes)

    @property
    def incident(self):
        (name,) = self.cloud.incidents.list_ids(5)
        return self.cloud.incidents.read_incident(name)

    def request(self, method, path, query=None, headers=None, body=None):
        """A request through API Gateway to the real function."""
        event_ = {
            "httpMethod": method,
            "path": path,
            "headers": headers,
            "queryStringParameters": query,
            "body": body,
            "isBase64Encoded": False,
        }
        with mock.patch.object(runtime, "_cloud", self.cloud):
            return handler(event_, None)

    def get(self, token):
        return self.request("GET", PATH, {"token": token})

    def post(self, token):
        return self.request("POST", PATH, headers=FORM, body=f"token={quote(token)}")

    def token(self, kind=DestinationKind.SLACK):
        address = urlsplit(self.world.providers[kind].links[0])
        assert f"{address.scheme}://{address.netloc}" == ENDPOINT
        assert address.path == PATH
        return parse_qs(address.query)["token"][0]

    def webhook(self, kind, body=None, headers=None):
        body = body or acknowledgement(kind, key=min(self.world.providers[kind].alerts))
        name = f"{PAGERS_PATH}{kind.replace('_', '-')}"
        return self.request("POST", name, headers=headers or headers_for(kind, body), body=body.decode())


@pytest.fixture
def paged():
    return Paged()


@pytest.mark.parametrize("kind", WITH_BUTTONS)
def test_every_provider_gets_a_button_whose_link_acknowledges(paged, kind):
    paged.post(paged.token(kind))
    assert (paged.incident.state, paged.incident.acknowledged_by in {"ann", "bob", "cleo"}) == (
        IncidentState.ACKNOWLEDGED,
        True,
    )


def test_opening_the_link_changes_nothing_and_shows_who_would_acknowledge(paged):
    answer = paged.get(paged.token())
    page = Page(answer["body"])
    assert answer["statusCode"] == 200
    assert f"Acknowledge as {paged.incident.pages[0].person}" in page.text
    assert paged.incident.title in page.text
    assert paged.incident.state is IncidentState.OPEN
    assert "script" not in page.tags
    assert "default-src 'none'" in answer["headers"]["Content-Security-Policy"]


def test_the_button_acknowledges_as_the_person_who_was_paged_and_no_one_else_is_paged(paged):
    person = paged.incident.pages[0].person
    token = Page(paged.get(paged.token())["body"]).token
    page = Page(paged.post(token)["body"])
    assert f"{person} acknowledged it at" in page.text
    paged.wait(60)
    assert len(paged.incident.pages) == 1
    for kind in (DestinationKind.PAGERDUTY, DestinationKind.OPSGENIE):
        stand_in = paged.world.providers[kind]
        assert stand_in.acknowledged == set(stand_in.alerts)


def test_pressing_the_button_again_is_harmless(paged):
    token = paged.token()
    first = paged.post(token)
    entries = paged.incident.entries
    again = paged.post(token)
    assert (first["statusCode"], again["statusCode"]) == (200, 200)
    assert paged.incident.entries == entries
    assert "It is acknowledged" in Page(paged.get(token)["body"]).text


def test_a_link_of_a_resolved_incident_says_that_nothing_is_left_to_do(paged):
    token = paged.token()
    receive_event(event(paged.cloud, "RollbackCompleted", cause="5xx", traffic_to="STABLE", healthy=True), paged.cloud)
    page = Page(paged.post(token)["body"])
    assert "The incident is resolved" in page.text
    assert paged.incident.state is IncidentState.RESOLVED


def test_a_link_of_the_last_episode_asks_for_the_newer_page(paged):
    token = paged.token()
    receive_event(event(paged.cloud, "RollbackCompleted", cause="5xx", traffic_to="STABLE", healthy=True), paged.cloud)
    paged.world.clock.advance(60)
    again = event(paged.cloud, "RollbackStarted", source="alarm", reason="again")
    receive_event({**again, "detail": {**again["detail"], "deployment": "d-2"}}, paged.cloud)
    assert "acknowledge the newer page" in Page(paged.post(token)["body"]).text
    assert paged.incident.state is IncidentState.OPEN


def test_an_expired_link_says_what_to_do(paged):
    token = paged.token()
    paged.world.clock.advance(LINK_LASTS.total_seconds() + 60)
    answer = paged.post(token)
    assert answer["statusCode"] == 410
    assert "This link has expired" in Page(answer["body"]).text
    assert "orchestrator incident list --open --env test" in Page(answer["body"]).text


@pytest.mark.parametrize("token", ["", "abc", "a.b", "<script>alert(1)</script>", "x" * 5000])
def test_a_link_that_is_not_ours_says_what_to_do_and_is_not_repeated(paged, token):
    for answer in (paged.get(token), paged.post(token)):
        assert answer["statusCode"] == 400
        assert "This link is not valid" in Page(answer["body"]).text
        assert not token or token not in answer["body"]
    assert paged.incident.state is IncidentState.OPEN


def test_a_request_without_anything_is_answered(paged):
    assert paged.request("GET", PATH)["statusCode"] == 400
    assert paged.request("GET", "/")["statusCode"] == 404
    assert paged.request("GET", f"{PAGERS_PATH}pagerduty")["statusCode"] == 404
    answer = paged.request("PUT", PATH)
    assert (answer["statusCode"], answer["headers"]["Allow"]) == (405, "GET, HEAD, POST")
    assert paged.request("POST", PATH, body="x" * 600_000)["statusCode"] == 413


def test_the_link_of_an_incident_that_the_ledger_does_not_have_is_answered(paged):
    token = paged.token()
    empty = cloud_over(
        {"dynamodb": World().ledger, "secretsmanager": paged.world.providers, "lambda": LambdaControlPlane()},
        paged.world.clock.now,
        paged.cloud.settings,
    )
    paged.cloud = empty
    assert paged.get(token)["statusCode"] == 404
    assert paged.post(token)["statusCode"] == 404


def test_a_ledger_that_does_not_answer_asks_to_try_again(paged, monkeypatch):
    def throttled(_):
        raise Throttled("too many requests")

    token = paged.token()
    monkeypatch.setattr(paged.cloud.incidents, "read_incident", throttled)
    for answer in (paged.get(token), paged.post(token), paged.webhook(DestinationKind.PAGERDUTY)):
        assert (answer["statusCode"], answer["headers"]["Retry-After"]) == (503, "5")


def test_a_key_that_is_too_short_asks_to_try_again_and_the_page_was_sent_without_a_link(paged, monkeypatch):
    token = paged.token()
    monkeypatch.setattr(paged.world.providers, "get_secret_value", lambda **_: {"SecretString": "short"})
    assert paged.get(token)["statusCode"] == 503


@pytest.mark.parametrize("kind", sorted(PAGERS))
def test_an_acknowledgement_in_the_pager_is_seen_and_stops_the_escalation(paged, kind):
    answer = paged.webhook(kind)
    assert json.loads(answer["body"]) == {"result": "acknowledged", "incident": paged.incident.id}
    assert (paged.incident.state, paged.incident.acknowledged_by) == (IncidentState.ACKNOWLEDGED, "Ann Example")
    paged.wait(60)
    assert len(paged.incident.pages) == 1
    entries = paged.incident.entries
    assert json.loads(paged.webhook(kind)["body"]) == {"result": "nothing to acknowledge"}
    assert paged.incident.entries == entries


@pytest.mark.parametrize("kind", sorted(PAGERS))
def test_a_webhook_without_its_proof_is_refused_and_says_what_to_do(paged, kind):
    body = acknowledgement(kind, key=min(paged.world.providers[kind].alerts))
    answer = paged.webhook(kind, body, headers_for(kind, body, "another-secret"))
    assert answer["statusCode"] == 401
    assert "webhook_secret" in json.loads(answer["body"])["remedy"]
    assert paged.incident.state is IncidentState.OPEN


@pytest.mark.parametrize("kind", sorted(PAGERS))
def test_a_webhook_about_something_else_is_ignored(paged, kind):
    body = acknowledgement(kind, action="resolve")
    assert json.loads(paged.webhook(kind, body)["body"]) == {"result": "ignored"}
    unknown = acknowledgement(kind)
    assert json.loads(paged.webhook(kind, unknown)["body"]) == {"result": "ignored"}
    assert paged.webhook(kind, b"{")["statusCode"] == 400


def test_a_webhook_of_a_destination_that_is_no_pager_with_a_secret_is_refused(paged):
    for name in ("slack", "nobody", ""):
        assert paged.request("POST", f"{PAGERS_PATH}{name}")["statusCode"] == 404


def test_a_webhook_secret_without_a_text_asks_to_try_again(paged, monkeypatch):
    monkeypatch.setattr(paged.world.providers, "get_secret_value", lambda **_: {"SecretBinary": b"x"})
    assert paged.webhook(DestinationKind.PAGERDUTY)["statusCode"] == 503


def test_neither_a_log_nor_a_record_nor_a_queue_has_a_token_or_a_secret(capfd, caplog):
    paged = Paged()
    token = paged.token()
    paged.get(token)
    paged.post(token)
    paged.webhook(DestinationKind.PAGERDUTY)
    paged.wait(3)
    out, err = capfd.readouterr()
    shown = f"{out}{err}{caplog.text}{vars(paged.world.ledger)}{paged.world.queue.bodies}"
    assert "incident acknowledged" in shown
    for secret in (token, token.rpartition(".")[2], *CONFIDENTIAL):
        assert secret not in shown


def pages_event(world):
    detail = {
        "incident": "inc-1", "number": 2, "episode": 1, "cause": "service", "title": "it is broken", "severity": "SEV2",
        "state": "OPEN", "since": START.isoformat(), "by": "orchestrator", "text": "paged ann", "page": "1-1", "level": 1,
        "round": 1, "person": "ann", "destinations": [],
    }  # fmt: skip
    world.put(bus_event("IncidentPaged", **detail))
    world.work()
    return world.providers


def test_an_environment_without_an_endpoint_sends_pages_without_links():
    world = World()
    world.cloud.settings["ACKNOWLEDGEMENT_ADDRESS"] = ""
    providers = pages_event(world)
    assert all(providers[kind].accepted and not providers[kind].links for kind in WITH_BUTTONS)


def test_a_page_whose_link_cannot_be_signed_is_sent_without_one(monkeypatch):
    world = World()
    monkeypatch.setattr(world.cloud.link_keys, "read_keys", lambda: (b"short",))
    providers = pages_event(world)
    assert all(providers[kind].accepted and not providers[kind].links for kind in WITH_BUTTONS)


class Secrets:
    """Secrets Manager with the versions of one secret."""

    def __init__(self, **versions):
        self.versions = versions

    def get_secret_value(self, *, SecretId, VersionStage):  # noqa: N803 - botocore's
        if VersionStage not in self.versions:
            raise client_error("ResourceNotFoundException", SecretId)
        if isinstance(self.versions[VersionStage], Exception):
            raise self.versions[VersionStage]
        return {"SecretString": self.versions[VersionStage]}


def test_the_keys_are_the_current_one_and_the_one_before_it():
    current, previous = "c" * 64, "p" * 64
    assert LinkKeys(Secrets(AWSCURRENT=current), "s").read_keys() == (current.encode(),)
    both = Secrets(AWSCURRENT=current, AWSPREVIOUS=previous)
    assert LinkKeys(both, "s").read_keys() == (current.encode(), previous.encode())


def test_a_key_that_may_not_be_read_is_no_missing_key():
    denied = client_error("AccessDeniedException", "s")
    with pytest.raises(type(denied)):
        LinkKeys(Secrets(AWSCURRENT="c" * 64, AWSPREVIOUS=denied), "s").read_keys()


def test_reconciling_while_a_person_presses_the_button_pages_once(paged):
    token = paged.token()
    paged.world.clock.advance(20 * 60)
    commit, other = paged.cloud.incidents.commit, []

    def interrupted(register, entries):
        if not other:
            other.append(True)
            paged.post(token)
        return commit(register, entries)

    paged.cloud.incidents.commit = interrupted
    assert attend_incidents(paged.cloud) == ""
    assert paged.incident.state is IncidentState.ACKNOWLEDGED
    assert len(paged.incident.pages) == 1
