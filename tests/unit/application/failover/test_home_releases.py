"""Which release a failover publishes: what the home region serves, and what it rolled back."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest

from orchestrator.application.failover.announcing import ask_for_approval
from orchestrator.application.failover.releases import record_home_release
from orchestrator.application.failover.switching import deploy_release
from orchestrator.domain.errors import Refused
from orchestrator.domain.failover.issuing_region import IssuingAssignment
from orchestrator.event_handlers.standby import record_home_release as recording_handler
from tests.fakes.errors import client_error
from tests.unit.application.failover.scenes import at_home, internal_error, opened, serve_at_home
from tests.workflow.failovers import HOME


def released(world):
    return {
        name: world.plane.functions[name].versions[world.plane.routing(name)[0]]["CodeSha256"]
        for name in world.plane.functions
    }


def put_latest(world, code):
    """Deploy the stacks of a release here: they change only `$LATEST`."""
    for name in world.plane.functions:
        world.plane.change(name, code)


@pytest.mark.parametrize(
    ("served", "words"),
    [
        (("code-1", "code-2", "code-1"), "which us-east-2 rolled back to code-1"),
        (("code-1",), "which us-east-2 never served: it serves code-1"),
    ],
)
def test_a_release_that_the_home_region_rolled_back_is_planned_by_name_and_not_published(world, served, words):
    serve_at_home(world, *served)
    put_latest(world, "code-2")
    read = opened(world)
    assert words in read.failover.release.described(HOME)
    before = released(world)
    with pytest.raises(Refused, match=f"{words}.*deploy the stacks of code-1 to us-west-1, then resume"):
        deploy_release(read, world.cloud)
    assert released(world) == before

    put_latest(world, "code-1")
    progress = deploy_release(read, world.cloud)
    assert "code-1, which us-east-2 serves, as recorded at" in progress.result
    assert "the approvers saw code-2" in progress.result
    assert set(released(world).values()) == {"code-1"}


@pytest.mark.parametrize(
    ("served", "words"),
    [(("code-1",), "serves"), (("code-1", "code-2"), "served before code-2"), ((), "was never recorded")],
)
def test_a_release_that_the_home_region_served_is_published_and_named_with_the_record(world, served, words):
    serve_at_home(world, *served)
    progress = deploy_release(opened(world), world.cloud)
    assert words in progress.result
    assert "the approvers saw" not in progress.result


def test_a_release_that_another_client_changes_while_it_is_published_is_refused(world):
    read, plan = opened(world), world.cloud.versions.describe_version

    def changed(name):
        return replace(plan(name), code_sha256="code-9")

    vars(world.cloud)["versions"] = SimpleNamespace(describe_version=changed)
    with pytest.raises(Refused, match="it was code-1 a moment ago"):
        deploy_release(read, world.cloud)


def test_the_approvers_read_which_release_it_would_publish(world):
    serve_at_home(world, "code-1", "code-2", "code-1")
    put_latest(world, "code-2")
    ask_for_approval(opened(world).failover, world.cloud)
    ((_, _, text),) = world.topics.published
    assert "It publishes the release code-2, which us-east-2 rolled back to code-1, as recorded at" in text


def test_what_the_home_region_serves_is_recorded_until_it_is_lost_or_replaced(world, monkeypatch):
    serve_at_home(world, "code-1")
    recorded = world.cloud.failovers.read_home_releases().releases
    lost = SimpleNamespace(get_function_configuration=internal_error)
    assert "could not be read" in record_home_release(world.cloud, lambda _: lost)
    empty = SimpleNamespace(get_function_configuration=_absent)
    assert "no function has the alias live" in record_home_release(world.cloud, lambda _: empty)
    assert world.cloud.failovers.read_home_releases().releases == recorded

    monkeypatch.setattr("orchestrator.application.failover.releases.client_in", lambda *_: at_home("code-2"))
    assert recording_handler.handler({"id": "e"}, None)["answer"] == "us-east-2 serves code-2"
    read = world.cloud.failovers.read_assignment()
    active = IssuingAssignment(2, "us-west-1", active=True, failover="fo-1")
    world.cloud.failovers.commit(opened(world), world.failover, (read, active))
    assert recording_handler.handler({"id": "e"}, None)["answer"] == "not recorded: us-west-1 issues the tokens"


def test_a_late_run_does_not_replace_what_a_later_one_recorded(world, monkeypatch):
    store = world.cloud.failovers
    serve_at_home(world, "code-1")
    late = store.read_home_releases()
    serve_at_home(world, "code-2")
    monkeypatch.setattr(store, "read_home_releases", lambda: late)
    assert "another run" in record_home_release(world.cloud, lambda _: at_home("code-1"))
    monkeypatch.undo()
    read = store.read_home_releases()
    store.write_home_releases(read, replace(read.releases, seen_at=world.clock.now() + timedelta(seconds=1)))
    assert "a later run" in record_home_release(world.cloud, lambda _: at_home("code-1"))
    assert store.read_home_releases().releases.served[-1].code["token"] == "code-2"


def _absent(**_):
    raise client_error("ResourceNotFoundException", "no", status=404)
