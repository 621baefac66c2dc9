"""A drill that cannot be cleaned up keeps no other from it, and no table out of the figures."""

from types import SimpleNamespace

import pytest

from orchestrator.domain.errors import Throttled
from orchestrator.event_handlers import clean_up_drills as handler
from orchestrator.event_handlers.steps import StepsFailed

NEWEST, OLDER = SimpleNamespace(id="dr-2"), SimpleNamespace(id="dr-1")


@pytest.fixture
def cloud(monkeypatch):
    """An environment with two drills; what was done is noted in `done`."""
    found = SimpleNamespace(done=[], failing="", drills=SimpleNamespace(newest_records=lambda _: [NEWEST, OLDER]))

    def step(name):
        def run(_cloud, recovery=None):
            known = recovery.id if recovery else name
            if found.failing == known:
                raise Throttled("the signing key is disabled")
            found.done.append(known)
            return [known] if name == "abandoned" else known

        return run

    monkeypatch.setattr(handler, "clean_up_recovery", step("recovery"))
    monkeypatch.setattr(handler, "clean_up_abandoned", step("abandoned"))
    monkeypatch.setattr(handler, "report_unused_tables", step("unused"))
    return found


def test_every_drill_what_belongs_to_none_and_unused_tables_are_looked_after(cloud):
    assert handler.clean_up_drills({"detail": {}}, cloud) == "dr-2; dr-1; abandoned; unused"


@pytest.mark.parametrize("failing", ["dr-2", "dr-1", "abandoned", "unused"])
def test_one_that_fails_keeps_no_other_from_it_and_fails_the_run(cloud, failing):
    cloud.failing = failing
    with pytest.raises(StepsFailed, match=r"Throttled: .*the signing key is disabled"):
        handler.clean_up_drills({"detail": {}}, cloud)
    assert {*cloud.done, failing} == {"dr-2", "dr-1", "abandoned", "unused"}
