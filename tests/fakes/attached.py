"""Tables on which nothing depends, unless a test says what does."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.domain.recovery.attachments import Attachments


class NothingAttached:
    """What depends on tables: nothing, apart from what a test puts into `attached`, by table."""

    def __init__(self) -> None:
        self.attached: dict[str, Attachments | Exception] = {}

    def read_attachments(self, tables: Sequence[tuple[str, str]]) -> list[Attachments]:
        found = [self.attached.get(name, Attachments()) for name, _ in tables]
        for one in found:
            if isinstance(one, Exception):
                raise one
        return [one for one in found if not isinstance(one, Exception)]
