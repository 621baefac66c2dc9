"""One local environment for all tests at the API's edge: no test here changes what is deployed."""

from __future__ import annotations

import pytest

from orchestrator.local.stage import stage


@pytest.fixture(scope="session")
def api(tmp_path_factory):
    """The API's address, with its stage; every role is held to its policies."""
    with stage(tmp_path_factory.mktemp("local"), seed=7) as here:
        here.local.enforce_policies(True)
        yield here.api_url
