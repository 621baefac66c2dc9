"""Watch the status page from its own stack: if it is not checked any more, write that its states are not known.

It needs nothing of the environment, whose region may be lost: the page's bucket has the page as a value. The orchestrator
may write at the same moment. What was overtaken writes the newer page again, so the newest one wins.
"""

from __future__ import annotations

import msgspec

from orchestrator.application.cloud import Cloud
from orchestrator.application.status_page.publish import write_files
from orchestrator.application.status_page.site import STATE, render_site
from orchestrator.domain.errors import Refused, Throttled
from orchestrator.domain.status_page.page import StatusPage
from orchestrator.domain.status_page.stale_page import is_stale, stale_page
from orchestrator.domain.subscribers.announcements import ANNOUNCEMENTS

ATTEMPTS = 5
_KEPT = frozenset({STATE, ANNOUNCEMENTS})
"""What a stale page leaves as it is: the last page that was checked, and what was announced."""


def watch_page(cloud: Cloud) -> str:
    """Write the page as stale if it is; return what was done.

    Args:
        cloud: the environment. Only its bucket of the page is used.

    Raises:
        Refused: the bucket cannot be written, or holds a page of another version.
        Throttled: other writers were always faster. The next minute tries again.
        Unreachable: S3 did not answer.
    """
    was_overtaken = False
    for _ in range(ATTEMPTS):
        content = cloud.site_bucket.read_file(STATE)
        if not content:
            return "no page was published yet"
        page = _decode(content)
        now = cloud.now()
        if is_stale(page, now):
            said = f"the page was checked last at {page.at:%H:%M:%S} UTC: its states are not known"
            files = [file for file in render_site(stale_page(page, now), page.at) if file.path not in _KEPT]
        elif was_overtaken:
            said, files = "the page is checked again", list(render_site(page, page.at))
        else:
            return f"the page was checked at {page.at:%H:%M:%S} UTC"
        write_files(cloud, files)
        if cloud.site_bucket.read_file(STATE) == content:
            return said
        was_overtaken = True
    raise Throttled(f"the status page was not written in {ATTEMPTS} attempts: the orchestrator was always faster")


def _decode(content: bytes) -> StatusPage:
    try:
        return msgspec.json.decode(content, type=StatusPage)
    except msgspec.MsgspecError as error:
        remedy = "deploy the stack of the page and the orchestrator from one commit"
        raise Refused(STATE, str(error), remedy) from error
