"""The item schema versions that this release writes and reads, as `/version` reports them.

A deployment that would lose logins is rejected by them. Two adjacent releases serve the same items, while traffic is
shifted and after a rollback. An item schema therefore grows by adding attributes, which does not change its version.
Any
other change takes three releases: one that also reads the next version, one that writes it, and one that no longer
reads the first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

WRITES: Final = 1
READS: Final = (1,)
_FIRST: Final = 1


class ItemSchemaUnknown(Exception):
    """An item has a schema version that this release does not read."""


def check_readable(item: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return an item unchanged, or None if there is none. Raises ItemSchemaUnknown.

    An item without a schema version has the first one: the revocation epoch, which the orchestrator writes, has none.
    """
    if item is not None:
        version = int(item["schema"]["N"]) if "schema" in item else _FIRST
        if version not in READS:
            readable = ", ".join(map(str, READS))
            raise ItemSchemaUnknown(f"an item has the schema version {version}; this release reads {readable}")
    return item
