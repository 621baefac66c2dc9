"""The settings of the status page within an environment."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.domain.schema import EnvironmentRefused, SettingsReader
from orchestrator.domain.status_page.settings import StatusPageSettings
from orchestrator.environments import load, names
from orchestrator.environments.status_page import read_page_settings, refuse_unreachable_page


def test_no_environment_has_a_status_page_unless_it_says_so():
    assert not [name for name in names() if load(name).status_page.enabled]


def test_settings_that_do_not_fit_into_a_function_s_variables_are_refused():
    components = [
        {"id": f"c-{number}", "name": "n" * 100, "text": "t" * 200, "functions": ["token"]} for number in range(8)
    ]
    table = SettingsReader("prod", {"status_page": {"components": components}})
    with pytest.raises(EnvironmentRefused, match="as a variable of a function they may have 1500"):
        read_page_settings(table)


def test_a_page_in_another_account_needs_the_environment_s_own():
    page = StatusPageSettings(enabled=True, account="210987654321", address="https://status.example.com")
    refuse_unreachable_page(page, "prod", "123456789012")
    refuse_unreachable_page(replace(page, account=""), "prod", None)
    refuse_unreachable_page(StatusPageSettings(account="210987654321"), "prod", None, local=True)
    with pytest.raises(EnvironmentRefused, match=r"set prod.account, too"):
        refuse_unreachable_page(page, "prod", None)


def test_an_enabled_page_needs_an_address_and_is_not_for_the_local_cloud():
    with pytest.raises(EnvironmentRefused, match=r"prod.status_page.address: '' is refused: give the address"):
        refuse_unreachable_page(StatusPageSettings(enabled=True), "prod", None)
    page = StatusPageSettings(enabled=True, address="https://status.example.com")
    with pytest.raises(EnvironmentRefused, match="orchestrator status-page serve"):
        refuse_unreachable_page(page, "local", None, local=True)
