"""What a request is authorised as, where policies are enforced."""

import json

import boto3
import pytest
from botocore.exceptions import ClientError

from orchestrator.local.cloud import ACCOUNT
from tests.contract.conftest import zipped
from tests.contract.waiting import eventually

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}
    ],
}
ANSWER = "def handler(event, context): return {}"


@pytest.fixture
def enforced(cloud):
    """Policies are enforced while the test runs; it makes its resources as root, whom no policy binds."""
    cloud.local.enforce_policies(True)
    yield cloud
    cloud.local.enforce_policies(False)


def acting(cloud, service: str, *statements: dict, name: str = ""):
    """A client of a role that may do what these statements say."""
    name = name or cloud.name("role")
    iam = cloud.client("iam")
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement} for statement in statements]}
    iam.put_role_policy(RoleName=name, PolicyName="access", PolicyDocument=json.dumps(document))
    credentials = cloud.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    session = boto3.Session(
        credentials["AccessKeyId"],
        credentials["SecretAccessKey"],
        credentials["SessionToken"],
        region_name=cloud.region,
    )
    return session.client(service, endpoint_url=cloud.endpoint_url)


def denied(call, **arguments) -> str:
    """The message of the denial, which a call must end in."""
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    assert refused.value.response["Error"]["Code"] in {"AccessDeniedException", "AuthorizationError", "AccessDenied"}
    return refused.value.response["Error"]["Message"]


def aliased(cloud) -> str:
    # Under policies a function's role has to exist.
    role = cloud.client("iam").create_role(RoleName=cloud.name("role"), AssumeRolePolicyDocument=json.dumps(TRUST))
    function = cloud.function(ANSWER, Role=role["Role"]["Arn"])
    (version,) = cloud.versions(function, ANSWER + "  # 1")
    cloud.client("lambda").create_alias(FunctionName=function, Name="live", FunctionVersion=version)
    return function


def table(cloud) -> str:
    name = cloud.name("table")
    cloud.client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return name


def fenced(table_name: str, *keys: str, actions=("GetItem", "PutItem", "BatchGetItem", "Query")) -> dict:
    return {
        "Action": [f"dynamodb:{action}" for action in actions],
        "Resource": f"arn:aws:dynamodb:*:*:table/{table_name}",
        "Condition": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": list(keys)}},
    }


def key(value: str) -> dict:
    return {"pk": {"S": value}}


def test_reading_and_moving_an_alias_are_actions_of_their_own(enforced):
    function = aliased(enforced)
    mover = acting(enforced, "lambda", {"Action": ["lambda:GetAlias", "lambda:UpdateAlias"], "Resource": "*"})

    assert mover.get_alias(FunctionName=function, Name="live")["FunctionVersion"] == "1"
    mover.update_alias(FunctionName=function, Name="live", FunctionVersion="1", Description="moved")
    assert "lambda:DeleteAlias" in denied(mover.delete_alias, FunctionName=function, Name="live")


def test_who_may_list_aliases_may_not_move_one(enforced):
    function = aliased(enforced)
    reader = acting(enforced, "lambda", {"Action": ["lambda:ListAliases", "lambda:CreateAlias"], "Resource": "*"})

    assert "lambda:UpdateAlias" in denied(reader.update_alias, FunctionName=function, Name="live", FunctionVersion="1")
    assert reader.list_aliases(FunctionName=function)["Aliases"]


def test_who_may_list_a_functions_urls_may_do_so(enforced):
    function = aliased(enforced)
    reader = acting(enforced, "lambda", {"Action": "lambda:ListFunctionUrlConfigs", "Resource": "*"})

    assert reader.list_function_url_configs(FunctionName=function)["FunctionUrlConfigs"] == []


def test_a_version_is_invoked_by_who_may_invoke_versions(enforced):
    function = aliased(enforced)
    own = f"arn:aws:lambda:*:*:function:{function}"
    versions = acting(enforced, "lambda", {"Action": "lambda:InvokeFunction", "Resource": f"{own}:1"})
    latest = acting(enforced, "lambda", {"Action": "lambda:InvokeFunction", "Resource": own})

    assert versions.invoke(FunctionName=function, Qualifier="1")["ExecutedVersion"] == "1"
    assert "lambda:InvokeFunction" in denied(latest.invoke, FunctionName=function, Qualifier="1")


def test_leading_keys_fence_items_in_and_out(enforced):
    name = table(enforced)
    client = acting(enforced, "dynamodb", fenced(name, "synthetic#*"))

    client.put_item(TableName=name, Item={**key("synthetic#1"), "a": {"S": "b"}})
    assert client.get_item(TableName=name, Key=key("synthetic#1"))["Item"]
    assert "dynamodb:GetItem" in denied(client.get_item, TableName=name, Key=key("person#1"))
    assert "dynamodb:PutItem" in denied(client.put_item, TableName=name, Item=key("person#1"))


def test_a_query_names_its_key_too(enforced):
    name = table(enforced)
    client = acting(enforced, "dynamodb", fenced(name, "synthetic#*"))
    query = {"TableName": name, "KeyConditionExpression": "#k = :k", "ExpressionAttributeNames": {"#k": "pk"}}

    assert client.query(**query, ExpressionAttributeValues={":k": {"S": "synthetic#1"}})["Items"] == []
    assert "dynamodb:Query" in denied(client.query, **query, ExpressionAttributeValues={":k": {"S": "person#1"}})


def test_every_table_of_a_batch_is_judged_by_its_own_keys(enforced):
    one, other = table(enforced), table(enforced)
    client = acting(enforced, "dynamodb", fenced(one, "code#*"), fenced(other, "epoch"))

    both = {one: {"Keys": [key("code#1")]}, other: {"Keys": [key("epoch")]}}
    assert client.batch_get_item(RequestItems=both)["Responses"]
    crossed = {one: {"Keys": [key("epoch")]}, other: {"Keys": [key("epoch")]}}
    assert "dynamodb:BatchGetItem" in denied(client.batch_get_item, RequestItems=crossed)


def test_a_restore_is_judged_by_its_source_and_by_its_target(enforced):
    source, name = table(enforced), f"arn:aws:dynamodb:*:*:table/{enforced.name('copy')}"
    wanted = {"PointInTimeRecoveryEnabled": True}
    enforced.client("dynamodb").update_continuous_backups(TableName=source, PointInTimeRecoverySpecification=wanted)
    own = f"arn:aws:dynamodb:*:*:table/{source}"
    restoring = {"Action": "dynamodb:RestoreTableToPointInTime", "Resource": [own, f"{name}-*"]}
    client = acting(enforced, "dynamodb", restoring)

    params = {"SourceTableName": source, "UseLatestRestorableTime": True}
    target = name.rpartition("/")[2]
    assert "RestoreTable" in denied(client.restore_table_to_point_in_time, **params, TargetTableName=f"{target}x")
    other = params | {"SourceTableName": table(enforced)}
    assert "RestoreTable" in denied(client.restore_table_to_point_in_time, **other, TargetTableName=f"{target}-1")
    made = client.restore_table_to_point_in_time(**params, TargetTableName=f"{target}-1")
    assert made["TableDescription"]["TableName"] == f"{target}-1"


READ_STREAM = ("dynamodb:DescribeStream", "dynamodb:GetShardIterator", "dynamodb:GetRecords")


def with_stream(cloud) -> tuple[str, str]:
    """A table with a stream, and the stream's ARN."""
    name, client = table(cloud), cloud.client("dynamodb")
    client.update_table(TableName=name, StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"})
    return name, client.describe_table(TableName=name)["Table"]["LatestStreamArn"]


def test_reading_a_stream_is_judged_by_the_stream(enforced):
    name, stream = with_stream(enforced)
    _, other = with_stream(enforced)
    streams = enforced.client("dynamodbstreams")
    shard, *_ = streams.describe_stream(StreamArn=other)["StreamDescription"]["Shards"]
    params = {"ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
    others_iterator = streams.get_shard_iterator(StreamArn=other, **params)["ShardIterator"]
    own = f"arn:aws:dynamodb:*:*:table/{name}/stream/*"
    client = acting(enforced, "dynamodbstreams", {"Action": list(READ_STREAM), "Resource": own})

    assert client.describe_stream(StreamArn=stream)["StreamDescription"]["StreamArn"] == stream
    iterator = client.get_shard_iterator(StreamArn=stream, **params)["ShardIterator"]
    assert client.get_records(ShardIterator=iterator)["Records"] == []
    assert "DescribeStream" in denied(client.describe_stream, StreamArn=other)
    assert "GetShardIterator" in denied(client.get_shard_iterator, StreamArn=other, **params)
    assert "GetRecords" in denied(client.get_records, ShardIterator=others_iterator)


def test_a_function_is_made_by_who_may_make_one_of_its_name(enforced):
    trusting = enforced.client("iam").create_role(
        RoleName=enforced.name("role"), AssumeRolePolicyDocument=json.dumps(TRUST)
    )["Role"]["Arn"]
    name = enforced.name("made")
    client = acting(
        enforced,
        "lambda",
        {"Action": "lambda:CreateFunction", "Resource": f"arn:aws:lambda:*:*:function:{name}"},
        {"Action": "iam:PassRole", "Resource": trusting},
    )
    params = {
        "Runtime": "python3.13",
        "Role": trusting,
        "Handler": "function.handler",
        "Code": {"ZipFile": zipped(ANSWER)},
    }
    assert client.create_function(FunctionName=name, **params)["FunctionName"] == name
    assert "CreateFunction" in denied(client.create_function, FunctionName=f"{name}x", **params)


def test_a_bus_and_the_targets_of_a_rule_are_judged_by_the_bus_and_by_the_rule(enforced):
    events, bus, rule = enforced.client("events"), enforced.name("bus"), enforced.name("rule")
    events.create_event_bus(Name=bus)
    for where in ({"EventBusName": bus}, {}):
        events.put_rule(Name=rule, EventPattern='{"source": ["a"]}', **where)
    on_bus, own = f"arn:aws:events:*:*:rule/{bus}/{rule}", f"arn:aws:events:*:*:rule/{rule}"
    client = acting(
        enforced,
        "events",
        {"Action": "events:DescribeEventBus", "Resource": f"arn:aws:events:*:*:event-bus/{bus}"},
        {"Action": "events:ListTargetsByRule", "Resource": [on_bus, own]},
    )
    assert client.describe_event_bus(Name=bus)["Name"] == bus
    assert client.list_targets_by_rule(Rule=rule, EventBusName=bus)["Targets"] == []
    assert client.list_targets_by_rule(Rule=rule)["Targets"] == []
    assert "DescribeEventBus" in denied(client.describe_event_bus, Name="default")
    assert "ListTargetsByRule" in denied(client.list_targets_by_rule, Rule=f"{rule}x", EventBusName=bus)


def test_an_export_is_judged_by_its_table_and_then_by_itself(enforced):
    name = table(enforced)
    wanted = {"PointInTimeRecoveryEnabled": True}
    enforced.client("dynamodb").update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=wanted)
    arn = enforced.client("dynamodb").describe_table(TableName=name)["Table"]["TableArn"]
    mine = acting(
        enforced,
        "dynamodb",
        {"Action": "dynamodb:ExportTableToPointInTime", "Resource": arn},
        {
            "Action": ["s3:AbortMultipartUpload", "s3:PutObject", "s3:PutObjectAcl"],
            "Resource": "arn:aws:s3:::anywhere/*",
        },
        {"Action": "dynamodb:DescribeExport", "Resource": f"{arn}/export/*"},
    )
    other = acting(
        enforced,
        "dynamodb",
        {"Action": ["dynamodb:ExportTableToPointInTime", "dynamodb:DescribeExport"], "Resource": f"{arn}x"},
    )
    params = {"TableArn": arn, "S3Bucket": "anywhere"}
    export = mine.export_table_to_point_in_time(**params)["ExportDescription"]["ExportArn"]
    assert mine.describe_export(ExportArn=export)["ExportDescription"]["ExportArn"] == export
    assert "ExportTable" in denied(other.export_table_to_point_in_time, **params)
    assert "DescribeExport" in denied(other.describe_export, ExportArn=export)


def test_backups_tags_and_policies_are_judged_by_what_they_are_of(enforced):
    name = table(enforced)
    arn = enforced.client("dynamodb").describe_table(TableName=name)["Table"]["TableArn"]
    backup = enforced.client("dynamodb").create_backup(TableName=name, BackupName="a-backup")["BackupDetails"]
    statement = {
        "Action": ["dynamodb:DescribeBackup", "dynamodb:TagResource", "dynamodb:GetResourcePolicy"],
        "Resource": f"arn:aws:dynamodb:*:*:table/{name}*",
    }
    mine, other = (
        acting(enforced, "dynamodb", statement),
        acting(enforced, "dynamodb", statement | {"Resource": "arn:aws:dynamodb:*:*:table/none"}),
    )

    tags = [{"Key": "a", "Value": "b"}]
    mine.tag_resource(ResourceArn=arn, Tags=tags)
    assert mine.describe_backup(BackupArn=backup["BackupArn"])["BackupDescription"]
    assert "TagResource" in denied(other.tag_resource, ResourceArn=arn, Tags=tags)
    assert "DescribeBackup" in denied(other.describe_backup, BackupArn=backup["BackupArn"])


def test_a_transaction_is_judged_item_by_item(enforced):
    name = table(enforced)
    client = acting(enforced, "dynamodb", fenced(name, "synthetic#*"))

    def put(pk: str) -> dict:
        return {"Put": {"TableName": name, "Item": key(pk)}}

    client.transact_write_items(TransactItems=[put("synthetic#1")])
    assert "dynamodb:PutItem" in denied(
        client.transact_write_items, TransactItems=[put("synthetic#2"), put("person#2")]
    )


def test_a_key_is_used_in_the_encryption_context_that_the_policy_names(enforced):
    key_id = enforced.client("kms").create_key()["KeyMetadata"]["Arn"]
    condition = {"StringEquals": {"kms:EncryptionContext:environment": "prod"}}
    client = acting(enforced, "kms", {"Action": "kms:Encrypt", "Resource": key_id, "Condition": condition})

    assert client.encrypt(KeyId=key_id, Plaintext=b"x", EncryptionContext={"environment": "prod"})["CiphertextBlob"]
    assert "kms:Encrypt" in denied(
        client.encrypt, KeyId=key_id, Plaintext=b"x", EncryptionContext={"environment": "dev"}
    )
    assert "kms:Encrypt" in denied(client.encrypt, KeyId=key_id, Plaintext=b"x")


def test_a_keys_policy_names_who_uses_it_by_their_role_and_not_by_their_session(enforced):
    kms, ours = enforced.client("kms"), enforced.name("role")
    whole = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    all_others = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "kms:Encrypt",
        "Resource": "*",
        "Condition": {"ArnNotEquals": {"aws:PrincipalArn": [f"arn:aws:iam::{ACCOUNT}:role/{ours}"]}},
    }
    policy = {"Version": "2012-10-17", "Statement": [whole, all_others]}
    key_id = kms.create_key(Policy=json.dumps(policy))["KeyMetadata"]["Arn"]
    may = {"Action": "kms:Encrypt", "Resource": key_id}

    assert acting(enforced, "kms", may, name=ours).encrypt(KeyId=key_id, Plaintext=b"x")["CiphertextBlob"]
    assert "kms:Encrypt" in denied(acting(enforced, "kms", may).encrypt, KeyId=key_id, Plaintext=b"x")


def test_a_policy_that_wants_tls_denies_no_request_over_tls(enforced):
    topic = enforced.client("sns").create_topic(Name=enforced.name("topic"))["TopicArn"]
    insecure = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sns:Publish",
        "Resource": topic,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    enforced.client("sns").set_topic_attributes(
        TopicArn=topic,
        AttributeName="Policy",
        AttributeValue=json.dumps({"Version": "2012-10-17", "Statement": [insecure]}),
    )
    publisher = acting(enforced, "sns", {"Action": "sns:Publish", "Resource": topic})

    assert publisher.publish(TopicArn=topic, Message="told")["MessageId"]


def test_alarms_are_described_by_who_may_describe_all_of_them(enforced):
    own = f"arn:aws:cloudwatch:{enforced.region}:{ACCOUNT}:alarm"
    all_alarms = acting(enforced, "cloudwatch", {"Action": "cloudwatch:DescribeAlarms", "Resource": f"{own}:*"})
    some = acting(enforced, "cloudwatch", {"Action": "cloudwatch:DescribeAlarms", "Resource": f"{own}:mine"})

    assert all_alarms.describe_alarms(AlarmNames=["mine"])["MetricAlarms"] == []
    assert "cloudwatch:DescribeAlarms" in denied(some.describe_alarms, AlarmNames=["mine"])


def test_recovery_points_are_listed_and_restored_with_rights_on_their_vault_and_by_their_tags(enforced):
    """https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsbackup.html"""
    backup, (name, stored_in) = enforced.client("backup"), (table(enforced), enforced.name("vault"))
    backup.create_backup_vault(BackupVaultName=stored_in)
    arn = enforced.client("dynamodb").describe_table(TableName=name)["Table"]["TableArn"]
    trust = {**TRUST["Statement"][0], "Principal": {"Service": "backup.amazonaws.com"}}
    document = json.dumps({**TRUST, "Statement": [trust]})
    by = enforced.client("iam").create_role(RoleName=enforced.name("role"), AssumeRolePolicyDocument=document)
    role = by["Role"]["Arn"]
    request = {"BackupVaultName": stored_in, "ResourceArn": arn, "IamRoleArn": role}
    points = []
    for tags in ({"environment": "ours"}, {"environment": "theirs"}):
        job = backup.start_backup_job(**request, RecoveryPointTags=tags)["BackupJobId"]
        eventually(lambda job=job: backup.describe_backup_job(BackupJobId=job)["State"] == "COMPLETED")
        points.append(backup.describe_backup_job(BackupJobId=job)["RecoveryPointArn"])
    own_vault = f"arn:aws:backup:{enforced.region}:{ACCOUNT}:backup-vault:{stored_in}"
    own_points = f"arn:aws:backup:{enforced.region}:{ACCOUNT}:recovery-point:*"
    client = acting(
        enforced,
        "backup",
        {"Action": "backup:ListRecoveryPointsByBackupVault", "Resource": own_vault},
        {
            "Action": "backup:StartRestoreJob",
            "Resource": own_points,
            "Condition": {"StringEquals": {"aws:ResourceTag/environment": "ours"}},
        },
        {"Action": "iam:PassRole", "Resource": role},
    )
    assert len(client.list_recovery_points_by_backup_vault(BackupVaultName=stored_in)["RecoveryPoints"]) == 2
    denied(client.list_recovery_points_by_backup_vault, BackupVaultName="another")
    restore = {"IamRoleArn": role, "Metadata": {"targetTableName": enforced.name("restored")}}
    assert client.start_restore_job(RecoveryPointArn=points[0], **restore)["RestoreJobId"]
    denied(client.start_restore_job, RecoveryPointArn=points[1], **restore)
