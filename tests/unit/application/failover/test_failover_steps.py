"""Steps of a failover that its workflow tests do not reach: AWS Backup, DNS, the lease's renewal, the evaluation."""

import json
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest

from orchestrator.application.failover.announcing import ask_for_approval, update_dns
from orchestrator.application.failover.data_key import with_key_arn
from orchestrator.application.failover.evaluation import evaluate_failover
from orchestrator.application.failover.planning import open_failover, plan_tables
from orchestrator.application.failover.progress import StepDone, StepWaits, seconds_before_check
from orchestrator.application.failover.releases import record_home_release
from orchestrator.application.failover.restoring import restore_tables
from orchestrator.application.failover.switching import deploy_release
from orchestrator.application.failover.takeover import assignments_of, fence_home, renew_lease
from orchestrator.aws.dynamodb.backups import backup_name_as_of
from orchestrator.aws.ledger.failovers import ReadFailover
from orchestrator.aws.oauth_tables.issuing_lease import IssuingLeaseStore
from orchestrator.domain.errors import Refused, RestoreFailed, Unreachable
from orchestrator.domain.failover.issuing_region import IssuingAssignment, IssuingLease, first_assignment
from orchestrator.domain.failover.steps import Step
from orchestrator.domain.recovery.backups.restore_jobs import JobStatus, RestoreJob
from orchestrator.domain.recovery.unused_tables import recovery_of_table
from orchestrator.event_handlers import renew_lease as renewal_handler
from orchestrator.event_handlers.standby import evaluate_failover as evaluation_handler
from orchestrator.event_handlers.standby import record_home_release as recording_handler
from tests.fakes.errors import client_error
from tests.fakes.restorable_tables import arn_of
from tests.fakes.s3 import FakeS3
from tests.fakes.tables import Tables
from tests.samples import NOW
from tests.workflow.failovers import HOME, KEYS, FailoverWorld
from tests.workflow.restores import STATE, TOKENS
from tests.workflow.world import inhabited


@pytest.fixture
def world():
    with inhabited(FailoverWorld(SimpleNamespace(stop=None, answer=None, connect=lambda *_: None), "fo-1")) as found:
        yield found


def opened(world, **changes):
    read = open_failover(world.cloud, "fo-1", "ann", "lost")
    return ReadFailover(replace(read.failover, **changes), read.version)


# --- AWS Backup -----------------------------------------------------------------------------------------------


class Jobs:
    """AWS Backup: a job creates its table when it is started, and names it when it ends, after a description of each."""

    def __init__(self, world, failed="", creates="", **description):
        self.world, self.failed, self.creates, self.started, self.described = world, failed, creates, [], 0
        self.keys, self.description = [], description

    def start(self, point, table, _role, *, key):
        self.started.append((point, table))
        self.keys.append(key)
        if not self.failed:
            encryption = {"Status": "ENABLED", "SSEType": "KMS", "KMSMasterKeyArn": key}
            self.world.tables.add(table, **({"SSEDescription": encryption} if key else {}), **self.description)
        return f"job-{len(self.started)}"

    def describe(self, job):
        point, table = self.started[int(job.removeprefix("job-")) - 1]
        self.described += 1
        status = JobStatus.FAILED if self.failed else JobStatus.RUNNING if self.described <= 2 else JobStatus.COMPLETED
        arn = "" if status is not JobStatus.COMPLETED else arn_of(self.creates or table)
        return RestoreJob(job, point, status, arn, self.failed)

    def find(self, point, table_arn, since):
        return next((job for job in self._of(point, since) if job.created_arn == table_arn), None)

    def find_unnamed(self, point, since):
        return next((job for job in self._of(point, since) if job.in_progress and not job.created_arn), None)

    def _of(self, point, since):
        assert since <= self.world.failover.requested_at
        described = self.described
        jobs = [self.describe(f"job-{number}") for number in range(1, len(self.started) + 1)]
        self.described = described  # a list is no description of a job
        return [job for job in jobs if job.recovery_point_arn == point]


def of_aws_backup(world, **changes):
    read = opened(world)
    points = tuple(
        replace(table, backup_arn=f"arn:aws:backup:us-west-1:1:recovery-point:{table.role}")
        for table in read.failover.tables
    )
    vars(world.cloud)["restore_jobs"] = Jobs(world, **changes)
    world.cloud.settings["RESTORE_ROLE"] = "arn:role"
    chosen = replace(read.failover, tables=points, chosen_at=world.clock.now())
    return world.cloud.failovers.commit(world.cloud.failovers.read_failover("fo-1"), chosen)


def test_recovery_points_are_restored_by_one_job_each_whose_id_is_recorded(world):
    progress = restore_tables(of_aws_backup(world), world.cloud)
    jobs = world.cloud.restore_jobs
    assert [table for _, table in jobs.started] == [table.target for table in world.failover.tables]
    assert [table.job for table in world.failover.tables] == ["job-1", "job-2"]
    for _ in range(5):
        world.clock.advance(10)
        progress = restore_tables(progress.read, world.cloud)
    assert isinstance(progress, StepDone)
    assert len(jobs.started) == 2


def test_a_job_whose_id_was_lost_is_found_by_what_it_restores(world):
    read = of_aws_backup(world)
    jobs = world.cloud.restore_jobs
    for table in read.failover.tables:  # the task died after each request, before its record
        jobs.start(table.backup_arn, table.target, "arn:role", key="")

    progress = restore_tables(read, world.cloud)

    assert [table.job for table in world.failover.tables] == ["job-1", "job-2"]
    for _ in range(5):
        world.clock.advance(10)
        progress = restore_tables(progress.read, world.cloud)
    assert isinstance(progress, StepDone)
    assert len(jobs.started) == 2


def test_a_table_for_which_there_is_no_job_is_left_as_it_is(world):
    read = of_aws_backup(world)
    for table in read.failover.tables:
        world.tables.add(table.target)
    with pytest.raises(Refused, match="this failover did not create it"):
        restore_tables(read, world.cloud)


def test_a_table_is_waited_for_while_its_job_is_in_progress(world):
    progress = restore_tables(of_aws_backup(world), world.cloud)
    assert isinstance(progress, StepWaits)
    assert progress.reason.count("is being restored") == 2


def test_a_table_that_the_job_did_not_create_is_left_as_it_is(world):
    progress = restore_tables(of_aws_backup(world, creates="another"), world.cloud)
    with pytest.raises(Refused, match="this failover did not create it"):
        restore_tables(progress.read, world.cloud)


def test_a_restore_job_that_failed_stops_the_failover(world):
    with pytest.raises(RestoreFailed, match="no key"):
        restore_tables(of_aws_backup(world, failed="no key"), world.cloud)


def test_after_a_job_that_failed_the_next_execution_starts_another_one_with_another_token(world):
    read = of_aws_backup(world, failed="no key")
    jobs = world.cloud.restore_jobs
    with pytest.raises(RestoreFailed, match="no key"):
        restore_tables(read, world.cloud)
    assert [table.job for table in world.failover.tables] == ["", ""]
    jobs.failed = ""

    progress = restore_tables(world.cloud.failovers.read_failover("fo-1"), world.cloud)
    for _ in range(5):
        world.clock.advance(10)
        progress = restore_tables(progress.read, world.cloud)

    assert isinstance(progress, StepDone)
    tokens = [target for _, target in jobs.started]
    assert len(set(tokens)) == 4
    assert [table.target for table in world.failover.tables] == tokens[2:]
    recoveries = {recovery_of_table(target, "test") for target in tokens[2:]}
    assert [recovery.endswith("-attempt-2") for recovery in recoveries] == [True]


# --- the key of the tables ------------------------------------------------------------------------------------

KEY = "arn:aws:kms:us-west-1:1:key/data"


def with_key(world, state="Enabled"):
    def describe_key(KeyId):  # noqa: N803
        assert KeyId == KEY
        if not state:
            raise client_error("NotFoundException", "no")
        return {"KeyMetadata": {"KeyState": state}}

    world.cloud.settings["DATA_KEY"] = KEY
    world.clients["kms"] = SimpleNamespace(describe_key=describe_key)


def encryption_of(world):
    return [world.cloud.table_settings.read_settings(table.target).encryption for table in world.failover.tables]


def restored(world, progress):
    for _ in range(8):
        world.clock.advance(600)
        progress = restore_tables(progress.read, world.cloud)
    return progress


def test_tables_are_restored_under_the_key_of_this_region_from_either_kind_of_copy(world):
    with_key(world)
    assert isinstance(restored(world, restore_tables(opened(world), world.cloud)), StepDone)
    assert encryption_of(world) == [["KMS", KEY]] * 2


def test_restore_jobs_get_the_key_of_this_region(world):
    with_key(world)
    progress = restored(world, restore_tables(of_aws_backup(world), world.cloud))
    assert isinstance(progress, StepDone)
    assert world.cloud.restore_jobs.keys == [KEY, KEY]
    assert encryption_of(world) == [["KMS", KEY]] * 2


def test_a_table_that_comes_with_the_units_of_its_backup_is_on_demand_before_clients_use_it(world):
    """AWS Backup restores the provisioned units of the backup's hour, without scaling."""
    units = {"ReadCapacityUnits": 20, "WriteCapacityUnits": 20}
    billing = {"BillingModeSummary": {"BillingMode": "PROVISIONED"}, "ProvisionedThroughput": units}
    progress = restored(world, restore_tables(of_aws_backup(world, **billing), world.cloud))
    assert isinstance(progress, StepDone)
    targets = [table.target for table in progress.read.failover.tables]
    assert [world.cloud.table_settings.read_settings(target).billing["mode"] for target in targets] == [
        "PAY_PER_REQUEST",
        "PAY_PER_REQUEST",
    ]


def test_a_table_that_another_key_encrypts_stops_the_failover_with_the_command_that_changes_it(world):
    progress = restore_tables(of_aws_backup(world), world.cloud)
    with_key(world)
    with pytest.raises(Refused, match=rf"encryption: 'AWS_OWNED'.*KMSMasterKeyId={KEY}`, then resume"):
        restored(world, progress)


@pytest.mark.parametrize(("state", "words"), [("Disabled", "is Disabled"), ("", "is not there")])
def test_a_key_that_cannot_be_used_is_found_before_and_stops_the_restore_before_it_begins(world, state, words):
    with_key(world, state)
    home = evaluable(world)
    evaluated = {one.step: one for one in evaluate_failover(world.cloud, home)}
    assert f"the key of the tables in us-west-1 {words}" in evaluated[Step.RESTORE].reason
    with pytest.raises(Refused, match=words):
        restore_tables(opened(world), world.cloud)
    assert world.tables.restored == []


# --- which copies are restored --------------------------------------------------------------------------------


def back_up_at_home(world):
    """Back up the home region's tables once more; their copies are in the standby region."""
    for table in (STATE, TOKENS):
        copied = world.tables.add(f"{table}-copy")
        world.tables.back_up(f"{table}-copy", backup_name_as_of(world.clock.now()))
        del world.tables.tables[copied.description["TableName"]]


def test_copies_that_arrived_while_it_waited_for_approvals_are_restored_and_both_choices_are_recorded(world):
    approved = opened(world)
    world.clock.advance(3 * 3600)
    back_up_at_home(world)
    newest = world.clock.now()
    world.clock.advance(60)

    begun = restore_tables(approved, world.cloud).read.failover

    assert {table.as_of for table in begun.tables} == {newest}
    assert begun.copied_at == newest, "the announced loss counts from what is restored"
    assert begun.approved_tables == approved.failover.tables
    assert [table.target for table in begun.tables] == [table.target for table in approved.failover.tables]
    assert begun.chosen_at == world.clock.now()
    restored = {
        world.tables.tables[table.target].description["RestoreSummary"]["SourceBackupArn"] for table in begun.tables
    }
    assert restored == {table.backup_arn for table in begun.tables}


def test_copies_are_chosen_once(world):
    progress = restore_tables(opened(world), world.cloud)
    chosen = progress.read.failover
    back_up_at_home(world)
    for _ in range(6):
        world.clock.advance(600)
        progress = restore_tables(progress.read, world.cloud)
    assert isinstance(progress, StepDone)
    assert progress.read.failover.tables == chosen.tables


@pytest.mark.parametrize("kept", ["older", "none"])
def test_a_copy_older_than_the_approved_one_is_never_restored_silently(world, kept):
    first = opened(world).failover.tables
    back_up_at_home(world)
    newer = plan_tables(world.cloud, HOME, "us-west-1", world.clock.now())
    read = world.cloud.failovers.commit(
        world.cloud.failovers.read_failover("fo-1"), replace(world.failover, tables=newer)
    )
    expired = {table.backup_arn for table in (newer if kept == "older" else (*newer, *first))}
    world.tables.backups = {arn: one for arn, one in world.tables.backups.items() if arn not in expired}

    with pytest.raises(Refused, match=r"older than the approved|none in us-west-1"):
        restore_tables(read, world.cloud)

    assert world.tables.restored == []
    assert world.failover.tables == newer
    assert world.failover.chosen_at is None


def test_what_an_earlier_version_began_to_restore_is_not_chosen_again(world):
    read = opened(world)
    for table in read.failover.tables:
        world.cloud.table_restores.start_restore("", table.target, table.as_of, table.backup_arn)
    back_up_at_home(world)
    progress = restore_tables(read, world.cloud)
    assert progress.read.failover.tables == read.failover.tables
    assert len(world.tables.restored) == len(read.failover.tables)


# --- which release is published -------------------------------------------------------------------------------


def serve_at_home(world, *codes):
    """Let the home region serve these releases one after the other, a minute each, and record them here."""
    for code in codes:
        world.clock.advance(60)
        record_home_release(world.cloud, lambda _service, code=code: at_home(code))


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
    lost = SimpleNamespace(get_function_configuration=_unreachable)
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


# --- DNS ------------------------------------------------------------------------------------------------------


def with_domain(world, zone="Z0EXAMPLE", status="INSYNC", served=True):
    def get_domain_name(**_):
        if not served:
            raise client_error("NotFoundException", "no")
        return {"regionalDomainName": "d-1.example", "regionalHostedZoneId": "Z1"}

    world.cloud.settings.update({"API_DOMAIN": "login.example.com", "HOSTED_ZONE_ID": zone})
    world.clients["apigateway"] = SimpleNamespace(get_domain_name=get_domain_name)
    world.clients["route53"] = SimpleNamespace(
        change_resource_record_sets=lambda **_: {"ChangeInfo": {"Id": "C1"}},
        get_change=lambda **_: {"ChangeInfo": {"Status": status}},
    )


def test_the_domain_points_at_this_region_when_route_53_has_applied_it(world):
    with_domain(world, status="PENDING")
    assert isinstance(update_dns(opened(world), world.cloud), StepWaits)
    with_domain(world)
    assert update_dns(opened(world), world.cloud).result == "login.example.com points at d-1.example"


def test_the_one_change_that_was_requested_is_waited_for(world):
    """Route 53 gives each request an id of its own, and reports a change as PENDING at first."""
    with_domain(world)
    requested, polled = [], []

    def change(**batch):
        requested.append(batch)
        return {"ChangeInfo": {"Id": f"C{len(requested)}"}}

    def get_change(Id):  # noqa: N803
        polled.append(Id)
        return {"ChangeInfo": {"Status": "INSYNC" if polled.count(Id) > 1 else "PENDING"}}

    world.clients["route53"] = SimpleNamespace(change_resource_record_sets=change, get_change=get_change)
    first = update_dns(opened(world), world.cloud)
    assert isinstance(first, StepWaits)
    second = update_dns(world.cloud.failovers.read_failover("fo-1"), world.cloud)
    assert isinstance(second, StepDone)
    assert (len(requested), polled) == (1, ["C1", "C1"])


def test_without_a_zone_a_person_gets_the_target_and_without_a_domain_here_the_step_is_refused(world):
    with_domain(world, zone="")
    assert "a person points login.example.com at d-1.example" in update_dns(opened(world), world.cloud).result
    with_domain(world, served=False)
    with pytest.raises(Refused, match="does not serve it"):
        update_dns(opened(world), world.cloud)


# --- the lease ------------------------------------------------------------------------------------------------


def test_the_region_that_the_assignment_names_gets_a_lease_and_another_one_gets_none(world):
    store = world.cloud.failovers
    assert renew_lease(world.cloud, store, "us-west-1") == "not renewed: the assignment names us-east-2"
    assert world.cloud.issuing_lease.read_lease() is None
    assert renew_lease(world.cloud, store, HOME).startswith("us-east-2 may issue tokens until ")
    assert world.cloud.issuing_lease.read_lease().until == world.clock.now() + timedelta(minutes=15)


def test_without_an_assignment_or_an_answer_nothing_is_renewed(world):
    def unreachable():
        raise Unreachable("connect timeout")

    assert "could not be read" in renew_lease(world.cloud, SimpleNamespace(read_assignment=unreachable), HOME)
    world.table.items.clear()
    assert renew_lease(world.cloud, world.cloud.failovers, HOME) == "not renewed: there is no assignment"


def test_a_lease_is_never_shortened():
    store = IssuingLeaseStore(Tables(KEYS), KEYS)
    assert store.write_lease(IssuingLease(2, NOW + timedelta(minutes=15)))
    assert not store.write_lease(IssuingLease(1, NOW + timedelta(minutes=14)))
    assert store.read_lease() == IssuingLease(2, NOW + timedelta(minutes=15))


def test_the_home_region_reads_the_assignment_in_the_ledger_of_the_standby_region(world):
    policy = {**json.loads(world.cloud.settings["FAILOVER_POLICY"]), "region": "eu-west-1"}
    world.cloud.settings["FAILOVER_POLICY"] = json.dumps(policy)
    assert assignments_of(world.cloud, clients=world.table).read_assignment().assignment == first_assignment(HOME)


def test_the_handler_emits_how_long_the_lease_lasts_and_nothing_without_one(world):
    assert renewal_handler.handler({"id": "e"}, None)["answer"].startswith("not renewed")
    assert world.measured == []
    world.cloud.issuing_lease.write_lease(IssuingLease(1, world.clock.now() + timedelta(minutes=5)))
    renewal_handler.handler({"id": "e"}, None)
    assert [line["IssuingLeaseSecondsLeft"] for line in world.measured] == [300.0]


# --- the evaluation -------------------------------------------------------------------------------------------


def evaluable(world, lease_minutes=10):
    keys = Tables("home-keys")
    item = {"pk": {"S": "issuing-lease"}, "epoch": {"N": "1"}}
    until = (world.clock.now() + timedelta(minutes=lease_minutes)).timestamp()
    keys.put_item(TableName="home-keys", Item={**item, "until": {"N": str(until)}})
    world.cloud.settings.update({"KEYS_TABLE": "home-keys", "OPERATORS": "1"})
    with_domain(world)
    evidence, copies = FakeS3(), FakeS3()
    for stored in (evidence, copies):
        stored.put_object(Bucket="b", Key="configuration/c.json", Body=b"{}", ChecksumAlgorithm="SHA256")
    world.clients["s3"] = copies
    world.cloud.settings.update({"HOME_EVIDENCE_BUCKET": "evidence", "EVIDENCE_COPIES_BUCKET": "copies"})
    return {"dynamodb": keys, "lambda": world.plane, "s3": evidence}.__getitem__


def test_what_is_there_is_ready(world):
    serve_at_home(world, "code-1")
    evaluated = evaluate_failover(world.cloud, evaluable(world))
    assert [(one.step, one.reason) for one in evaluated if not one.ready] == []


def test_two_tables_of_which_one_was_in_use_stop_the_plan_and_are_found_before(world):
    restored = "ib-oauth-restored-dr-1-tokens-test"
    copied = backup_name_as_of(world.clock.now())
    for table in (restored, f"{restored}-copy"):
        world.tables.add(table)
    world.tables.back_up(f"{restored}-copy", copied)
    names = f"copies of {restored} and of ib-oauth-tokens-test"
    evaluated = {one.step: one for one in evaluate_failover(world.cloud, evaluable(world))}
    assert names in evaluated[Step.RESTORE].reason
    with pytest.raises(Refused, match=names):
        opened(world)
    world.cloud.settings["SOURCE_TABLES"] = json.dumps({"state": "ib-oauth-state-test", "tokens": restored})
    tables = [world.tables.backups[table.backup_arn]["TableName"] for table in opened(world).failover.tables]
    assert tables == ["ib-oauth-state-test-copy", f"{restored}-copy"]


def test_what_cannot_be_read_is_not_ready(world):
    home = evaluable(world)

    def lost(service):
        if service == "lambda":
            return SimpleNamespace(get_function_configuration=_unreachable)
        return home(service)

    evaluated = {one.step: one for one in evaluate_failover(world.cloud, lost)}
    assert not evaluated[Step.DEPLOY_RELEASE].ready
    assert "could not be checked" in evaluated[Step.DEPLOY_RELEASE].reason
    assert evaluated[Step.RESTORE].ready


def test_a_file_without_a_copy_is_named_and_an_unreadable_bucket_is_no_copy(world):
    home = evaluable(world)
    home("s3").put_object(Bucket="b", Key="evidence/e.json", Body=b"{}", ChecksumAlgorithm="SHA256")
    evaluated = {one.step: one for one in evaluate_failover(world.cloud, home)}
    assert "no copy of evidence/e.json" in evaluated[Step.RESTORE].reason

    def lost(service):
        return (
            SimpleNamespace(get_paginator=lambda _: SimpleNamespace(paginate=_denied))
            if service == "s3"
            else home(service)
        )

    evaluated = {one.step: one for one in evaluate_failover(world.cloud, lost)}
    assert "snapshots could not be checked: ClientError" in evaluated[Step.RESTORE].reason
    assert not evaluated[Step.RESTORE].ready


def _denied(**_):
    yield from ()
    raise client_error("AccessDenied", "no", status=403)


def at_home(code):
    """The home region's Lambda, whose live aliases serve this code."""
    return SimpleNamespace(get_function_configuration=lambda **_: {"CodeSha256": code})


def test_a_release_that_only_latest_has_is_what_a_failover_would_publish(world):
    """No deployment moves the alias of a region without a lease: it stays at the first version."""
    home = evaluable(world)
    serve_at_home(world, "code-2")
    for function in world.plane.functions.values():
        function.latest["CodeSha256"] = "code-2"
    reasons = {}
    for served in ("code-1", "code-2"):
        clients = {"lambda": at_home(served), "dynamodb": home("dynamodb"), "s3": home("s3")}
        evaluated = {one.step: one for one in evaluate_failover(world.cloud, clients.__getitem__)}
        reasons[served] = (evaluated[Step.DEPLOY_RELEASE].ready, evaluated[Step.DEPLOY_RELEASE].reason)
    ready, rolled_back = reasons["code-1"]
    assert not ready
    assert "$LATEST in us-west-1 is code-2" in rolled_back
    assert reasons["code-2"][0]


def test_another_release_a_missing_alias_and_an_unhealthy_service_are_found(world):
    home = evaluable(world)
    world.service.broken = "/health/deep"
    other = SimpleNamespace(get_function_configuration=lambda **_: {"CodeSha256": "another"})
    evaluated = {
        one.step: one
        for one in evaluate_failover(
            world.cloud, {"lambda": other, "dynamodb": home("dynamodb"), "s3": home("s3")}.__getitem__
        )
    }
    assert not evaluated[Step.DEPLOY_RELEASE].ready
    assert evaluated[Step.VERIFY].reason == "the service in us-west-1 answers 500"
    world.plane.functions["ib-oauth-token-test"].aliases.clear()
    evaluated = {one.step: one for one in evaluate_failover(world.cloud, home)}
    assert "no live alias in us-west-1: token" in evaluated[Step.DEPLOY_RELEASE].reason


def test_the_handler_notifies_the_operators_of_each_step_that_is_not_ready(world, monkeypatch):
    home = evaluable(world)
    serve_at_home(world, "code-1")
    monkeypatch.setattr(
        "orchestrator.application.failover.evaluation.client_in", lambda service, _region: home(service)
    )
    assert evaluation_handler.handler({"id": "e"}, None)["answer"] == "a failover could run now"
    assert world.topics.published == []
    world.tables.backups.clear()
    world.cloud.settings["OPERATORS"] = "0"
    answer = evaluation_handler.handler({"id": "e"}, None)["answer"]
    assert answer.startswith("RESTORE: no copy of the table state")
    ((_, subject, text),) = world.topics.published
    assert subject == "test: a failover could not run now"
    assert "ANNOUNCE: no operator would be notified" in text
    assert [line["FailoverStepsNotReady"] for line in world.measured] == [0, 2]


def _absent(**_):
    raise client_error("ResourceNotFoundException", "no", status=404)


def _unreachable(**_):
    raise client_error("InternalError", "no", status=500)


@pytest.mark.parametrize(("seconds", "wait"), [(0, 2), (100, 10), (3600, 60)])
def test_a_long_step_is_checked_less_often(world, seconds, wait):
    read = opened(world, began=world.clock.now())
    assert seconds_before_check(read, world.clock.now() + timedelta(seconds=seconds)) == wait


def test_a_key_that_the_settings_name_by_its_alias_is_known_by_its_arn(world):
    settings = world.cloud.settings
    assert with_key_arn(world.cloud) is world.cloud, "the environment has no key"
    settings["DATA_KEY"] = "alias/ib-oauth-data-test"
    world.clients["kms"] = SimpleNamespace(describe_key=lambda **_: {"KeyMetadata": {"Arn": KEY}})
    assert with_key_arn(world.cloud).settings["DATA_KEY"] == KEY

    def absent(**_):
        raise client_error("NotFoundException", "no")

    world.clients["kms"] = SimpleNamespace(describe_key=absent)
    assert with_key_arn(world.cloud).settings["DATA_KEY"] == "alias/ib-oauth-data-test"


def test_a_fence_that_is_repeated_waits_no_longer_than_the_first_one(world):
    read = fence_home(opened(world), world.cloud).read
    first = read.failover.assignment_taken_at
    world.clock.advance(120)
    assert fence_home(read, world.cloud).read.failover.assignment_taken_at == first
