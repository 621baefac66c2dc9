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


def refuse_unreachable_page(page: StatusPageSettings, environment: str, account: str | None) -> None:
    """Refuse an enabled page in another account whose bucket policy could not name the publishing account.

    Args:
        page: the settings.
        environment: the environment's name.
        account: the environment's own account; None if the credentials decide.

    Raises:
        EnvironmentRefused: the page has an account, and the environment has none.
    """
    if page.enabled and page.account and account is None:
        remedy = f"set {environment}.account, too: the page's bucket lets only that account write"
        raise EnvironmentRefused(f"{environment}.status_page.account", page.account, remedy)
