"""One local environment for all tests at the API's edge: no test here changes what is deployed."""

from __future__ import annotations

import pytest

from orchestrator.local.deployed_environment import local_environment


@pytest.fixture(scope="session")
def here(tmp_path_factory):
    """The environment; every role is held to its policies."""
    with local_environment(tmp_path_factory.mktemp("local"), seed=7) as here:
        here.local.enforce_policies(True)
        yield here


@pytest.fixture
def api(here):
    """The API's address, with its stage."""
    return here.api_url
