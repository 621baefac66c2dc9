"""Something may have changed a state, or a minute has passed: decide the status page, and write it if it changed.

The handler reads everything again, so a late, repeated or reordered event does no harm. It is a function of its own, not a
part of `reconcile`: no page may delay a rollback, and only this function may write to the page's bucket.

`watch` is another function's handler: in the page's own stack, it says that the page is not published any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.application.cloud import Cloud
from orchestrator.application.status_page.publish import publish_page
from orchestrator.application.status_page.watch import watch_page
from orchestrator.event_handlers.runtime import event_handler


def publish_status_page(_event: Mapping[str, Any], cloud: Cloud) -> str:
    """Publish the page; return its state, and how many files were written.

    Raises:
        Refused: the bucket cannot be written.
        Throttled, Unreachable: the ledger or S3 did not answer. The next minute tries again.
    """
    published = publish_page(cloud)
    return f"the page is {published.page.state}, {len(published.written)} files written"


def watch_status_page(_event: Mapping[str, Any], cloud: Cloud) -> str:
    """Write the page as stale if it is; return what was done. It needs nothing of the environment but the page's bucket.

    Raises:
        Refused: the bucket cannot be written, or holds a page of another version.
        Throttled, Unreachable: S3 did not answer. The next minute tries again.
    """
    return watch_page(cloud)


handler = event_handler(publish_status_page)
watch = event_handler(watch_status_page)
