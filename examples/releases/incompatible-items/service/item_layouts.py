"""Which layouts of items this release writes and reads: `/version` tells them, and a deployment is refused that would lose logins.

Two adjacent releases serve the same items, while traffic is shifted and after a rollback. So a layout grows by adding
attributes, which changes nothing here. What cannot be done by adding takes three releases: one that reads the next layout as
well, one that writes it, and one that no longer reads the first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

WRITES: Final = 2
READS: Final = (1, 2)
_FIRST: Final = 1


class LayoutUnknown(Exception):
    """An item of a layout that this release does not read. What it may mean is not guessed at."""


def readable(item: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return an item as it is, or None where there is none. Raises LayoutUnknown.

    An item that does not say its layout is of the first: the revocation epoch, which is not ours to write, says none.
    """
    if item is not None:
        layout = int(item["schema"]["N"]) if "schema" in item else _FIRST
        if layout not in READS:
            told = ", ".join(map(str, READS))
            raise LayoutUnknown(f"an item of layout {layout}; this release reads {told}")
    return item
