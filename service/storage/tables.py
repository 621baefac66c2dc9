"""The tables of the service: the only list of them.

`/health/deep` checks every table in it, and the stack gives the function that answers the variable and the permission
for each. A test compares the list with the tables of the stack, so a new table cannot be forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_TABLE: Final = "none"
"""Value of a table's variable for a drill, which has no such table."""


@dataclass(frozen=True)
class Table:
    """A table. variable: the environment variable with its name; probed_key: the key that a health check reads."""

    variable: str
    probed_key: str


HEALTH_KEY: Final = "health"
"""A key without an item."""

TABLES: Final[Mapping[str, Table]] = {
    "state": Table("STATE_TABLE", HEALTH_KEY),
    "tokens": Table("TOKENS_TABLE", "epoch"),
    "keys": Table("KEYS_TABLE", "ring"),
    "revocations": Table("REVOCATIONS_TABLE", HEALTH_KEY),
}
"""Every table, by its role."""


def read_names(variables: Mapping[str, str]) -> Mapping[str, str]:
    """Return the tables' names by role, as the variables have them; empty for a variable that is not set."""
    return {role: variables.get(table.variable, "") for role, table in TABLES.items()}
