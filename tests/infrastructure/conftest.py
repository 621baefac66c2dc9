"""Templates of every environment, synthesised once per test session. Synthesis takes seconds; a test of templates does not."""

import dataclasses
import os

import pytest

from orchestrator import environments
from tests.infrastructure.rule_packs import add_packs
from tests.infrastructure.templates import (
    ENVIRONMENTS,
    FAILOVER,
    HOME_REGION,
    OTHER_REGION,
    Assemblies,
    Synthesised,
    changed,
    paired,
    with_everything,
)


@pytest.fixture(scope="session")
def assemblies(tmp_path_factory):
    """The assemblies that all workers of this session share."""
    base = tmp_path_factory.getbasetemp()
    return Assemblies((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "assemblies")


@pytest.fixture(scope="session")
def synthesised(assemblies):
    """`synthesised(name)` is an environment as synthesised. That of an account has the rule packs' report."""

    def of(name: str) -> Synthesised:
        environment = environments.load(name)
        return assemblies.of(environment, prepare=None if environment.local else add_packs)

    return of


@pytest.fixture(params=ENVIRONMENTS)
def every(request, synthesised):
    """Each environment in turn."""
    return synthesised(request.param)


@pytest.fixture
def local(synthesised):
    return synthesised("local")


@pytest.fixture
def prod(synthesised):
    return synthesised("prod")


@pytest.fixture(scope="session")
def everything_on(assemblies):
    """Staging with everything that an environment can have switched on, its own boundary and network among it."""
    return assemblies.of(with_everything("staging"))


@pytest.fixture(scope="session")
def elsewhere(assemblies):
    """`elsewhere(name)` is an environment with everything switched on, after it lost its region: its tables are restored."""

    def of(name: str) -> Synthesised:
        moved = dataclasses.replace(with_everything(name), region=OTHER_REGION, lost_region=HOME_REGION)
        tables = {f"{role}_table": f"ib-oauth-restored-{FAILOVER}-{role}-{name}" for role in ("state", "tokens")}
        return assemblies.of(changed(moved, **tables))

    return of


@pytest.fixture(scope="session")
def home(assemblies):
    """The home region of an environment with everything switched on and a standby region."""
    return assemblies.of(paired())


@pytest.fixture(scope="session")
def standby(assemblies):
    return assemblies.of(paired().in_standby_region())


@pytest.fixture(params=[*ENVIRONMENTS, "everything_on", "home", "standby"])
def each(request, synthesised):
    """Each environment in turn, and those of other tests that have stacks and alarms which no environment has."""
    return synthesised(request.param) if request.param in ENVIRONMENTS else request.getfixturevalue(request.param)
