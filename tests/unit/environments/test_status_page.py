"""The settings of the status page within an environment."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.domain.mail.settings import MailSettings
from orchestrator.domain.schema import EnvironmentRefused, SettingsReader
from orchestrator.domain.status_page.settings import StatusPageSettings
from orchestrator.environments import load, names
from orchestrator.environments.status_page import Home, read_page_settings, refuse_unreachable_page


def test_no_environment_has_a_status_page_unless_it_says_so():
    assert not [name for name in names() if load(name).status_page.enabled]


def test_settings_that_do_not_fit_into_a_function_s_variables_are_refused():
    components = [
        {"id": f"c-{number}", "name": "n" * 100, "text": "t" * 200, "functions": ["token"]} for number in range(8)
    ]
    table = SettingsReader("prod", {"status_page": {"components": components}})
    with pytest.raises(EnvironmentRefused, match="as a variable of a function they may have 1500"):
        read_page_settings(table)


PAGE = StatusPageSettings(enabled=True, address="https://status.example.com", region="eu-central-1")
HOME = Home("prod", "us-west-1")


def test_a_page_that_can_be_published_is_accepted():
    refuse_unreachable_page(PAGE, HOME)
    refuse_unreachable_page(replace(PAGE, account="210987654321"), replace(HOME, account="123456789012"))
    # Without `enabled` nothing is created, so nothing can be unreachable.
    refuse_unreachable_page(StatusPageSettings(account="210987654321"), replace(HOME, local=True))


def test_an_environment_that_has_moved_to_the_page_s_region_keeps_its_page():
    refuse_unreachable_page(PAGE, Home("prod", "eu-central-1", moved=True))


@pytest.mark.parametrize(
    ("page", "home", "message"),
    [
        ({}, {"local": True}, "prod.status_page.enabled: .*orchestrator status-page serve"),
        ({"address": ""}, {}, "prod.status_page.address: '' is refused: give the address"),
        ({"region": ""}, {}, "prod.status_page.region: '' is refused: name another region than us-west-1"),
        ({"region": "us-west-1"}, {}, "name another region than us-west-1"),
        ({"account": "210987654321"}, {}, "set prod.account, too"),
    ],
)
def test_a_page_that_could_not_be_published_or_would_be_lost_is_refused(page, home, message):
    with pytest.raises(EnvironmentRefused, match=message):
        refuse_unreachable_page(replace(PAGE, **page), replace(HOME, **home))


def test_the_sender_to_subscribers_is_in_the_page_s_region_so_that_it_sends_while_home_is_lost():
    sender = MailSettings("status@example.com", "arn:aws:ses:us-west-1:123456789012:identity/example.com")
    page = StatusPageSettings(
        enabled=True, address="https://status.example.com", region="eu-central-1", subscribers=sender
    )
    with pytest.raises(
        EnvironmentRefused, match=r"prod.status_page.subscribers.identity_arn: .* is refused: verify the"
    ):
        refuse_unreachable_page(page, Home("prod", "us-west-1"))
