"""What a template says of the resources that outlive its stack, and the template of their import."""

import pytest

from orchestrator.domain.errors import Refused
from orchestrator.domain.rebuild.template import (
    Retained,
    encryption_key_of,
    import_template,
    references,
    retained_resources,
)

pytestmark = pytest.mark.decision
KEEP = {"DeletionPolicy": "RetainExceptOnCreate", "UpdateReplacePolicy": "Retain"}
KEY = {
    "Type": "AWS::KMS::Key",
    "Properties": {"KeyPolicy": {"Fn::GetAtt": ["Role", "Arn"]}, "Description": "k"},
    **KEEP,
}
TABLE = {
    "Type": "AWS::DynamoDB::Table",
    "Properties": {
        "TableName": "t",
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "SSESpecification": {"KMSMasterKeyId": {"Fn::GetAtt": ["Key", "Arn"]}, "SSEEnabled": True},
        "TimeToLiveSpecification": {"AttributeName": "e", "Enabled": True},
    },
    **KEEP,
}
BUCKET = {
    "Type": "AWS::S3::Bucket",
    "Properties": {"BucketName": {"Fn::Join": ["", ["b-", {"Ref": "AWS::AccountId"}, "-", {"Ref": "AWS::Region"}]]}},
    **KEEP,
}


def retained(resources):
    return retained_resources("s", {"Resources": resources}, account="1", region="r")


def test_keys_and_resources_with_names_outlive_a_stack():
    resources = {
        "Key": KEY,
        "Table": TABLE,
        "Bucket": BUCKET,
        "Role": {"Type": "AWS::IAM::Role", "DeletionPolicy": "Retain", "Properties": {}},
        "Deleted": {"Type": "AWS::DynamoDB::Table", "DeletionPolicy": "Delete", "Properties": {"TableName": "d"}},
        "Plain": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "l"}},
    }
    assert retained(resources) == (
        Retained("s", "Key", "AWS::KMS::Key", ""),
        Retained("s", "Table", "AWS::DynamoDB::Table", "t"),
        Retained("s", "Bucket", "AWS::S3::Bucket", "b-1-r"),
    )


@pytest.mark.parametrize(
    "name", [None, {"Ref": "Other"}, {"Fn::Join": ["", ["b-", {"Ref": "Other"}]]}, {"Fn::Join": "text"}]
)
def test_a_name_that_is_not_known_before_the_stack_exists_is_refused(name):
    with pytest.raises(Refused, match=r"s\.Bucket"):
        retained({"Bucket": {**BUCKET, "Properties": {"BucketName": name}}})


def test_an_import_has_what_exists_and_nothing_that_refers_to_what_does_not():
    template = {"Resources": {"Key": KEY, "Table": TABLE, "Role": {"Type": "AWS::IAM::Role"}}}
    made = import_template(template, ["Key", "Table"], [])["Resources"]
    assert made["Key"] == {"Type": "AWS::KMS::Key", "Properties": {"Description": "k"}, **KEEP}
    assert made["Table"] == TABLE


def test_settings_that_a_restore_drops_are_left_to_the_update():
    made = import_template({"Resources": {"Table": TABLE, "Key": KEY}}, ["Table", "Key"], ["Table"])["Resources"]
    assert set(made["Table"]["Properties"]) == {"TableName", "KeySchema", "SSESpecification"}


def test_a_table_whose_key_is_not_imported_is_imported_without_it():
    made = import_template({"Resources": {"Table": TABLE, "Key": KEY}}, ["Table"], [])["Resources"]
    assert "SSESpecification" not in made["Table"]["Properties"]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("text", []),
        ({"Ref": "A"}, ["A"]),
        ({"Fn::GetAtt": "A.Arn"}, ["A"]),
        ({"Fn::GetAtt": ["A", "Arn"]}, ["A"]),
        ([{"Ref": "A"}, {"x": {"Fn::Join": ["", [{"Ref": "B"}, 1]]}}], ["A", "B"]),
        ({"Fn::Sub": "${A}"}, ["Fn::Sub"]),
        ({"Fn::ImportValue": "export"}, ["Fn::ImportValue"]),
    ],
)
def test_references_are_found_wherever_they_are(value, found):
    assert list(references(value)) == found


def test_the_key_of_a_table_is_found_by_its_reference():
    template = {"Resources": {"Table": TABLE, "Key": KEY}}
    assert encryption_key_of(template, "Table") == "Key"
    assert encryption_key_of({"Resources": {"Table": TABLE}}, "Table") == ""
    assert encryption_key_of({"Resources": {"Table": {"Type": "AWS::DynamoDB::Table"}}}, "Table") == ""
