"""Stacks are deployed from an assembly without the CDK command line, against the local cloud's own CloudFormation."""

from __future__ import annotations

import io
import json
import zipfile
from hashlib import sha256
from types import SimpleNamespace

import boto3
import pytest

from orchestrator.aws.rebuild import assemblies
from orchestrator.local import assembly_deploy
from orchestrator.local.assembly_deploy import DeployFailed
from orchestrator.local.cloud import ACCOUNT, LocalCloud

BUCKET = "cdk-hnb659fds-assets-${AWS::AccountId}-${AWS::Region}"


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    with LocalCloud.start(tmp_path_factory.mktemp("cloud")) as local:
        assembly_deploy.bootstrap(local.environ, ACCOUNT)
        session = boto3.Session("test", "test", region_name=local.region)
        yield SimpleNamespace(
            local=local, client=lambda service: session.client(service, endpoint_url=local.endpoint_url)
        )


def parameter(name, value):
    return {"Type": "AWS::SSM::Parameter", "Properties": {"Name": name, "Type": "String", "Value": value}}


def assembly(folder, stacks, dependencies=None):
    """Write an assembly as the CDK does: stacks with resources, the dependencies of each, and one folder as a file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "code").mkdir(exist_ok=True)
    (folder / "code" / "handler.py").write_text("x = 1\n")
    artifacts = {}
    for name, resources in stacks.items():
        template = json.dumps({"Resources": resources})
        digest = sha256(template.encode()).hexdigest()
        (folder / f"{name}.template.json").write_text(template)
        files = {
            digest: {"source": {"path": f"{name}.template.json", "packaging": "file"}, "destinations": {"a": {"bucketName": BUCKET, "objectKey": f"{digest}.json"}}},
            "code": {"source": {"path": "code", "packaging": "zip"}, "destinations": {"a": {"bucketName": BUCKET, "objectKey": "code.zip"}}},
        }  # fmt: skip
        (folder / f"{name}.assets.json").write_text(json.dumps({"files": files}))
        artifacts[f"{name}.assets"] = {"type": "cdk:asset-manifest"}
        artifacts[name] = {
            "type": "aws:cloudformation:stack",
            "properties": {"stackTemplateAssetObjectUrl": f"s3://{BUCKET}/{digest}.json", "tags": {"owner": "tests"}},
            "dependencies": [*(dependencies or {}).get(name, ()), f"{name}.assets"],
        }
    (folder / "manifest.json").write_text(json.dumps({"artifacts": artifacts}))
    return folder


def deploy(target, folder, *names):
    assembly_deploy.deploy(folder, names, target.local.environ, ACCOUNT)


def test_a_bootstrap_can_be_repeated(target):
    assembly_deploy.bootstrap(target.local.environ, ACCOUNT)
    version = target.client("ssm").get_parameter(Name="/cdk-bootstrap/hnb659fds/version")["Parameter"]["Value"]
    assert version == assembly_deploy.BOOTSTRAP_VERSION


def test_stacks_are_created_with_their_files_and_tags_each_after_what_it_depends_on(target, tmp_path):
    folder = assembly(
        tmp_path,
        {"second": {"P": parameter("/second", "2")}, "first": {"P": parameter("/first", "1")}},
        {"second": ["first"]},
    )
    deploy(target, folder, "second", "first")
    stacks = {one["StackName"]: one for one in target.client("cloudformation").describe_stacks()["Stacks"]}
    assert {stacks[name]["StackStatus"] for name in ("first", "second")} == {"CREATE_COMPLETE"}
    assert stacks["first"]["CreationTime"] <= stacks["second"]["CreationTime"]
    assert stacks["first"]["Tags"] == [{"Key": "owner", "Value": "tests"}]
    bucket = f"cdk-hnb659fds-assets-{ACCOUNT}-{target.local.region}"
    packed = target.client("s3").get_object(Bucket=bucket, Key="code.zip")["Body"].read()
    assert zipfile.ZipFile(io.BytesIO(packed)).read("handler.py") == b"x = 1\n"


def test_a_change_is_an_update_and_no_change_is_none(target, tmp_path):
    deploy(target, assembly(tmp_path, {"changed": {"P": parameter("/changed", "1")}}), "changed")
    deploy(target, assembly(tmp_path, {"changed": {"P": parameter("/changed", "1")}}), "changed")
    events = target.client("cloudformation").describe_stack_events(StackName="changed")["StackEvents"]
    assert not [event for event in events if event["ResourceStatus"].startswith("UPDATE")]
    deploy(target, assembly(tmp_path, {"changed": {"P": parameter("/changed", "2")}}), "changed")
    assert target.client("ssm").get_parameter(Name="/changed")["Parameter"]["Value"] == "2"


def test_a_creation_that_fails_is_reported_with_its_reason_and_can_be_repeated(target, tmp_path):
    folder = assembly(tmp_path, {"broken": {"Broken": parameter("/broken", "1")}})
    target.local.fail_creations("Broken")
    with pytest.raises(DeployFailed, match=r"broken ended in ROLLBACK_COMPLETE:\nBroken \(AWS::SSM::Parameter\): ."):
        deploy(target, folder, "broken")
    target.local.fail_creations()
    deploy(target, folder, "broken")
    assert target.client("ssm").get_parameter(Name="/broken")["Parameter"]["Value"] == "1"


def test_a_stack_that_the_assembly_does_not_have_is_named_with_those_it_has(target, tmp_path):
    folder = assembly(tmp_path, {"only": {"P": parameter("/only", "1")}})
    with pytest.raises(DeployFailed, match="no stack other; it has only"):
        deploy(target, folder, "other")


def test_a_folder_is_packed_to_the_same_bytes_whenever_it_was_written(tmp_path):
    (tmp_path / "code.py").write_text("1")
    before = assemblies.zipped(tmp_path)
    (tmp_path / "code.py").touch()
    assert assemblies.zipped(tmp_path) == before
    (tmp_path / "code.py").write_text("2")
    assert assemblies.zipped(tmp_path) != before
