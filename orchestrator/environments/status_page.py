"""Settings of the status page: ``[….status_page]``. The table is optional."""

from __future__ import annotations

from orchestrator.domain.schema import EnvironmentRefused, SettingsReader
from orchestrator.domain.status_page.settings import (
    LARGEST_BYTES,
    StatusPageSettings,
    encode_status_page,
    read_status_page,
)


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


def refuse_unreachable_page(
    page: StatusPageSettings, environment: str, account: str | None, *, local: bool = False
) -> None:
    """Refuse an enabled page that could not be published.

    Args:
        page: the settings.
        environment: the environment's name.
        account: the environment's own account; None if the credentials decide.
        local: whether the environment is on the local cloud, which has no CloudFront.

    Raises:
        EnvironmentRefused: the environment is local; the page has an account, and the environment has none; or the page
            has no address.
    """
    if page.enabled and local:
        remedy = "leave it out: `orchestrator status-page serve` serves the page of the local cloud"
        raise EnvironmentRefused(f"{environment}.status_page.enabled", page.enabled, remedy)
    if page.enabled and not page.public_address:
        remedy = "give the address of the page, or its domain: feeds have absolute links"
        raise EnvironmentRefused(f"{environment}.status_page.address", page.address, remedy)
    if page.enabled and page.account and account is None:
        remedy = f"set {environment}.account, too: the page's bucket lets only that account write"
        raise EnvironmentRefused(f"{environment}.status_page.account", page.account, remedy)
