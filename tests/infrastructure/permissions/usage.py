"""Which grants of an environment no call uses, and the table of reasons for them (unused_grants.toml)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from tests.infrastructure.permissions.deployed import DeployedEnvironment, Role, listed
from tests.infrastructure.permissions.reference import actions_matching, supports
from tests.infrastructure.permissions.replay import Outcome

LEDGER = ("Ledger", "LedgerKey")
"""Sids of the statements that every function of the orchestrator has. Their actions are looked at apart from those on other
tables and keys, and are named with the Sid."""
TABLE = Path(__file__).with_name("unused_grants.toml")


@dataclass(frozen=True, order=True)
class Grant:
    """What a role may do: an action, or a resource of a statement.

    Attributes:
        role: without the prefix of the product and the environment.
        what: an action, or the resource of a statement without account, region and environment.
    """

    role: str
    what: str


@dataclass(frozen=True)
class Row:
    """A row of the table: which grants are unused, and why they exist."""

    roles: tuple[str, ...]
    grants: tuple[str, ...]
    reason: str

    def covers(self, grant: Grant) -> bool:
        """Return whether the row is about a grant. Roles are patterns; of the grants, ``*`` alone stands for all."""
        return any(fnmatchcase(grant.role, role) for role in self.roles) and bool({grant.what, "*"} & {*self.grants})


def read_table(file: Path = TABLE) -> list[Row]:
    """Return the rows of the table."""
    rows = tomllib.loads(file.read_text(encoding="utf-8"))["unused"]
    return [Row(tuple(row["roles"]), tuple(row["grants"]), row["reason"]) for row in rows]


def unused_grants(
    deployed: DeployedEnvironment, outcomes: Iterable[Outcome], roles: Iterable[Role] | None = None
) -> set[Grant]:
    """Return the actions that a role may do and none of its calls does, and the resources that none of them is about.

    Args:
        deployed: the environment.
        outcomes: the answers to all calls.
        roles: instead of the environment's own.
    """
    used = {
        (outcome.call.role, match.statement, match.action, match.resource)
        for outcome in outcomes
        for match in outcome.answer.matches
    }
    actions = {(role, action) for role, _, action, _ in used}
    statements = {(role, index, action) for role, index, action, _ in used}
    resources = {(role, index, resource) for role, index, _, resource in used}
    found = set()
    for role in roles or deployed.roles.values():
        for index, statement in enumerate(role.statements):
            if statement["Effect"] != "Allow":
                continue
            of_ledger = statement.get("Sid") if statement.get("Sid") in LEDGER else None
            for action in listed(statement["Action"]):
                if of_ledger and (role.name, index, action) not in statements:
                    found.add(Grant(deployed.short_name(role.name), f"{of_ledger}: {action}"))
                elif not of_ledger and (role.name, action) not in actions:
                    found.add(Grant(deployed.short_name(role.name), action))
            for resource in _authorizable(statement):
                if (role.name, index, resource) not in resources:
                    found.add(Grant(deployed.short_name(role.name), general(deployed, resource)))
    return found


def _authorizable(statement: Mapping[str, Any]) -> list[str]:
    """Return the resources of a statement that one of its actions can be authorized on, apart from all resources."""
    actions = [action for pattern in listed(statement["Action"]) for action in actions_matching(pattern)]
    named = [one for one in listed(statement["Resource"]) if one != "*"]
    return [one for one in named if any(supports(action, one) for action in actions)]


def general(deployed: DeployedEnvironment, resource: str) -> str:
    """Return an ARN as the table names it: without partition, account, region and environment."""
    text = re.sub(r"^arn:aws:([\w-]*):[\w-]*:\d*:", r"\1:", resource)
    text = text.replace(f"-{deployed.account}", "").replace(f"-{deployed.region}", "")
    return re.sub(rf"-{deployed.name}(?![\w])", "", text)
