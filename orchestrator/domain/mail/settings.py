"""The sender of e-mail: ``[….mail]``, an identity of Amazon SES. Without the table no e-mail is sent by SES."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from orchestrator.domain.schema import SettingsReader

MAX_NAME = 60

ADDRESS = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]"
)
ADDRESS_REMEDY = "give an e-mail address with its domain in lower case, such as status@example.com"
_IDENTITY = re.compile(r"arn:aws[a-z-]*:ses:(?P<region>[a-z0-9-]+):\d{12}:identity/(?P<name>[A-Za-z0-9@._+-]{3,253})")
_NAME = re.compile(r"[^\x00-\x1f\x7f\"<>@,;:\\\u2028\u2029]{1,60}")


@dataclass(frozen=True)
class MailSettings:
    """Who sends e-mail.

    Attributes:
        sender: the address in the header From.
        identity_arn: of the verified identity of SES that the address is of: its domain, or the address itself.
        name: shown next to the address; empty for none.
    """

    sender: str
    identity_arn: str
    name: str = ""

    @property
    def region(self) -> str:
        """The region of the identity, which sends."""
        return self.identity_arn.split(":")[3]

    @property
    def identity(self) -> str:
        """The identity: a domain, or an address."""
        return self.identity_arn.partition(":identity/")[2]


def read_mail(settings: SettingsReader, key: str = "mail") -> MailSettings | None:
    """Read the sender of a table; None without one.

    Args:
        settings: the table that has it.
        key: the sender's own table in it.

    Raises:
        Refused: a setting is wrong, or the address is not of the identity.
    """
    if key not in settings:
        return None
    table = settings.table(key)
    mail = MailSettings(
        sender=table.text("sender", matching=ADDRESS, remedy=ADDRESS_REMEDY),
        identity_arn=table.text(
            "identity_arn", matching=_IDENTITY, remedy="give the ARN of a verified identity of Amazon SES"
        ),
        name=table.optional_text("name", matching=_NAME, remedy=f"give a name of at most {MAX_NAME} characters") or "",
    )
    table.refuse_unknown_keys()
    if not is_of_identity(mail.sender, mail.identity):
        raise table.refused("sender", mail.sender, f"give an address of the identity {mail.identity}")
    return mail


def is_of_identity(address: str, identity: str) -> bool:
    """Return whether an identity may send for an address: it is the address, its domain, or a parent of its domain."""
    domain = address.rpartition("@")[2]
    return identity in {address, domain} or domain.endswith(f".{identity}")


def mail_table(mail: MailSettings) -> dict[str, str]:
    """Return a sender as its table of the settings."""
    return {"sender": mail.sender, "identity_arn": mail.identity_arn, **({"name": mail.name} if mail.name else {})}


def encode_mail(mail: MailSettings | None) -> str:
    """Return the sender as the text of an environment variable; empty without one."""
    return (
        "" if mail is None else json.dumps(mail_table(mail), separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    )


def decode_mail(text: str) -> MailSettings | None:
    """Return the sender that `encode_mail` encoded."""
    return read_mail(SettingsReader("", {"mail": json.loads(text)})) if text else None
