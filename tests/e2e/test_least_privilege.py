"""Every Lambda role is held to its policies while a release is promoted and rolled back; then the tables are drilled.

The tests marked `repeated` do without delays what test_main_job.py does under AWS's timing, with policies enforced there,
too.
"""

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from shutil import copyfile

import pytest
from botocore.config import Config

from orchestrator import environments
from orchestrator.application.key_rotation import publish_new_key
from orchestrator.aws.oauth_tables.signing_keys import KeyRing
from orchestrator.domain.deployment.record import DeploymentOutcome
from orchestrator.domain.identifiers import deployment_id
from orchestrator.domain.recovery.record import RecoveryOutcome
from orchestrator.domain.recovery.request import recovery_id, scheduled_key
from orchestrator.domain.verdict import Outcome
from orchestrator.local.deployed_environment import ENVIRONMENT, client_factory, local_environment
from orchestrator.local.traffic_generator import Traffic
from tests.e2e.drills import tables_of_drills, verdicts
from tests.e2e.failing_version import publish_failures
from tests.e2e.runbook import Runbook
from tests.infrastructure.permissions.recorded import check_calls, complete_record

pytestmark = pytest.mark.timeout(600)
STEPS = {"type": "canary", "steps": [{"weight_percent": 50, "bake_seconds": 8}]}
ALARM = f"ib-oauth-token-server-errors-{ENVIRONMENT}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("local")


@pytest.fixture(scope="module")
def here(folder):
    with local_environment(folder, seed=2) as here:
        here.deploy_release("good")
        here.local.enforce_policies(True)
        with Traffic(here.api_url, here.platform_url, rate_per_second=20, seed=2):
            yield here


def denials(here, deployment):
    entries = here.cloud.ledger.read_decisions(deployment)
    reasons = [entry.decision.reason for entry in entries]
    reasons += [one.verdict.reason for entry in entries for one in entry.evidence]
    return [reason for reason in reasons if "AccessDenied" in reason or "not authorized" in reason]


@pytest.mark.strategy("Post-deployment Verification: Security validation")
@pytest.mark.repeated
def test_a_release_is_promoted_and_no_probe_was_denied_anything(here):
    here.start_deployment("d-good", strategy=STEPS)
    ended = here.wait_for_deployment("d-good", 200)
    assert denials(here, "d-good") == []
    assert ended.outcome is DeploymentOutcome.SUCCEEDED, ended.reason


def test_the_reconciler_may_see_to_what_is_warm(here):
    client, token = here.cloud.clients("lambda"), f"ib-oauth-token-{ENVIRONMENT}"
    client.put_provisioned_concurrency_config(FunctionName=token, Qualifier="1", ProvisionedConcurrentExecutions=1)

    def cooled():
        answer = client.invoke(FunctionName=f"ib-oauth-event-reconcile-{ENVIRONMENT}", Payload=b'{"id": "by hand"}')
        payload = json.load(answer["Payload"])
        assert "answer" in payload, payload
        reconciled = payload["answer"]
        assert "not reconciled" not in reconciled, reconciled
        found = client.list_provisioned_concurrency_configs(FunctionName=token)["ProvisionedConcurrencyConfigs"]
        return reconciled if not found else None

    assert (
        here.wait_until(cooled, 60, "version 1 to be cooled: nothing is to be warm here")
        == "the environment lock is free"
    )


@pytest.mark.repeated
def test_an_alarm_takes_it_back_within_the_rollback_window(here):
    publish_failures(here, here.cloud.ledger.read_record("d-good"))
    here.cloud.clients("cloudwatch").set_alarm_state(AlarmName=ALARM, StateValue="ALARM", StateReason="test")

    def rolled_back():
        found = here.cloud.ledger.read_record("d-good")
        return found if found.outcome is DeploymentOutcome.ROLLED_BACK else None

    ended = here.wait_until(rolled_back, 60, "the rollback")
    assert ended.rollback.reverted_at is not None
    assert "could not be read" not in ended.reason, "the event handler may read the metrics"
    assert denials(here, "d-good") == []


class Recorder:
    """Writes items of its own into the state table, and keeps when each was acknowledged: what a client knows of what it wrote."""

    def __init__(self, here):
        self._client, self._over = here.cloud.clients("dynamodb"), threading.Event()
        self.acknowledged = []
        self._thread = threading.Thread(target=self._write)

    def _write(self):
        while not self._over.wait(0.1):
            item = {"pk": {"S": f"recorder#{len(self.acknowledged) % 50}"}, "n": {"N": str(len(self.acknowledged))}}
            self._client.put_item(TableName=f"ib-oauth-state-{ENVIRONMENT}", Item=item)
            self.acknowledged.append(time.time())

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()

    def around(self, point):
        """When the last write before a point was acknowledged, and the first one after it."""
        return max(at for at in self.acknowledged if at <= point), min(at for at in self.acknowledged if at > point)


def check_loss(recovery, recorder):
    """The measured loss is what the recorder knows of it, within a second and what neither of them wrote in around the point."""
    assert recovery.measured.source == "heartbeats"
    moment = recovery.requested_at.timestamp() - (recovery.latest - recovery.point).total_seconds()
    last, first = recorder.around(recovery.point.timestamp())
    heartbeats = [
        one.figures["certain_to_seconds"] for one in recovery.check_results if one.check.startswith("heartbeats.")
    ]
    assert len(heartbeats) == 2
    off = abs(recovery.measured.data_loss.total_seconds() - (moment - last))
    assert off <= max(heartbeats) + (first - last), (recovery.measured, recorder.acknowledged[-5:])


def test_a_drill_under_traffic_is_green_serves_what_clients_get_and_leaves_nothing(here):
    """`$LATEST` is not what is live: the drill has to serve the version before it."""
    functions = here.cloud.clients("lambda")
    live = functions.get_function_configuration(FunctionName=f"ib-oauth-token-{ENVIRONMENT}", Qualifier="live")
    latest = functions.get_function_configuration(FunctionName=f"ib-oauth-token-{ENVIRONMENT}")
    assert live["CodeSha256"] != latest["CodeSha256"]
    with Recorder(here) as recorder:
        here.start_drill("dr-green")
        recovery = here.wait_for_drill("dr-green", 300)
    assert recovery.outcome is RecoveryOutcome.SUCCEEDED, recovery.reason
    check_loss(recovery, recorder)
    assert {check.partition(".")[0] for check in verdicts(recovery)} >= {
        "restore",
        "settings",
        "content",
        "objective",
        "cleanup",
    }
    assert sum((phase.took for phase in recovery.phases), timedelta(0)) == recovery.ended_at - recovery.requested_at
    assert tables_of_drills(here) == []
    (code,) = [one for one in recovery.check_results if one.check == "serving.code"]
    assert live["CodeSha256"] in str(code.figures)


@pytest.mark.repeated
@pytest.mark.usefixtures("here")
def test_the_runbook_of_drills_does_what_it_says(folder, tmp_path):
    (tmp_path / ".local").symlink_to(folder)
    copyfile(environments.settings_file(), tmp_path / "environments.toml")
    page = Runbook("drill", {"--env prod": "--env local", "--env dev": "--env local"})
    blocks = map(page.block_with, ("drill --plan", "drill --watch", "orchestrator history", "--inject-fault"))
    printed = [page.run(f"cd {tmp_path}", block, environ={}, seconds=300) for block in blocks]
    assert "US dollars at prices of" in printed[0]
    assert "SUCCEEDED after" in printed[1]
    assert "dr-green" in printed[2]
    assert "SUCCEEDED" in printed[2].splitlines()[-1]
    assert "settings.state.time_to_live: time to live of the restored table: none" in printed[3]


@pytest.mark.proof
def test_a_drill_that_is_killed_is_swept_with_what_protects_its_copies_and_nothing_else_is(here):
    dynamodb = here.cloud.clients("dynamodb")
    decoy = f"ib-oauth-drill-of-other-{ENVIRONMENT}"
    key = {"AttributeName": "pk"}
    dynamodb.create_table(
        TableName=decoy,
        KeySchema=[{**key, "KeyType": "HASH"}],
        AttributeDefinitions=[{**key, "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )

    def whole():
        """The copies, once both are there and can be changed."""
        made = [name for name in tables_of_drills(here) if name != decoy]
        states = {dynamodb.describe_table(TableName=name)["Table"]["TableStatus"] for name in made}
        return made if len(made) == 2 and states == {"ACTIVE"} else None

    here.start_drill("dr-killed")
    for name in here.wait_until(whole, 200, "the copies"):
        dynamodb.update_table(TableName=name, DeletionProtectionEnabled=True)
    here.cloud.executions.stop_execution(here.cloud.drills.read_record("dr-killed").execution, "by a person")

    def swept():
        found = here.cloud.drills.read_record("dr-killed")
        return found if found.cleaned_at and here.cloud.evidence.find_entry(found.id) else None

    # By the rule on its end within seconds; where that event is lost, by the look every five minutes.
    recovery = here.wait_until(swept, 420, "the sweeper")
    assert recovery.outcome is RecoveryOutcome.FAILED
    assert verdicts(recovery)["machine.dead"].outcome is Outcome.ERROR
    assert tables_of_drills(here) == [decoy]
    pages = here.cloud.clients("lambda").get_paginator("list_functions").paginate()
    left = [one["FunctionName"] for page in pages for one in page["Functions"]]
    assert [name for name in left if name.startswith("ib-oauth-drill-")] == []
    assert not here.cloud.drills.read_lock().held
    assert here.cloud.evidence.verify_chain() == ()
    dynamodb.delete_table(TableName=decoy)


@pytest.mark.proof
@pytest.mark.timeout(1200)
def test_the_runbook_of_restores_has_the_service_use_the_copies(here, folder, tmp_path):
    # A restore changes which tables are used and nothing else: clients have to get what `$LATEST` holds.
    here.start_deployment("d-live", strategy={"type": "all-at-once"}, force=True)
    assert here.wait_for_deployment("d-live", 200).outcome is DeploymentOutcome.SUCCEEDED
    (tmp_path / ".local").symlink_to(folder)
    file = tmp_path / "environments.toml"
    copyfile(environments.settings_file(), file)
    local = {
        "RESTORE_ID": f"RESTORE_ID --settings-file {file}",
        "--env prod": "--env local",
        "--to 2026-11-23T03:00:00Z --yes": "--yes",  # the latest second: the cloud is younger than that time
    }
    page = Runbook("restore", local)
    plan, restore, write_settings = map(page.block_with, ("restore --plan", "--yes --watch", "--write-settings"))
    planned, done = (page.run(f"cd {tmp_path}", block, environ={}, seconds=400) for block in (plan, restore))
    assert "the service returns 503" in " ".join(planned.split())
    assert "SUCCEEDED after" in done
    newest = here.cloud.restores.newest_records(1)[0]
    assert newest.outcome is RecoveryOutcome.SUCCEEDED
    settled = page.run(f"cd {tmp_path}", write_settings.replace("RESTORE_ID", newest.id), environ={})
    dynamodb = here.cloud.clients("dynamodb")
    for table in newest.tables:
        with pytest.raises(dynamodb.exceptions.ClientError, match="AccessDenied"):
            dynamodb.get_item(TableName=table.source, Key={"pk": {"S": "epoch"}})
    variables = here.cloud.versions.describe_version(f"ib-oauth-token-{ENVIRONMENT}", "live").configuration[
        "Environment"
    ]
    assert variables["Variables"]["TOKENS_TABLE"] == newest.tables[1].target
    assert "environments.toml now names the tables in use" in settled
    settings = environments.load("local", file).service
    assert {"state": settings.state_table, "tokens": settings.tokens_table} == {
        one.role: one.target for one in newest.tables
    }
    assert str(settings.least_epoch) == variables["Variables"]["LEAST_EPOCH"]


def contents(here, table):
    pages = here.cloud.clients("dynamodb").get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
    return {item["pk"]["S"]: item for page in pages for item in page["Items"]}


@pytest.mark.proof
def test_the_runbook_of_going_back_has_the_service_use_what_the_restore_left_with_what_was_written_since(
    here, folder, tmp_path
):
    dynamodb = here.cloud.clients("dynamodb")
    restored = here.cloud.restores.newest_records(1)[0]
    assert restored.outcome is RecoveryOutcome.SUCCEEDED, "the test before has restored"
    (tmp_path / ".local").symlink_to(folder)
    file = tmp_path / "environments.toml"
    copyfile(environments.settings_file(), file)
    page = Runbook("failback", {"FAILBACK_ID": f"FAILBACK_ID --settings-file {file}", "--env prod": "--env local"})
    plan, fail_back, write_settings, by_hand = page.blocks
    state, tokens = restored.tables
    since = {"pk": {"S": "probe#since"}, "v": {"S": "written since the restore"}}
    dynamodb.put_item(TableName=state.target, Item=since)
    for table in restored.tables:
        # An operator opened it, and closes it again as the page says.
        dynamodb.delete_resource_policy(ResourceArn=table.source_arn)

    def opened():
        """The policy reaches one host after the other."""
        try:
            return dynamodb.put_item(TableName=state.source, Item={"pk": {"S": "probe#lost"}})
        except dynamodb.exceptions.ClientError:
            return None

    here.wait_until(opened, 60, "the table to be open")
    command = f"orchestrator failback {restored.id} --plan --env local 2>&1 || test $? = 2"
    refused = page.run(f"cd {tmp_path}", command, environ={})
    assert "it is not blocked, so it may have other writers" in " ".join(refused.split())
    for table in restored.tables:
        page.run(f"NAME={table.source}", by_hand, environ=here.local.environ)

    planned = page.run(f"cd {tmp_path}", plan, environ={})
    done = page.run(f"cd {tmp_path}", fail_back, environ={}, seconds=300)
    assert "returns 503 for requests that write" in " ".join(planned.split())
    assert "SUCCEEDED after" in done
    back = here.cloud.restores.newest_records(1)[0]
    settled = page.run(f"cd {tmp_path}", write_settings.replace("FAILBACK_ID", back.id), environ={})
    findings = {one.check: one for one in back.check_results}
    assert findings["level.state"].figures["removed"] >= 1
    held = contents(here, state.source)
    assert held["probe#since"] == since
    assert "probe#lost" not in held
    with pytest.raises(dynamodb.exceptions.ClientError, match="AccessDenied"):
        dynamodb.get_item(TableName=tokens.target, Key={"pk": {"S": "epoch"}})
    variables = here.cloud.versions.describe_version(f"ib-oauth-token-{ENVIRONMENT}", "live").configuration[
        "Environment"
    ]
    assert variables["Variables"]["TOKENS_TABLE"] == tokens.source
    assert variables["Variables"]["LEAST_EPOCH"] == str(restored.least_epoch)
    assert "environments.toml now names the tables in use" in settled
    assert environments.load("local", file).service.state_table == state.source


def handle(here, handler: str, event: dict) -> str:
    """Invoke an event handler, as its rule or schedule does, and wait as long as it may take. Return its answer."""
    patient = client_factory(here.local.environ, Config(read_timeout=120, retries={"max_attempts": 0}))
    answer = patient("lambda").invoke(
        FunctionName=f"ib-oauth-event-{handler}-{ENVIRONMENT}", Payload=json.dumps(event).encode()
    )
    payload = json.load(answer["Payload"])
    assert "answer" in payload, payload
    return payload["answer"]


@pytest.mark.repeated
def test_a_release_that_is_announced_is_deployed_by_its_event_handler(here):
    detail = json.dumps(
        {"idempotency_key": "announced", "strategy": STEPS, "force": True}
    )  # it was rolled back by its alarm
    entry = {
        "Source": "tests",
        "DetailType": "ReleaseReady",
        "Detail": detail,
        "EventBusName": f"ib-oauth-{ENVIRONMENT}",
    }
    answer = here.cloud.clients("events").put_events(Entries=[entry])
    assert answer["FailedEntryCount"] == 0

    ended = here.wait_for_deployment(deployment_id("announced"), 200)

    assert denials(here, ended.id) == []


def test_the_handlers_of_schedules_may_do_all_that_they_do(here):
    """The last test with a service: it rotates the signing keys without the time that clients need to follow."""
    assert "parts" in handle(here, "take-configuration-snapshot", {"id": "by hand"})
    scheduled = datetime.now(UTC).isoformat()
    assert "started" in handle(here, "start-drill", {"scheduled": scheduled})
    drill = recovery_id(scheduled_key(datetime.fromisoformat(scheduled)))
    here.wait_until(lambda: here.cloud.drills.find_record(drill), 60, "the scheduled drill")
    here.cloud.executions.stop_execution(here.cloud.drills.read_record(drill).execution, "by a test")

    clients, table, steps = here.cloud.clients, f"ib-oauth-keys-{ENVIRONMENT}", ""
    dynamodb, tagging = clients("dynamodb"), clients("resourcegroupstaggingapi")
    names = {"table": table, "stack_key": f"alias/ib-oauth-signing-{ENVIRONMENT}", "environment": ENVIRONMENT}
    ring = KeyRing(dynamodb, clients("kms"), tagging, **names, now=lambda: datetime.now(UTC))
    publish_new_key(ring, ring._now)
    while steps.count("left the ring") < 2:  # the stack's key is disabled, and one that the handler created is deleted
        assert steps.count(";") < 20, steps
        item = dynamodb.get_item(TableName=table, Key={"pk": {"S": "ring"}}, ConsistentRead=True)["Item"]
        for key in item["keys"]["L"]:
            since = key["M"]["since"]
            since["N"] = str(int(since["N"]) - 400 * 24 * 3600)
        dynamodb.put_item(TableName=table, Item=item)
        steps += f"{handle(here, 'rotate-signing-keys', {'id': f'rotation-{len(steps)}'})};"


@complete_record
def test_every_call_of_this_run_is_in_the_record(here):
    check_calls(here, "test_least_privilege")
