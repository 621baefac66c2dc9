"""The world of a failover."""

from types import SimpleNamespace

import pytest

from tests.workflow.failovers import FailoverWorld
from tests.workflow.world import inhabited


@pytest.fixture
def world():
    with inhabited(FailoverWorld(SimpleNamespace(stop=None, answer=None, connect=lambda *_: None), "fo-1")) as found:
        yield found
