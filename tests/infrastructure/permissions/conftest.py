"""Production as its templates deploy it: at home, at home with everything switched on, and after the loss of its region."""

import pytest

from tests.infrastructure.permissions import recorded
from tests.infrastructure.permissions.deployed import DeployedEnvironment
from tests.infrastructure.permissions.replay import calls_in, replay
from tests.infrastructure.templates import HOME_REGION, OTHER_REGION, with_everything

HOME, EVERYTHING, ELSEWHERE = "prod", "prod with everything on", "prod elsewhere"
"""Everything on: with its own permissions boundary and network. So is production elsewhere, whose tables are restored."""


@pytest.fixture(scope="session")
def deployments(synthesised, assemblies, elsewhere):
    """The deployments of production, by name."""
    return {
        HOME: DeployedEnvironment("prod", synthesised("prod").files, HOME_REGION),
        EVERYTHING: DeployedEnvironment("prod", assemblies.of(with_everything("prod")).files, HOME_REGION),
        ELSEWHERE: DeployedEnvironment("prod", elsewhere("prod").files, OTHER_REGION),
    }


@pytest.fixture(scope="session", params=[HOME, EVERYTHING, ELSEWHERE])
def deployed(request, deployments):
    """Each deployment in turn."""
    return deployments[request.param]


@pytest.fixture(scope="session")
def replayed(deployments):
    """`replayed(deployed)` is what IAM decides in a deployment about every call; decided once."""
    known = {}

    def of(deployed):
        if id(deployed) not in known:
            known[id(deployed)] = replay(deployed, calls_in(deployed, recorded.read()))
        return known[id(deployed)]

    return of


@pytest.fixture
def outcomes(deployed, replayed):
    """What IAM decides about every call in each deployment in turn."""
    return replayed(deployed)
