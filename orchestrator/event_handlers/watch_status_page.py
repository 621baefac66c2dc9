"""A minute has passed in the status page's own region: if no one checks the page any more, say so on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.application.cloud import Cloud
from orchestrator.application.status_page.watch import watch_page
from orchestrator.event_handlers.runtime import event_handler


def watch_status_page(_event: Mapping[str, Any], cloud: Cloud) -> str:
    """Write the page as stale if it is; return what was done.

    Raises:
        Refused: the bucket cannot be written, or holds a page of another version.
        Throttled, Unreachable: S3 did not answer. The next minute tries again.
    """
    return watch_page(cloud)


handler = event_handler(watch_status_page)
