"""Templates of every environment, synthesised once a session: what is slow is starting jsii, not looking at templates."""

import pytest

import environments
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
