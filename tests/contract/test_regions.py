"""Two regions of one cloud: nothing of one is in the other, and one can be lost."""

import json
import urllib.error
import urllib.request

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from orchestrator.local.cloud import LocalCloud
from orchestrator.local.control_api import KEY_HEADER, REGIONS_PATH
from tests.contract.apis import rest_api
from tests.contract.conftest import ROLE, CloudUnderTest, zipped
from tests.contract.dynamodb.test_point_in_time_recovery import refusal
from tests.contract.tables import key
from tests.contract.waiting import eventually

HOME, OTHER = "us-west-1", "us-east-2"
BUCKET = {"CreateBucketConfiguration": {"LocationConstraint": OTHER}}


@pytest.fixture(scope="module")
def lossy(tmp_path_factory):
    """A cloud of which this module loses a region, and finds it again."""
    with LocalCloud.start(tmp_path_factory.mktemp("regions"), region=HOME) as local:
        yield CloudUnderTest(local, patched=True)


@pytest.fixture
def lost(lossy):
    """Loses a region until the test ends."""
    yield lossy.local.set_lost_regions
    lossy.local.set_lost_regions()


def client(cloud, service: str, region: str):
    session = boto3.Session("test", "test", region_name=region)
    return session.client(service, endpoint_url=cloud.endpoint_url, config=Config(retries={"max_attempts": 0}))


def table_in(cloud, region: str, name: str) -> str:
    """Create a table with recovery; returns its ARN."""
    made = client(cloud, "dynamodb", region).create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    wanted = {"PointInTimeRecoveryEnabled": True}
    client(cloud, "dynamodb", region).update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=wanted)
    return made["TableDescription"]["TableArn"]


@pytest.mark.both
def test_what_has_the_same_name_in_two_regions_is_two_things(cloud):
    name = cloud.name("both")
    for region in (HOME, OTHER):
        table_in(cloud, region, name)
        client(cloud, "dynamodb", region).put_item(TableName=name, Item={**key("a"), "region": {"S": region}})
        client(cloud, "lambda", region).create_function(
            FunctionName=name,
            Runtime="python3.13",
            Role=ROLE,
            Handler="function.handler",
            Code={"ZipFile": zipped("import os\ndef handler(event, context): return os.environ['AWS_REGION']")},
        )
        client(cloud, "stepfunctions", region).create_state_machine(
            name=name, roleArn=ROLE, definition=json.dumps({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}})
        )
        client(cloud, "ssm", region).put_parameter(Name=name, Value=region, Type="String")
        topic = {"Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": f"{name}-topic"}}}
        client(cloud, "cloudformation", region).create_stack(
            StackName=name, TemplateBody=json.dumps({"Resources": topic})
        )

    for region in (HOME, OTHER):
        found = client(cloud, "dynamodb", region).get_item(TableName=name, Key=key("a"))["Item"]
        assert found["region"]["S"] == region
        client(cloud, "lambda", region).get_waiter("function_active_v2").wait(FunctionName=name)
        answered = client(cloud, "lambda", region).invoke(FunctionName=name)["Payload"]
        assert json.load(answered) == region
        machines = client(cloud, "stepfunctions", region).list_state_machines()["stateMachines"]
        assert [machine["stateMachineArn"].split(":")[3] for machine in machines if machine["name"] == name] == [region]
        assert client(cloud, "ssm", region).get_parameter(Name=name)["Parameter"]["Value"] == region
        (stack,) = client(cloud, "cloudformation", region).describe_stacks(StackName=name)["Stacks"]
        assert stack["StackId"].split(":")[3] == region
        topics = client(cloud, "sns", region).list_topics()["Topics"]
        assert [one["TopicArn"].split(":")[3] for one in topics if one["TopicArn"].endswith(f":{name}-topic")] == [
            region
        ]


def test_a_lost_region_answers_no_request_and_the_other_one_does(lossy, lost):
    for region in (HOME, OTHER):
        table_in(lossy, region, "everywhere")
    lost(HOME)

    for service, call in (
        ("dynamodb", "list_tables"),
        ("lambda", "list_functions"),
        ("stepfunctions", "list_state_machines"),
        ("cloudformation", "list_stacks"),
        ("s3", "list_buckets"),
        ("sts", "get_caller_identity"),
    ):
        with pytest.raises(ClientError) as refused:
            getattr(client(lossy, service, HOME), call)()
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503, service
        getattr(client(lossy, service, OTHER), call)()
    client(lossy, "iam", HOME).list_roles()


def test_a_lost_region_is_there_again_as_it_was(lossy, lost):
    table_in(lossy, HOME, "kept")
    client(lossy, "dynamodb", HOME).put_item(TableName="kept", Item=key("a"))
    lost(HOME)
    lost()
    assert client(lossy, "dynamodb", HOME).get_item(TableName="kept", Key=key("a"))["Item"] == key("a")


def test_buckets_are_lost_with_their_region_whichever_region_is_called(lossy, lost):
    client(lossy, "s3", OTHER).create_bucket(Bucket="ours", **BUCKET)
    client(lossy, "s3", OTHER).put_object(Bucket="ours", Key="a", Body=b"x")
    lost(OTHER)
    with pytest.raises(ClientError) as refused:
        client(lossy, "s3", HOME).get_object(Bucket="ours", Key="a")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503


def test_apis_are_lost_with_their_region(lossy, lost):
    url = rest_api(lossy, lossy.function("def handler(event, context): return {'statusCode': 200, 'body': 'here'}")).url
    assert urllib.request.urlopen(url).read() == b"here"
    lost(HOME)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(url)
    assert refused.value.code == 503


def test_a_function_in_a_lost_region_runs_on_and_reaches_nothing_there(lossy, lost):
    table_in(lossy, OTHER, "answers")
    function = lossy.function(
        f"""
        import time, boto3
        from botocore.config import Config
        def handler(event, context):
            time.sleep(1)
            def dynamodb(region):
                return boto3.client("dynamodb", region_name=region, config=Config(retries={{"max_attempts": 0}}))
            try:
                answer = str(dynamodb("{HOME}").list_tables())
            except Exception as error:
                answer = str(error)
            dynamodb("{OTHER}").put_item(TableName="answers", Item={{"pk": {{"S": "home"}}, "answer": {{"S": answer}}}})
        """
    )
    client(lossy, "lambda", HOME).invoke(FunctionName=function, InvocationType="Event")
    lost(HOME)

    def answer() -> dict | None:
        return client(lossy, "dynamodb", OTHER).get_item(TableName="answers", Key=key("home")).get("Item")

    assert "503" in eventually(answer, within_seconds=20)["answer"]["S"]


def test_tables_and_backups_of_a_lost_region_are_no_source_of_a_restore(lossy, lost):
    arn = table_in(lossy, HOME, "source")
    backup = client(lossy, "dynamodb", HOME).create_backup(TableName="source", BackupName="a-backup")
    other = client(lossy, "dynamodb", OTHER)
    other.restore_table_to_point_in_time(SourceTableArn=arn, TargetTableName="in-time", UseLatestRestorableTime=True)
    eventually(lambda: other.describe_table(TableName="in-time")["Table"]["TableStatus"] == "ACTIVE")
    lost(HOME)

    params = {"SourceTableArn": arn, "TargetTableName": "too-late", "UseLatestRestorableTime": True}
    assert refusal(other.restore_table_to_point_in_time, **params) == "InternalServerError"
    params = {"BackupArn": backup["BackupDetails"]["BackupArn"], "TargetTableName": "too-late"}
    assert refusal(other.restore_table_from_backup, **params) == "InternalServerError"


@pytest.mark.parametrize(("headers", "body", "code"), [({}, b'{"lost": []}', 403), (None, b'{"lost": "all"}', 400)])
def test_the_switch_wants_its_key_and_a_list(lossy, headers, body, code):
    if headers is None:
        headers = {KEY_HEADER: lossy.local._running.control_key}
    request = urllib.request.Request(lossy.endpoint_url + REGIONS_PATH, body, headers, method="POST")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    assert refused.value.code == code
