"""An e-mail as bytes (RFC 5322), with the headers that a program's message needs.

Every text of a header is put on one line, so that none can add a header of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from orchestrator.domain.mail.settings import MailSettings
from orchestrator.domain.printable import one_line, printable
from orchestrator.domain.texts import shortened

MAX_SUBJECT = 150
_WHOLE_HEADERS = SMTP.clone(max_line_length=998)
"""The longest line of RFC 5322. A longer address in List-Unsubscribe would become encoded words, of which no mail program
makes a button: RFC 2369 has none there."""

AUTOMATIC = "auto-generated"
"""RFC 3834: no vacation message answers a program."""


@dataclass(frozen=True)
class Mail:
    """One e-mail to one or several readers.

    Attributes:
        to: addresses.
        at: the date of the message.
        headers: in addition to those that every message has.
    """

    to: tuple[str, ...]
    subject: str
    text: str
    at: datetime
    headers: Mapping[str, str] = field(default_factory=dict)


def unsubscribe_headers(url: str) -> Mapping[str, str]:
    """Return the headers of one-click unsubscribe (RFC 8058): a POST to the address ends the subscription.

    Args:
        url: an https address. SES signs these headers by DKIM, as RFC 8058 §4 requires.
    """
    return {"List-Unsubscribe": f"<{url}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}


def raw_message(mail: Mail, settings: MailSettings) -> bytes:
    """Return a message as SES takes it: plain text in UTF-8, no line longer than 998 bytes.

    Args:
        mail: the message.
        settings: who sends it.
    """
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(settings.name, addr_spec=settings.sender)
    message["To"] = [Address(addr_spec=address) for address in mail.to]
    message["Subject"] = shortened(one_line(mail.subject), MAX_SUBJECT)
    message["Date"] = format_datetime(mail.at)
    message["Auto-Submitted"] = AUTOMATIC
    for name, value in mail.headers.items():
        message[name] = one_line(value)
    message.set_content(printable(mail.text), charset="utf-8", cte="base64")
    return message.as_bytes(policy=_WHOLE_HEADERS)
