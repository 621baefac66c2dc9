"""Whom an environment belongs to: its account, who is told what, and what it may cost."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from environments.tables import EnvironmentRefused, Table

AUDIENCES = ("operators", "clients", "security", "owners")
"""Who is told what: whoever runs the service, whoever uses it, whoever guards it, whoever pays for it."""

MONTHLY_USD = (1, 1_000_000)

_ACCOUNT = re.compile(r"[0-9]{12}")
_ARN = re.compile(r"arn:aws[a-z-]*:[a-z]+::?[a-z0-9-]*:?[0-9]{12}:.+")
_CONTACT = re.compile(r"[^@\s]+@[a-z0-9-]+(\.[a-z0-9-]+)+|https://[a-z0-9-]+(\.[a-z0-9-]+)+(:[0-9]+)?(/\S*)?")


@dataclass(frozen=True)
class BudgetSettings:
    """What a month may cost, and at which shares of that the owners are told."""

    monthly_usd: int
    alert_percents: tuple[int, ...]


def read_account(table: Table) -> str | None:
    """Take the account in which alone the stacks may be deployed; None where the credentials decide."""
    return table.optional_text("account", matching=_ACCOUNT, remedy="give the twelve digits of an account, as a text")


def read_principals(table: Table, key: str) -> tuple[str, ...]:
    """Take ARNs of roles and users, each named whole."""
    arns = table.texts(key)
    for arn in arns:
        if not _ARN.fullmatch(arn) or "*" in arn:
            raise EnvironmentRefused(table.field(key), arn, "give the whole ARN of one role or user")
    return arns


def read_contacts(table: Table) -> Mapping[str, tuple[str, ...]]:
    """Take e-mail and https addresses by audience; an audience that is not named has none."""
    contacts = {audience: table.texts(audience) for audience in AUDIENCES}
    table.end()
    for audience, addresses in contacts.items():
        for address in addresses:
            if not _CONTACT.fullmatch(address):
                raise EnvironmentRefused(table.field(audience), address, "give an e-mail address or an https address")
    return contacts


def read_budget(table: Table) -> BudgetSettings:
    """Take the budget."""
    budget = BudgetSettings(table.whole("monthly_usd", *MONTHLY_USD), table.wholes("alert_percents", 1, 200))
    table.end()
    return budget
