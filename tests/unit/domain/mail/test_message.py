"""A message is what every mail server takes, and no text adds a header."""

from __future__ import annotations

from email import message_from_bytes
from email.policy import default

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.mail.message import Mail, raw_message, unsubscribe_headers
from orchestrator.domain.mail.settings import MailSettings
from tests.samples import NOW

SENDER = MailSettings("status@example.com", "arn:aws:ses:eu-central-1:123456789012:identity/example.com", "Bérénice")
URL = f"https://status.example.com/subscriptions/unsubscribe?token={'x' * 300}"


def parsed(mail, sender=SENDER):
    return message_from_bytes(raw_message(mail, sender), policy=default)


def test_a_message_has_its_sender_readers_subject_date_and_text():
    message = parsed(Mail(("a@example.com", "b@example.com"), "Grüße", "Zeile 1\nZeile 2\n", NOW))
    assert message["From"] == "Bérénice <status@example.com>"
    assert message["To"] == "a@example.com, b@example.com"
    assert message["Subject"] == "Grüße"
    assert message["Date"].datetime == NOW
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content().splitlines() == ["Zeile 1", "Zeile 2"]


def test_one_click_unsubscribe_has_both_headers_of_its_rfc_and_a_long_address_whole():
    message = parsed(Mail(("a@example.com",), "s", "t", NOW, unsubscribe_headers(URL)))
    assert message["List-Unsubscribe"].replace(" ", "") == f"<{URL}>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_the_address_of_the_button_is_on_its_line_as_it_is():
    """A parser decodes encoded words; the programs that read this header do not (RFC 2369 §2)."""
    raw = raw_message(Mail(("a@example.com",), "s", "text " * 500, NOW, unsubscribe_headers(URL)), SENDER)
    assert f"\r\nList-Unsubscribe: <{URL}>\r\n".encode() in raw
    body = raw.partition(b"\r\n\r\n")[2]
    assert all(len(line) <= 76 for line in body.split(b"\r\n")), "RFC 2045 §6.8"


@given(text=st.text(max_size=400))
def test_no_text_adds_a_header_or_breaks_a_limit(text):
    raw = raw_message(Mail(("a@example.com",), text, text, NOW, {"X-Text": text}), SENDER)
    message = message_from_bytes(raw, policy=default)
    expected = {"From", "To", "Subject", "Date", "Auto-Submitted", "X-Text", "MIME-Version"}
    assert set(message.keys()) - expected <= {"Content-Type", "Content-Transfer-Encoding"}
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
