"""Templates of every environment, synthesised once a session: what is slow is starting jsii, not looking at templates."""

import dataclasses

import pytest

import environments
from environments.pipeline import PipelineSettings
from environments.watching import OWN_BOUNDARY
from tests.infrastructure.templates import ENVIRONMENTS, Synthesised, synthesise


def pytest_collection_modifyitems(items):
    for item in items:
        if "tests/infrastructure" in item.path.as_posix():
            item.add_marker(pytest.mark.xdist_group("infrastructure"))


@pytest.fixture(scope="session")
def synthesised(tmp_path_factory):
    """`synthesised(name)` is an environment as synthesised."""
    known = {}

    def of(name: str) -> Synthesised:
        if name not in known:
            known[name] = synthesise(tmp_path_factory.mktemp(name), environments.load(name))
        return known[name]

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
def everything_on(tmp_path_factory):
    """Staging with everything that guards an account switched on, its own boundary among it."""
    environment = environments.load("staging")
    guarding = {"guard_duty": True, "config_rules": True, "permission_boundary": OWN_BOUNDARY}
    security = dataclasses.replace(environment.security, **guarding)
    pipeline = PipelineSettings("owner/name", "staging", None)
    environment = dataclasses.replace(environment, security=security, pipeline=pipeline)
    return synthesise(tmp_path_factory.mktemp("guarded"), environment)
