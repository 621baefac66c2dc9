"""Settings of an environment's account, contacts and budget."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.domain.schema import EnvironmentRefused, SettingsReader
from orchestrator.domain.setting_rules import Text

AUDIENCES = ("operators", "clients", "security", "owners")
"""The audiences of notifications: operators, client developers, the security team, and the owners of the bill."""

MONTHLY_USD = (1, 1_000_000)

_ACCOUNT = re.compile(r"[0-9]{12}")
_ARN = re.compile(r"arn:aws:[a-z]+::?[a-z0-9-]*:?[0-9]{12}:.+")
_CONTACT = re.compile(r"[^@\s]+@[a-z0-9-]+(\.[a-z0-9-]+)+")
_OTHER_PROVIDERS = (
    "give an e-mail address here; a chat, a pager or a server of your own is an entry of [[….notifications]] "
    "(docs/guides/notifications.md): no chat confirms the subscription that an https address needs at SNS"
)


@dataclass(frozen=True)
class BudgetSettings:
    """The budget of an environment.

    Attributes:
        monthly_usd: the budget of a month.
        alert_percents: the percentages of it at which the owners are notified.
        anomaly_monitor: whether the stack creates a cost anomaly monitor, which only an account can that pays its own
            bill: the management account of an organization, or an account without one.
    """

    monthly_usd: int
    alert_percents: tuple[int, ...]
    anomaly_monitor: bool


def read_account(table: SettingsReader) -> str | None:
    """Read the only account that the stacks may be deployed to; None if the credentials decide."""
    return table.optional_text("account", matching=_ACCOUNT, remedy="give the account's 12 digits as a string")


def read_principals(table: SettingsReader, *keys: str) -> Mapping[str, tuple[str, ...]]:
    """Read lists of complete ARNs of roles and users, without wildcards, by their keys."""
    principals = {key: table.texts(key, described_by=Text(matching=_ARN)) for key in keys}
    for key, arns in principals.items():
        for arn in arns:
            if not _ARN.fullmatch(arn) or "*" in arn:
                raise EnvironmentRefused(table.field(key), arn, "give the complete ARN of one role or user")
    return principals


def read_contacts(table: SettingsReader) -> Mapping[str, tuple[str, ...]]:
    """Read e-mail addresses by audience; a missing audience has no addresses.

    Raises:
        EnvironmentRefused: an entry is no e-mail address, or is repeated: a topic and a budget take an address once.
    """
    address_form = Text(matching=_CONTACT)
    contacts = {audience: table.texts(audience, described_by=address_form) for audience in AUDIENCES}
    table.refuse_unknown_keys()
    for audience, addresses in contacts.items():
        for address in addresses:
            if not _CONTACT.fullmatch(address):
                remedy = _OTHER_PROVIDERS if address.startswith(("http:", "https:")) else "give an e-mail address"
                raise EnvironmentRefused(table.field(audience), address, remedy)
            if addresses.count(address) > 1:
                raise EnvironmentRefused(table.field(audience), address, "give each address of an audience once")
    return contacts


def read_budget(table: SettingsReader) -> BudgetSettings:
    """Read the table ``[….budget]``."""
    budget = BudgetSettings(
        monthly_usd=table.whole_number("monthly_usd", *MONTHLY_USD),
        alert_percents=table.whole_numbers("alert_percents", 1, 200),
        anomaly_monitor=table.flag("anomaly_monitor"),
    )
    table.refuse_unknown_keys()
    return budget
