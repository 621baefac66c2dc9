"""One local environment for all tests at the API's edge: no test here changes what is deployed."""

from __future__ import annotations

import pytest

from orchestrator.local.stage import stage


@pytest.fixture(scope="session")
def here(tmp_path_factory):
    """The environment; every role is held to its policies."""
    with stage(tmp_path_factory.mktemp("local"), seed=7) as here:
        here.local.enforce_policies(True)
        yield here


@pytest.fixture
def api(here):
    """The API's address, with its stage."""
    return here.api_url
