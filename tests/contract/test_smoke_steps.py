"""The smoke test's own tools against the local cloud: what it measures, and that it leaves nothing."""

import json
from types import SimpleNamespace

import pytest

from orchestrator.smoke.results import Verdict
from orchestrator.smoke.steps import cutover, shipping, task_errors
from orchestrator.smoke.teardown import tear_down
from orchestrator.smoke.world import World
from tests.contract.cloudformation.test_failed_creations import Stacks, table

pytestmark = pytest.mark.both


def world_of(cloud) -> SimpleNamespace:
    return SimpleNamespace(
        name=cloud.name("s"),
        account="000000000000",
        clients=cloud.client,
        environment=SimpleNamespace(local=True),
        wait_until=World.wait_until,
    )


def test_everything_that_stacks_made_and_retain_is_removed(cloud):
    environment, bucket = cloud.name("env"), cloud.name("bucket")
    kept = {"DeletionPolicy": "RetainExceptOnCreate"}
    key = {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": {"Version": "2012-10-17", "Statement": []}}, **kept}
    resources = {
        "Table": {**table(f"ib-oauth-tokens-{environment}", protected=True), **kept},
        "Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": bucket}, **kept},
        "Logs": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": f"/ib-oauth/{environment}"}, **kept},
        "Key": key,
    }
    client, stack = cloud.client("cloudformation"), f"ib-oauth-stack-{environment}"
    body = json.dumps({"Resources": resources})
    client.create_stack(StackName=stack, TemplateBody=body, EnableTerminationProtection=True)
    assert Stacks(cloud).settled(stack) == "CREATE_COMPLETE"
    cloud.client("s3").put_object(Bucket=bucket, Key="record", Body=b"1")
    drilled = f"ib-oauth-drill-dr-1-tokens-{environment}"
    cloud.client("dynamodb").create_table(
        TableName=drilled,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    others = cloud.client("dynamodb").list_tables()["TableNames"]

    assert tear_down(environment, {cloud.region: cloud.client}, lambda _: None) == ()

    tables = cloud.client("dynamodb").list_tables()["TableNames"]
    assert set(others) - set(tables) == {drilled, f"ib-oauth-tokens-{environment}"}
    assert bucket not in {one["Name"] for one in cloud.client("s3").list_buckets()["Buckets"]}
    assert not cloud.client("logs").describe_log_groups(logGroupNamePrefix=f"/ib-oauth/{environment}")["logGroups"]
    assert tear_down(environment, {cloud.region: cloud.client}, lambda _: None) == ()


@pytest.mark.proof
def test_the_names_of_errors_are_those_that_every_task_retries_and_the_tools_go(cloud):
    if not cloud.patched:
        pytest.skip("stock MiniStack reports one name for both")
    world = world_of(cloud)

    facts = list(task_errors.run(world))

    assert {fact.verdict for fact in facts} == {Verdict.PASS}, [fact.answer for fact in facts]
    names = {one["FunctionName"] for one in cloud.client("lambda").list_functions()["Functions"]}
    assert f"ib-oauth-smoke-{world.name}" not in names


def test_writers_see_a_denial_and_its_end_and_the_table_goes(cloud, monkeypatch):
    if not cloud.patched:
        pytest.skip("stock MiniStack stores a table's policy and does not enforce it")
    monkeypatch.setattr(cutover, "SECONDS", {"local": 3.0})
    world = world_of(cloud)
    with cutover.ExitStack() as stack:
        name, arn = cutover._scratch_table(world, stack)
        blocked, unblocked, rolled_back = cutover._spread(world, name, arn)

    assert (blocked.row, unblocked.row, rolled_back.row) == ("12", "13", "13")
    assert rolled_back.data["first"] is not None
    assert blocked.data["first"] is not None
    assert unblocked.data["first"] is not None
    assert name not in cloud.client("dynamodb").list_tables()["TableNames"]


def test_the_values_above_a_line_are_counted(cloud):
    if not cloud.patched:
        pytest.skip("stock MiniStack has no trimmed count")
    fact = shipping.count_over_line(world_of(cloud))

    assert fact.verdict is Verdict.PASS, fact.answer
    assert fact.data == {"over": 2, "all": 5}
