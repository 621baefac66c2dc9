"""`orchestrator clients notify`: each contact gets a message once, whatever fails and however often it is repeated."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from orchestrator.aws.mail import Mailer
from orchestrator.aws.provider_client import ProviderClient
from orchestrator.cli.actions.clients import changes  # noqa: F401 - the fixture `context` patches it
from orchestrator.domain.audit.ledger_entries import actor_of_event, entry_of_event
from orchestrator.domain.mail.settings import MailSettings
from tests.fakes.errors import client_error
from tests.fakes.notification_providers import ARN, Providers
from tests.unit.aws.test_mail import Ses
from tests.unit.cli.actions.test_clients import ADD, REASON, clock, context, logs, run  # noqa: F401 - fixtures

MESSAGE = ("--subject", "TLS 1.1 ends", "--text", "Use TLS 1.2.")
SENDER = MailSettings("login@example.com", "arn:aws:ses:eu-central-1:123456789012:identity/example.com")


@pytest.fixture
def ses(context, clock):  # noqa: F811 - fixtures
    ses = Ses()
    mailer = Mailer(lambda _region: ses, SENDER)
    vars(context.cloud)["mailer"] = mailer
    providers = Providers(clock.now)
    vars(context.cloud)["providers"] = ProviderClient(providers, providers, clock.now, local=False, mailer=mailer)
    ses.providers = providers
    return ses


def add(*contacts):
    run(*ADD, *REASON, *(word for contact in contacts for word in ("--contact", contact)))


def notify(*words, code=0):
    return json.loads(run("notify", *MESSAGE, *words, "--json", code=code))


def results(answer):
    return [(one["address"], one["result"]) for one in answer["recipients"]]


def events(context):  # noqa: F811 - a fixture
    return [one for one in context.cloud.ledger.read_events(100) if "notify" in one.id]


def test_every_contact_gets_the_message_once_however_often_the_command_is_repeated(ses, context):  # noqa: F811
    add("a@o.example", "b@o.example")
    first = notify("app-orders")
    assert [result for _, result in results(first)] == ["delivered: SES: 0100"] * 2
    again = notify("app-orders")
    assert again["key"] == first["key"]
    assert [result for _, result in results(again)] == ["skipped: it was delivered before"] * 2
    assert [one["Destination"]["ToAddresses"] for one in ses.sent] == [["a@o.example"], ["b@o.example"]]


def test_everything_is_in_the_audit_trail_by_name_and_without_an_address(ses, context):  # noqa: F811
    add("a@o.example")
    notify("app-orders")
    found = events(context)
    assert {actor_of_event(one) for one in found} == {"ann"}
    assert {entry_of_event(one).action for one in found} == {"clients notify"}
    assert {one.why for one in found} == {
        "TLS 1.1 ends: 1 recipients",
        "TLS 1.1 ends: app-orders, email: delivered: SES: 0100",
    }
    assert "a@o.example" not in json.dumps([str(one) for one in found])


def test_a_dry_run_shows_the_recipients_and_changes_nothing(ses, context):  # noqa: F811
    add("a@o.example")
    answer = notify("app-orders", "--dry-run")
    assert results(answer) == [("a@o.example", "would be sent")]
    assert (ses.sent, events(context)) == ([], [])
    assert "would be sent" in run("notify", "app-orders", *MESSAGE, "--dry-run")


def test_a_failure_is_reported_and_a_repetition_sends_to_those_who_lack_it(ses):
    add("a@o.example")
    ses.error = client_error("TooManyRequestsException")
    ((address, result),) = results(notify("app-orders", code=1))
    assert (address, result.partition(":")[0]) == ("a@o.example", "failed")
    ses.error = None
    assert results(notify("app-orders")) == [("a@o.example", "delivered: SES: 0100")]
    assert len(ses.sent) == 1


def test_a_webhook_gets_a_signed_message(ses):
    add()
    arn = f"{ARN}webhook"
    assert "contacts are a webhook" in run("contacts", "app-orders", "--webhook-secret", arn, *REASON)
    assert arn in run("show", "app-orders")
    assert results(notify("app-orders", "--deprecation", "2099-01-01")) == [(arn, "delivered: HTTP 204")]
    (accepted,) = ses.providers["webhook"].accepted
    assert accepted.startswith("TLS 1.1 ends | ")


def test_the_text_may_be_in_a_file(ses, tmp_path):
    add("a@o.example")
    file = tmp_path / "notice.txt"
    file.write_text("From a file.", encoding="utf-8")
    run("notify", "app-orders", "--subject", "s", "--text", f"@{file}")
    assert b"RnJvbSBhIGZpbGUu" in ses.sent[0]["Content"]["Raw"]["Data"], "base64 of the text"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("app-x",), "CLIENT: 'app-x' is refused: name a managed client"),
        (("app-orders",), "app-orders has no contact' is refused: give one with `orchestrator clients contacts"),
        ((), "CLIENT: 'none' is refused: name one client, or give --all"),
        (("app-orders", "--all"), "CLIENT: 'app-orders' is refused: name one client, or give --all"),
        (("--all",), "--all: 'without a contact: "),
        (("--all", "--reachable-only"), "--all: 'no client has a contact' is refused"),
        (("app-orders", "--text", "@/no/such/file"), "--text: '@/no/such/file' is refused: name a readable file"),
        (("app-orders", "--deprecation", "2020-01-01"), "--deprecation: '2020-01-01' is refused"),
    ],
)
def test_a_wrong_command_is_refused_and_sends_nothing(ses, words, message):
    add()
    assert message in run("notify", *MESSAGE, *words, code=2)
    assert ses.sent == []


def test_an_environment_without_a_sender_says_what_to_set(ses, context):  # noqa: F811
    add("a@o.example")
    object.__setattr__(context, "environment", replace(context.environment, mail=None))
    text = run("notify", "app-orders", *MESSAGE, code=2)
    assert "local.mail: 'no sender' is refused: give it sender and identity_arn" in text
    assert ses.sent == []
