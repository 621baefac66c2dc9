"""Settings of the status page: ``[….status_page]``. The table is optional."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.domain.schema import EnvironmentRefused, SettingsReader
from orchestrator.domain.status_page.settings import (
    LARGEST_BYTES,
    StatusPageSettings,
    encode_status_page,
    read_status_page,
)


@dataclass(frozen=True)
class Home:
    """The environment that a page belongs to.

    Attributes:
        name: its name.
        region: its region.
        account: None if the credentials decide.
        local: whether it is on the local cloud, which has no CloudFront.
        moved: whether it is in another region after a failover.
    """

    name: str
    region: str
    account: str | None = None
    local: bool = False
    moved: bool = False


def read_page_settings(table: SettingsReader) -> StatusPageSettings:
    """Read the status page of an environment.

    Raises:
        EnvironmentRefused: a setting is wrong, or all of them together are too long for a function's variables.
    """
    page = read_status_page(table)
    size = len(encode_status_page(page).encode())
    if size > LARGEST_BYTES:
        remedy = f"give fewer or shorter components: as a variable of a function they may have {LARGEST_BYTES}"
        raise EnvironmentRefused(table.field("status_page"), f"{size} bytes", remedy)
    return page


def refuse_unreachable_page(page: StatusPageSettings, home: Home) -> None:
    """Refuse an enabled page that could not be published, or that would be lost together with its environment.

    Args:
        page: the settings.
        home: the environment.

    Raises:
        EnvironmentRefused: the environment is local; the page has no address; its region is not given, or is the
            environment's, before a failover; or it has an account, and the environment has none.
    """
    if not page.enabled:
        return
    field = f"{home.name}.status_page"
    if home.local:
        remedy = "leave it out: `orchestrator status-page serve` serves the page of the local cloud"
        raise EnvironmentRefused(f"{field}.enabled", page.enabled, remedy)
    if not page.public_address:
        remedy = "give the address of the page, or its domain: feeds have absolute links"
        raise EnvironmentRefused(f"{field}.address", page.address, remedy)
    # After a failover the environment may have moved to the page's region; the page stays where it is.
    if not page.region or (page.region == home.region and not home.moved):
        remedy = f"name another region than {home.region}: the page must stand when that is lost"
        raise EnvironmentRefused(f"{field}.region", page.region, remedy)
    if page.subscribers and page.subscribers.region != page.region:
        remedy = (
            f"verify the identity in {page.region}: the page's stack sends, so that it does while {home.region} is lost"
        )
        raise EnvironmentRefused(f"{field}.subscribers.identity_arn", page.subscribers.identity_arn, remedy)
    if page.account and home.account is None:
        remedy = f"set {home.name}.account, too: the page's bucket lets only that account write"
        raise EnvironmentRefused(f"{field}.account", page.account, remedy)
