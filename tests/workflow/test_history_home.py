"""After the way back, the home region's ledger has what the standby region's ledger recorded, and decides nothing by it."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import count
from types import SimpleNamespace

import pytest

from orchestrator.application.cloud import Cloud
from orchestrator.application.failover.back.history import copy_history
from orchestrator.application.failover.copied_ledgers import cloud_that_has, copied_clouds, has_record, newest_recorded
from orchestrator.application.incidents.incident_log import command_incident
from orchestrator.application.live_state import newest_shifted
from orchestrator.cli.actions import explain, history
from orchestrator.cli.actions.compliance import audit
from orchestrator.cli.actions.incidents import reading
from orchestrator.cli.actions.reports import dora
from orchestrator.cli.context import Context
from orchestrator.console.pages.incidents import incident_page, incidents_page
from orchestrator.console.sections import Links
from orchestrator.domain.audit.entry import AuditQuery
from orchestrator.domain.deployment.decision import Action, Decision
from orchestrator.domain.deployment.record import (
    DecisionEntry,
    DeploymentOutcome,
    EventRecord,
    PauseToken,
    RollbackTrigger,
    Shift,
)
from orchestrator.domain.errors import Refused, Throttled, Unreachable
from orchestrator.domain.failover.back.history import Placement, kind_of_item
from orchestrator.domain.incidents.incident import Draft, EntryKind, IncidentState
from tests.fakes.clouds import REGION
from tests.fakes.errors import client_error
from tests.samples import deployment, seconds
from tests.workflow.failovers import HOME, failover_machine
from tests.workflow.failovers_back import BACK, BackWorld
from tests.workflow.world import inhabited

NUMBERS = count(1)
AWAY = "d-in-standby"


@pytest.fixture(scope="module")
def interpreter():
    with failover_machine() as moto:
        yield moto


@pytest.fixture
def world(interpreter):
    """The service went back; the standby region had deployed once, and rolled that back."""
    with inhabited(BackWorld(interpreter, f"history-{next(NUMBERS)}")) as found:
        found.fail_over()
        deploy_in_standby(found)
        found.go_back()
        yield found


def deploy_in_standby(world):
    ledger, now = world.cloud.ledger, world.clock.now()
    record = replace(
        deployment(id=AWAY, requested_at=now, requested_by="ann"),
        shifts=(Shift(1, 10, now),),
        outcome=DeploymentOutcome.ROLLED_BACK,
        ended_at=now + seconds(60),
    )
    ledger.create_record(record)
    lock = ledger.acquire_lock(ledger.read_lock(), "arn:d", AWAY, "deployment", now)
    for number in (1, 2, 3):
        entry = DecisionEntry(AWAY, number, now, "Bake", f"e-{number}", Decision(Action.BAKE, 0, 0, 0, "fine"))
        ledger.append_decision(entry, record, lock.fencing_token)
    ledger.record_pause(record, PauseToken("the-task-token", now, now, 1, 1, "review"), lock.fencing_token)
    ledger.release_lock(lock.fencing_token)
    ledger.add_trigger(AWAY, RollbackTrigger("person", "slow (by bob)", now))
    ledger.record_event(EventRecord("e-1", now, "person", "rotate by cem", acted=True, why="due"))


@pytest.fixture
def home(world):
    """The home region as its own commands reach it."""
    settings = {**world.cloud.settings, "AWS_REGION": HOME}
    cloud = Cloud(settings, clients={"dynamodb": world.home_ledger}.__getitem__, now=world.clock.now)
    return SimpleNamespace(name="test", cloud=cloud, environment=SimpleNamespace(local=True))


def shown(capsys, action, *arguments, **options):
    capsys.readouterr()
    action(*arguments, **options, json=True)
    return json.loads(capsys.readouterr().out)


def test_the_history_of_the_standby_region_is_in_the_home_region_and_names_it(world, home, capsys):
    assert shown(capsys, history.list_history, home, 9)["deployments"] == []
    report = copy_history(world.regions)
    assert report.copied
    assert (report.differing, report.unknown) == ((), ())
    listed = shown(capsys, history.list_history, home, 9)
    assert [(one["deployment"], one["recorded_in"]) for one in listed["deployments"]] == [(AWAY, REGION)]
    assert [(one["failover"], one["outcome"], one["recorded_in"]) for one in listed["failovers"]] == [
        (BACK, "SUCCEEDED", REGION),
        (world.name, "SUCCEEDED", REGION),
    ]
    incidents = shown(capsys, reading.list_incidents, home, 9, only_open=False)["incidents"]
    assert [(one["cause"], one["state"], one["recorded_in"]) for one in incidents] == [
        ("region-lost", "RESOLVED", REGION)
    ]
    history.list_history(home, 9, json=False)
    text = capsys.readouterr().out
    assert "recorded in" in text
    assert text.count(REGION) >= 3


def test_the_audit_has_the_commands_the_failover_and_who_approved_it(world, home):
    copy_history(world.regions)
    query = AuditQuery(world.clock.now() - seconds(86_400), world.clock.now() + seconds(1))
    entries, note = audit._read_ledger(home, query)
    assert note.complete
    said = {(entry.actor, entry.action, entry.resource) for entry in entries}
    assert ("ann", "failover requested", world.name) in said
    assert ("bob", "approved", world.name) in said
    assert ("bob", "approved", BACK) in said
    assert ("ann", "way back requested", BACK) in said
    assert ("bob", "rollback triggered (person)", AWAY) in said
    assert ("cem", "rotate", "") in said
    assert all(entry.detail.endswith(f"recorded in {REGION}") for entry in entries)
    assert all(entry.id.startswith(f"{REGION}/") for entry in entries)
    of_standby, _ = audit._read_ledger(SimpleNamespace(cloud=world.cloud), query)
    assert len(of_standby) == len(entries)


def test_the_four_keys_count_the_deployments_of_the_standby_region(world, home, capsys, tmp_path):
    assert shown(capsys, dora.report_dora, home, None, tmp_path)["dora"]["deployments"] == 0
    copy_history(world.regions)
    keys = shown(capsys, dora.report_dora, home, None, tmp_path)["dora"]
    assert (keys["deployments"], keys["failed"]) == (1, 1)


def test_no_decision_of_the_home_region_reads_a_copied_record(world, home):
    """A rollback there must not revert aliases to versions of the standby region's functions."""
    assert newest_shifted(world.cloud.ledger).id == AWAY
    copy_history(world.regions)
    ledger = home.cloud.ledger
    assert newest_shifted(ledger) is None
    assert ledger.newest_records(9) == []
    assert ledger.find_record(AWAY) is None
    assert home.cloud.incidents.read_register().causes == {}
    assert home.cloud.incidents.list_ids(9) == []
    assert home.cloud.failovers.read_assignment().assignment is None
    with pytest.raises(Refused, match="--standby"):
        command_incident(home.cloud, incident_of(world), lambda *_: [Draft(EntryKind.UPDATE, "x", "ann")])


def incident_of(world):
    return world.cloud.incidents.list_ids(1)[0]


def test_a_copy_can_be_read_by_its_id_with_its_chains_whole_and_cannot_be_written(world, home, capsys):
    copy_history(world.regions)
    (copied,) = copied_clouds(home.cloud)
    assert copied.ledger.read_decisions(AWAY) == world.cloud.ledger.read_decisions(AWAY)
    found = cloud_that_has(home.cloud, has_record(AWAY))
    explained = shown(capsys, explain.explain, SimpleNamespace(name="test", cloud=found), AWAY)
    assert explained["chain_broken_at"] is None
    assert len(explained["decisions"]) == 3
    story = reading.read_story(home, incident_of(world))
    assert story.broken_at is None
    assert story.region == REGION
    assert story.incident.state is IncidentState.RESOLVED
    reading.show_incident(home, incident_of(world), json=False)
    assert f"recorded in {REGION}: change it there, with --standby" in capsys.readouterr().out
    with pytest.raises(AttributeError):
        copied.ledger.record_event(EventRecord("e-2", world.clock.now(), "person", "x", acted=True, why="y"))


def test_a_command_finds_a_record_by_its_id_in_the_ledger_that_has_it(world, home):
    copy_history(world.regions)
    context = Context(SimpleNamespace(name="test"), {}.__getitem__)
    vars(context)["cloud"] = home.cloud
    assert context.of_record(AWAY).cloud.settings["AWS_REGION"] == REGION
    assert context.of_record(AWAY).cloud.ledger.read_record(AWAY).requested_by == "ann"
    assert context.of_record("d-9") is context


def test_the_console_shows_an_incident_of_the_standby_region_without_actions(world, home):
    name = incident_of(world)
    again = Draft(EntryKind.REOPENED, "again", "ann", {"severity": "SEV2"})
    command_incident(world.cloud, name, lambda *_: [again])
    standby = SimpleNamespace(name="test", cloud=world.cloud)
    assert any(isinstance(one, Links) for one in incident_page(standby, name).sections)
    copy_history(world.regions)
    assert f"recorded in {REGION}" in str(incidents_page(home).sections)
    sections = incident_page(home, name).sections
    assert not any(isinstance(one, Links) for one in sections)
    assert f"It was recorded in {REGION}, and is changed there." in str(sections)


NO_ANSWERS = [
    Unreachable("no answer"),
    Throttled("too many"),
    client_error("AccessDeniedException", "an explicit deny"),
]


@pytest.mark.parametrize("error", [None, *NO_ANSWERS], ids=str)
def test_a_post_mortem_counts_the_traffic_of_the_region_that_recorded_it_if_that_answers(world, home, error, tmp_path):
    copy_history(world.regions)
    requested = []
    object.__setattr__(home.cloud, "client_in", lambda *which: requested.append(which) or cloudwatch(error))
    file = tmp_path / "postmortem.md"
    reading.write_postmortem(home, incident_of(world), "md", file, tmp_path, json=False)
    assert "region us-east-2 is lost" in file.read_text(encoding="utf-8")
    assert requested == [("cloudwatch", REGION)]


@pytest.mark.parametrize("error", [None, *NO_ANSWERS], ids=str)
def test_a_deployment_of_another_region_is_explained_without_its_metrics(world, home, error, capsys):
    copy_history(world.regions)
    object.__setattr__(home.cloud, "client_in", lambda *_: cloudwatch(error))
    capsys.readouterr()
    found = cloud_that_has(home.cloud, has_record(AWAY))
    explain.explain(SimpleNamespace(name="test", cloud=found), AWAY, json=False)
    text = capsys.readouterr().out
    assert (f"{REGION} did not return the metrics of the steps" in text) is (error is not None)
    assert ("requested  observed" in text) is (error is None)
    assert "3 decisions, chain intact" in text


@pytest.mark.parametrize("error", NO_ANSWERS, ids=str)
def test_what_needs_the_metrics_of_this_region_fails_without_them(world, error, tmp_path):
    clients = {"dynamodb": world.table}
    cloud = Cloud(world.cloud.settings, clients=lambda one: clients.get(one, cloudwatch(error)), now=world.clock.now)
    own = SimpleNamespace(name="test", cloud=cloud)
    with pytest.raises(type(error)):
        reading.write_postmortem(own, incident_of(world), "md", tmp_path / "p.md", tmp_path, json=False)
    with pytest.raises(type(error)):
        explain.explain(own, AWAY, json=False)


def cloudwatch(error):
    def paginate(**_):
        if error is not None:
            raise error
        return []

    return SimpleNamespace(get_paginator=lambda _: SimpleNamespace(paginate=paginate))


def test_an_id_that_no_ledger_has_is_looked_up_in_this_region(world, home):
    copy_history(world.regions)
    for name in ("d-9", "r-9"):
        assert cloud_that_has(home.cloud, has_record(name)) is home.cloud


def test_what_is_valid_once_and_the_state_of_the_standby_region_stay_there(world):
    copy_history(world.regions)
    originals = {key for key in world.table.items if kind_of_item(*key).placement is Placement.STAYS}
    assert {pk.split("#")[0] for pk, _ in originals} >= {"lock", "issuing-assignment", "incident-register", "failover"}
    copied = {(pk.removeprefix(f"copied#{REGION}#"), sk) for pk, sk in world.home_ledger.items}
    assert copied & originals == set()
    assert "the-task-token" in json.dumps(list(world.table.items.values()))
    assert "the-task-token" not in json.dumps(list(world.home_ledger.items.values()))


def test_a_repetition_finds_all_of_it_there_and_writes_nothing(world):
    first = copy_history(world.regions)
    before = dict(world.home_ledger.items)
    again = copy_history(world.regions)
    assert again.new == 0
    assert sum(one.same for one in again.counts) == first.new
    assert {key: item for key, item in world.home_ledger.items.items() if key[0] != "copied-ledgers"} == {
        key: item for key, item in before.items() if key[0] != "copied-ledgers"
    }


def test_a_dry_run_counts_and_writes_nothing(world, home):
    before = dict(world.home_ledger.items)
    planned = copy_history(world.regions, dry_run=True)
    assert world.home_ledger.items == before
    assert planned == replace(copy_history(world.regions), copied=False)


def test_a_record_that_goes_on_in_the_standby_region_is_updated_by_a_repetition(world, home):
    ledger = world.cloud.ledger
    open_one = ledger.create_record(deployment(id="d-open", requested_at=world.clock.now()))
    copy_history(world.regions)
    ledger.save_unlocked(replace(open_one, reason="written later"))
    command_incident(
        world.cloud, incident_of(world), lambda *_: [Draft(EntryKind.UPDATE, "the post-mortem is due", "ann")]
    )
    again = copy_history(world.regions)
    changed = {one.kind: (one.new, one.changed) for one in again.counts if one.new or one.changed}
    assert changed == {"deployments": (0, 1), "entries of incidents": (1, 0)}
    assert again.updated == ("deployment#d-open record",)
    (copied,) = copied_clouds(home.cloud)
    assert copied.ledger.read_record("d-open").reason == "written later"
    assert copied.incidents.read_entries(incident_of(world))[-1].text == "the post-mortem is due"


def test_an_entry_whose_copy_was_altered_is_named_and_left_as_it_is(world):
    copy_history(world.regions)
    key = (f"copied#{REGION}#deployment#{AWAY}", "decision#000002")
    world.home_ledger.items[key]["body"] = {"S": "{}"}
    again = copy_history(world.regions)
    assert again.differing == (f"deployment#{AWAY} decision#000002",)
    assert "1 differ" in again.description
    assert world.home_ledger.items[key]["body"] == {"S": "{}"}


@pytest.mark.parametrize("changed", [{"requested_by": "cem"}, {"outcome": DeploymentOutcome.SUCCEEDED}])
def test_a_record_that_was_altered_after_its_end_is_named_and_the_copy_is_left_as_it_is(world, home, changed):
    copy_history(world.regions)
    ledger = world.cloud.ledger
    ledger.save_unlocked(replace(ledger.read_record(AWAY), **changed))
    again = copy_history(world.regions)
    assert (again.differing, again.updated) == ((f"deployment#{AWAY} record",), ())
    (copied,) = copied_clouds(home.cloud)
    assert (copied.ledger.read_record(AWAY).requested_by, copied.ledger.read_record(AWAY).outcome) == (
        "ann",
        DeploymentOutcome.ROLLED_BACK,
    )


def test_an_item_of_no_known_kind_is_named_and_not_copied(world):
    world.table.items["something-new", "x"] = {"pk": {"S": "something-new"}, "sk": {"S": "x"}, "body": {"S": "{}"}}
    report = copy_history(world.regions)
    assert report.unknown == ("something-new x",)
    assert not any("something-new" in pk for pk, _ in world.home_ledger.items)


@pytest.mark.parametrize("lost", ["standby", "home"])
@pytest.mark.parametrize("kind", ["ServiceUnavailable", "ProvisionedThroughputExceededException"])
def test_a_copy_that_meets_a_failure_lists_nothing_half_and_a_repetition_copies_the_rest(world, home, lost, kind):
    failures = count(1)
    world.table.page_size = 5
    table = world.table if lost == "standby" else world.home_ledger
    operation = "scan" if lost == "standby" else "put_item"
    works = getattr(table, operation)

    def fails(**params):
        if next(failures) == 3:
            raise client_error(kind, "no answer", ResponseMetadata={"HTTPStatusCode": 503})
        return works(**params)

    setattr(table, operation, fails)
    region = REGION if lost == "standby" else HOME
    with pytest.raises((Unreachable, Throttled), match=f"the ledger of {region} .*failover back history"):
        copy_history(world.regions)
    assert copied_clouds(home.cloud) == ()
    delattr(table, operation)
    again = copy_history(world.regions)
    assert again.new < sum(one.new + one.same for one in again.counts)
    assert [one.record.id for one in newest_recorded(home.cloud, deployments, when, 9)] == [AWAY]


def deployments(cloud):
    return cloud.ledger.newest_records(9)


def when(record):
    return record.requested_at


def test_a_copy_that_dies_at_any_write_never_lists_a_record_that_is_not_there(world, home):
    """Also not in a repetition, when the copy is registered already."""
    copy_history(world.regions)
    ledger = world.cloud.ledger
    later = world.clock.now() + seconds(60)
    ledger.create_record(deployment(id="d-later", requested_at=later))
    world.cloud.failovers.create(replace(world.back, id="fb-2", requested_at=later))
    works = world.home_ledger.put_item
    for survived in range(9):
        left = count(survived, -1)

        def dies(left=left, **params):
            if next(left) == 0:
                raise client_error("ServiceUnavailable", "no answer", ResponseMetadata={"HTTPStatusCode": 503})
            return works(**params)

        world.home_ledger.put_item = dies
        try:
            copy_history(world.regions)
        except Unreachable:
            newest_recorded(home.cloud, deployments, when, 9)
            newest_recorded(home.cloud, lambda cloud: cloud.failovers.newest(9), when, 9)
            continue
        finally:
            del world.home_ledger.put_item
        break
    assert [one.record.id for one in newest_recorded(home.cloud, deployments, when, 9)] == ["d-later", AWAY]


def test_what_a_copy_that_dies_has_of_a_chain_is_its_beginning(world):
    works = world.home_ledger.put_item

    def dies(**params):
        if params["Item"]["sk"]["S"] == "decision#000002":
            raise client_error("ServiceUnavailable", "no answer", ResponseMetadata={"HTTPStatusCode": 503})
        return works(**params)

    world.home_ledger.put_item = dies
    with pytest.raises(Unreachable):
        copy_history(world.regions)
    copied = {
        sk for pk, sk in world.home_ledger.items if pk.endswith(f"deployment#{AWAY}") and sk.startswith("decision#")
    }
    assert copied == {"decision#000001"}


def test_two_copies_at_once_find_each_other_s_items(world):
    works = world.home_ledger.batch_get_item

    def races(**params):
        found = works(**params)
        del world.home_ledger.batch_get_item
        copy_history(world.regions)
        return found

    world.home_ledger.batch_get_item = races
    report = copy_history(world.regions)
    assert (report.new, report.differing) == (0, ())
    assert sum(one.same for one in report.counts) == len(copied_items(world))


def copied_items(world):
    return [key for key in world.home_ledger.items if key[0].startswith("copied#")]


def test_a_copy_that_meets_another_content_is_repeated(world):
    works = world.home_ledger.put_item

    def meets(**params):
        item = params["Item"]
        world.home_ledger.items[item["pk"]["S"], item["sk"]["S"]] = {**item, "body": {"S": "another"}}
        return works(**params)

    world.home_ledger.put_item = meets
    with pytest.raises(Throttled, match="copy again"):
        copy_history(world.regions)


def test_records_of_both_regions_are_one_list_newest_first(world, home):
    copy_history(world.regions)
    ledger, standby = home.cloud.ledger, world.cloud.ledger.read_record(AWAY)
    for name, after in (("d-before", -60), ("d-after", 60)):
        ledger.create_record(deployment(id=name, requested_at=standby.requested_at + seconds(after)))
    listed = newest_recorded(home.cloud, deployments, when, 9)
    assert [(one.record.id, one.region) for one in listed] == [("d-after", ""), (AWAY, REGION), ("d-before", "")]
    assert [one.record.id for one in newest_recorded(home.cloud, deployments, when, 2)] == ["d-after", AWAY]
