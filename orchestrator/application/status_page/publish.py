"""Publish the status page: decide it, record the observation, and write the files if a reader would see a change.

Two writers may work at the same time. The record has a version, and its digest is of the files that were written last:
it is empty while a writer writes, and is set afterwards only if no other writer began meanwhile. So the newest page wins,
and a writer that dies leaves an empty digest, after which the next one writes everything again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from orchestrator.application.cloud import Cloud
from orchestrator.application.status_page.collect import page_settings, read_inputs
from orchestrator.application.status_page.site import SiteFile, render_site, site_digest
from orchestrator.domain.errors import Refused, Throttled
from orchestrator.domain.status_page.history import PageRecord
from orchestrator.domain.status_page.page import StatusPage, decide_page

ATTEMPTS = 5
REWRITTEN_AFTER = timedelta(minutes=4)
"""An unchanged page is written again after this time, so that it says that it is still checked. It is written as a whole:
that replaces what a writer left behind that was overtaken and died."""


@dataclass(frozen=True)
class Publication:
    """What was published: the page, and the paths of the files that were written."""

    page: StatusPage
    written: tuple[str, ...]


def read_page(cloud: Cloud, address: str) -> StatusPage:
    """Return the page as it is now, without recording or writing anything.

    Args:
        cloud: the environment.
        address: where the page is read, without a trailing slash.
    """
    return _decide(cloud, address)[0]


def observe_page(cloud: Cloud, address: str) -> StatusPage:
    """Return the page as it is now, and record the states of its components in its history.

    Args:
        cloud: the environment.
        address: where the page is read, without a trailing slash.
    """
    page, record = _decide(cloud, address)
    # Another writer was faster: it has recorded the same moment.
    cloud.status_pages.save_record(record)
    return page


def public_address(cloud: Cloud) -> str:
    """Return the address of the page.

    Raises:
        Refused: the settings name none.
    """
    address = page_settings(cloud).public_address
    if not address:
        field = f"{cloud.environment}.status_page.address"
        raise Refused(field, "", "give the address of the page, or its domain: feeds have absolute links")
    return address


def publish_page(cloud: Cloud) -> Publication:
    """Decide the page, record the observation, and write the files that changed.

    Args:
        cloud: the environment.

    Raises:
        Refused: the settings name no address, or the bucket cannot be written.
        Throttled: other writers were always faster. The next run writes the page.
        Unreachable: the ledger or S3 did not answer.
    """
    address, was_overtaken = public_address(cloud), False
    for _ in range(ATTEMPTS):
        page, record = _decide(cloud, address)
        digest = site_digest(page)
        recent = record.published_at is not None and page.at - record.published_at < REWRITTEN_AFTER
        if digest == record.digest and recent and not was_overtaken:
            if cloud.status_pages.save_record(record):
                return Publication(page, ())
            continue
        started = cloud.status_pages.save_record(replace(record, digest=""))
        if started is None:
            continue
        files = render_site(page, page.at)
        write_files(cloud, files)
        if cloud.status_pages.save_record(replace(started, digest=digest, published_at=page.at)):
            return Publication(page, tuple(one.path for one in files))
        # Another writer has written in the meantime, and files of ours may have replaced newer ones.
        was_overtaken = True
    raise Throttled(f"the status page was not published in {ATTEMPTS} attempts: other writers were always faster")


def write_files(cloud: Cloud, files: Sequence[SiteFile]) -> None:
    """Write files of the site into its bucket, in their order."""
    for one in files:
        cloud.site_bucket.write_file(one.path, one.content_type, one.content)


def _decide(cloud: Cloud, address: str) -> tuple[StatusPage, PageRecord]:
    settings, record = page_settings(cloud), cloud.status_pages.read_record()
    inputs = read_inputs(cloud, settings, record)
    return decide_page(settings, address, cloud.environment, inputs, record, cloud.now())
