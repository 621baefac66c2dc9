"""The site that subscribers have subscribed to: its settings, and the key of its links."""

from __future__ import annotations

from orchestrator.application.cloud import LOCAL, Cloud
from orchestrator.application.status_page.collect import page_settings
from orchestrator.domain.subscribers.messages import Site


def site_of(cloud: Cloud) -> Site:
    """Return the site. Its key signs; the key before it is still accepted by `accepted_keys`.

    Raises:
        Throttled, Unreachable: Secrets Manager did not answer.
    """
    settings = page_settings(cloud)
    return Site(settings.title, cloud.settings["STATUS_ADDRESS"], cloud.link_keys.read_keys()[0])


def is_local(cloud: Cloud) -> bool:
    """Return whether the page is served on this machine, where a webhook may have an address of it."""
    return cloud.environment == LOCAL
