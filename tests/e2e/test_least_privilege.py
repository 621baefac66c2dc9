"""Every Lambda role is held to its policies while a release is promoted and another is rung back; then the tables are drilled."""

import json
import threading
import time
from datetime import timedelta
from shutil import copyfile

import pytest

import environments
from orchestrator.domain.records import Ending
from orchestrator.domain.recovery import RecoveryEnding
from orchestrator.domain.verdict import Outcome
from orchestrator.local.cloud import ACCOUNT
from orchestrator.local.stage import ENVIRONMENT, stage
from orchestrator.local.traffic import Traffic
from tests.e2e.runbook import Runbook

pytestmark = pytest.mark.timeout(600)
STEPS = {"type": "canary", "steps": [{"weight_percent": 50, "bake_seconds": 8}]}
ALARM = f"ib-oauth-token-server-errors-{ENVIRONMENT}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("local")


@pytest.fixture(scope="module")
def here(folder):
    with stage(folder, seed=2) as here:
        here.put_into_latest("good")
        here.local.enforce_policies(True)
        with Traffic(here.api_url, here.platform_url, rate_per_second=20, seed=2):
            yield here


def denials(here, deployment):
    entries = here.cloud.ledger.decisions(deployment)
    reasons = [entry.decision.reason for entry in entries]
    reasons += [one.verdict.reason for entry in entries for one in entry.evidence]
    return [reason for reason in reasons if "AccessDenied" in reason or "not authorized" in reason]


def test_a_release_is_promoted_and_no_probe_was_denied_anything(here):
    here.start("d-good", strategy=STEPS)
    ended = here.ended("d-good", 200)
    assert denials(here, "d-good") == []
    assert ended.ending is Ending.SUCCEEDED, ended.reason


def test_the_reconciler_may_see_to_what_is_warm(here):
    client, token = here.cloud.clients("lambda"), f"ib-oauth-token-{ENVIRONMENT}"
    client.put_provisioned_concurrency_config(FunctionName=token, Qualifier="1", ProvisionedConcurrentExecutions=1)

    def cooled():
        answer = client.invoke(FunctionName=f"ib-oauth-intake-reconcile-{ENVIRONMENT}", Payload=b'{"id": "by hand"}')
        payload = json.load(answer["Payload"])
        assert "answer" in payload, payload
        told = payload["answer"]
        assert "not kept warm" not in told, told
        found = client.list_provisioned_concurrency_configs(FunctionName=token)["ProvisionedConcurrencyConfigs"]
        return told if not found else None

    assert here.until(cooled, 60, "version 1 to be cooled: nothing is to be warm here") == "nobody holds the claim"


def test_an_alarm_takes_it_back_within_the_rollback_window(here):
    here.cloud.clients("cloudwatch").set_alarm_state(AlarmName=ALARM, StateValue="ALARM", StateReason="test")

    def undone():
        found = here.cloud.ledger.read("d-good")
        return found if found.ending is Ending.ROLLED_BACK else None

    ended = here.until(undone, 60, "the rollback")
    assert ended.rollback.restored_at is not None
    assert denials(here, "d-good") == []


@pytest.fixture
def trusted(here):
    """Roles are not held to their policies: what the local cloud authorises of streams and archives is not all that AWS does."""
    here.local.enforce_policies(False)
    yield here
    here.local.enforce_policies(True)


def copies(here):
    names = here.cloud.clients("dynamodb").list_tables()["TableNames"]
    return [name for name in names if name.startswith("ib-oauth-drill-")]


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
    assert recovery.measured.source == "receipts"
    moment = recovery.requested_at.timestamp() - (recovery.latest - recovery.point).total_seconds()
    last, first = recorder.around(recovery.point.timestamp())
    receipts = [one.figures["certain_to_seconds"] for one in recovery.findings if one.check.startswith("receipts.")]
    assert len(receipts) == 2
    off = abs(recovery.measured.data_loss.total_seconds() - (moment - last))
    assert off <= max(receipts) + (first - last), (recovery.measured, recorder.acknowledged[-5:])


def told(recovery):
    return {finding.check: finding.verdict for finding in recovery.findings}


def test_a_drill_under_traffic_is_green_serves_what_clients_get_and_leaves_nothing(here):
    """`$LATEST` still is what was taken back: the drill has to serve the version before it."""
    functions = here.cloud.clients("lambda")
    live = functions.get_function_configuration(FunctionName=f"ib-oauth-token-{ENVIRONMENT}", Qualifier="live")
    latest = functions.get_function_configuration(FunctionName=f"ib-oauth-token-{ENVIRONMENT}")
    assert live["CodeSha256"] != latest["CodeSha256"]
    with Recorder(here) as recorder:
        here.drill("dr-green")
        recovery = here.drilled("dr-green", 300)
    assert recovery.ending is RecoveryEnding.GREEN, recovery.reason
    check_loss(recovery, recorder)
    assert {check.partition(".")[0] for check in told(recovery)} >= {
        "restore",
        "settings",
        "content",
        "objective",
        "cleanup",
    }
    assert sum((phase.took for phase in recovery.phases), timedelta(0)) == recovery.ended_at - recovery.requested_at
    assert copies(here) == []
    (code,) = [one for one in recovery.findings if one.check == "serving.code"]
    assert live["CodeSha256"] in str(code.figures)


def test_where_a_stream_says_nothing_an_export_of_the_table_tells(here):
    table, dynamodb = f"ib-oauth-tokens-{ENVIRONMENT}", here.cloud.clients("dynamodb")
    dynamodb.update_table(TableName=table, StreamSpecification={"StreamEnabled": False})
    here.drill("dr-export")
    recovery = here.drilled("dr-export", 300)
    both = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    dynamodb.update_table(TableName=table, StreamSpecification=both)
    assert recovery.ending is RecoveryEnding.GREEN, recovery.reason
    by = {one.check: one.figures["source_at_point"] for one in recovery.findings if one.check.startswith("content.")}
    assert (by["content.tokens"], by["content.state"]) == ("export", "stream")
    bucket = f"ib-oauth-exports-{ENVIRONMENT}-{ACCOUNT}"
    assert "Contents" not in here.cloud.clients("s3").list_objects_v2(Bucket=bucket)


def test_a_row_that_is_missing_from_a_copy_turns_the_drill_red(here):
    here.drill("dr-missing", sabotage="missing-row")
    recovery = here.drilled("dr-missing", 240)
    assert recovery.ending is RecoveryEnding.RED
    bad = [check for check, verdict in told(recovery).items() if verdict.outcome is not Outcome.PASS]
    assert bad in (["content.tokens"], ["content.state"]), recovery.reason
    assert "1 missing" in recovery.reason
    assert copies(here) == []


@pytest.mark.usefixtures("here")
def test_the_runbook_of_drills_does_what_it_says(folder, tmp_path):
    (tmp_path / ".local").symlink_to(folder)
    page = Runbook("drill", {"--env prod": "--env local", "--env dev": "--env local"})
    printed = [page.run(f"cd {tmp_path}", block, environ={}, seconds=300) for block in page.blocks]
    assert "US dollars at prices of" in printed[0]
    assert "GREEN after" in printed[1]
    assert "dr-green" in printed[2]
    assert "GREEN" in printed[2].splitlines()[-1]
    assert "settings.state.time_to_live: time to live of the copy: none" in printed[3]


@pytest.mark.proof
def test_a_drill_that_is_killed_is_swept_with_what_protects_its_copies_and_nothing_else_is(here):
    dynamodb = here.cloud.clients("dynamodb")
    decoy = f"ib-oauth-drill-of-somebody-{ENVIRONMENT}"
    key = {"AttributeName": "pk"}
    dynamodb.create_table(
        TableName=decoy,
        KeySchema=[{**key, "KeyType": "HASH"}],
        AttributeDefinitions=[{**key, "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )

    def whole():
        """The copies, once both are there and can be changed."""
        made = [name for name in copies(here) if name != decoy]
        states = {dynamodb.describe_table(TableName=name)["Table"]["TableStatus"] for name in made}
        return made if len(made) == 2 and states == {"ACTIVE"} else None

    here.drill("dr-killed")
    for name in here.until(whole, 200, "the copies"):
        dynamodb.update_table(TableName=name, DeletionProtectionEnabled=True)
    here.cloud.executions.stop(here.cloud.drills.read("dr-killed").execution, "by a person")

    def swept():
        found = here.cloud.drills.read("dr-killed")
        return found if found.cleaned_at and here.cloud.evidence.of(found.id) else None

    # By the rule on its end within seconds; where that event is lost, by the look every five minutes.
    recovery = here.until(swept, 420, "the sweeper")
    assert recovery.ending is RecoveryEnding.RED
    assert told(recovery)["machine.dead"].outcome is Outcome.ERROR
    assert copies(here) == [decoy]
    pages = here.cloud.clients("lambda").get_paginator("list_functions").paginate()
    left = [one["FunctionName"] for page in pages for one in page["Functions"]]
    assert [name for name in left if name.startswith("ib-oauth-drill-")] == []
    assert not here.cloud.drills.claim().held
    assert here.cloud.evidence.verify() == ()
    dynamodb.delete_table(TableName=decoy)


@pytest.mark.proof
@pytest.mark.timeout(1200)
def test_the_runbook_of_restores_has_the_service_use_the_copies(trusted, folder, tmp_path):
    here = trusted
    # A restore changes which tables are used and nothing else: clients have to get what `$LATEST` holds.
    here.start("d-live", strategy={"type": "all-at-once"}, force=True)
    assert here.ended("d-live", 200).ending is Ending.SUCCEEDED
    (tmp_path / ".local").symlink_to(folder)
    file = tmp_path / "environments.toml"
    copyfile(environments.FILE, file)
    written = '--write-settings "$ID"'
    page = Runbook("restore", {written: f"{written} --settings-file {file}", "--env prod": "--env local"})
    planned, done, settled = (page.run(f"cd {tmp_path}", block, environ={}, seconds=400) for block in page.blocks)
    assert "the service answers 503" in " ".join(planned.split())
    assert "GREEN after" in done
    newest = here.cloud.restores.newest(1)[0]
    assert newest.ending is RecoveryEnding.GREEN
    dynamodb = here.cloud.clients("dynamodb")
    for table in newest.tables:
        with pytest.raises(dynamodb.exceptions.ClientError, match="AccessDenied"):
            dynamodb.get_item(TableName=table.source, Key={"pk": {"S": "epoch"}})
    variables = here.cloud.versions.describe(f"ib-oauth-token-{ENVIRONMENT}", "live").configuration["Environment"]
    assert variables["Variables"]["TOKENS_TABLE"] == newest.tables[1].target
    assert "environments.toml names the tables in use now" in settled
    told = environments.load("local", file).service
    assert {"state": told.state_table, "tokens": told.tokens_table} == {one.role: one.target for one in newest.tables}
    assert str(told.least_epoch) == variables["Variables"]["LEAST_EPOCH"]


def contents(here, table):
    pages = here.cloud.clients("dynamodb").get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
    return {item["pk"]["S"]: item for page in pages for item in page["Items"]}


@pytest.mark.proof
def test_the_runbook_of_going_back_has_the_service_use_what_the_restore_left_with_what_was_written_since(
    trusted, folder, tmp_path
):
    here, dynamodb = trusted, trusted.cloud.clients("dynamodb")
    undone = here.cloud.restores.newest(1)[0]
    assert undone.ending is RecoveryEnding.GREEN, "the test before has restored"
    (tmp_path / ".local").symlink_to(folder)
    file = tmp_path / "environments.toml"
    copyfile(environments.FILE, file)
    written = '--write-settings "$ID"'
    page = Runbook("fail-back", {written: f"{written} --settings-file {file}", "--env prod": "--env local"})
    *way, by_hand = page.blocks
    state, tokens = undone.tables
    since = {"pk": {"S": "probe#since"}, "v": {"S": "written since the restore"}}
    dynamodb.put_item(TableName=state.target, Item=since)
    for table in undone.tables:
        # Somebody opened it, and closes it again as the page says.
        dynamodb.delete_resource_policy(ResourceArn=table.source_arn)
    dynamodb.put_item(TableName=state.source, Item={"pk": {"S": "probe#lost"}})
    asked = f"orchestrator restore --back {undone.id} --plan --env local 2>&1 || test $? = 2"
    refused = page.run(f"cd {tmp_path}", asked, environ={})
    assert "it is open, and somebody may be writing to it" in " ".join(refused.split())
    for table in undone.tables:
        page.run(f"NAME={table.source}", by_hand, environ=here.local.environ)

    planned = page.run(f"cd {tmp_path}", way[0], environ={})
    done = page.run(f"cd {tmp_path}", *way[:2], environ={}, seconds=300)
    settled = page.run(f"cd {tmp_path}", way[2], environ={})
    assert "answers 503 to whatever writes" in " ".join(planned.split())
    assert "GREEN after" in done
    back = here.cloud.restores.newest(1)[0]
    findings = {one.check: one for one in back.findings}
    assert findings["level.state"].figures["removed"] >= 1
    held = contents(here, state.source)
    assert held["probe#since"] == since
    assert "probe#lost" not in held
    with pytest.raises(dynamodb.exceptions.ClientError, match="AccessDenied"):
        dynamodb.get_item(TableName=tokens.target, Key={"pk": {"S": "epoch"}})
    variables = here.cloud.versions.describe(f"ib-oauth-token-{ENVIRONMENT}", "live").configuration["Environment"]
    assert variables["Variables"]["TOKENS_TABLE"] == tokens.source
    assert variables["Variables"]["LEAST_EPOCH"] == str(undone.least_epoch)
    assert "environments.toml names the tables in use now" in settled
    assert environments.load("local", file).service.state_table == state.source
