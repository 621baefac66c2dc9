"""CloudFormation: tables, functions, topics and buckets are encrypted with the key that their template names.

AWS:

- ``SSESpecification`` of a table, and of each replica of a global table.
  https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-dynamodb-table-ssespecification.html
  https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-dynamodb-globaltable-replicassespecification.html
- ``KmsKeyArn`` of a function, ``KmsMasterKeyId`` of a topic, ``BucketEncryption`` of a bucket.
  https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-lambda-function.html
  https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-sns-topic.html
  https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-s3-bucket-bucketencryption.html
- The creation of a log group fails whose key CloudWatch Logs may not use.
  https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html

Stock MiniStack ignores all of these properties, and checks no log group's key.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any
from xml.sax.saxutils import escape

from orchestrator.local.emulator.dynamodb.table_keys import ensure_grant
from orchestrator.local.emulator.logs.log_group_keys import rejection_of
from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap

PINNED = {
    "ministack.services.cloudformation.provisioners._provision_resource": "3b8f01fb187141b6",
    "ministack.services.cloudformation.provisioners._update_resource": "21b9b1207f59a864",
    "ministack.services.dynamodb._sse_description_from_spec": "190b59f83f13711a",
    "ministack.services.s3._bucket_default_sse_headers": "e7f8158dbf300dc7",
}

Json = Mapping[str, Any]
Provisioned = tuple[str, dict[str, Any]]


def install(options: Options) -> None:
    """Install the patch in this process."""
    del options
    provisioners = importlib.import_module("ministack.services.cloudformation.provisioners")
    wrap(provisioners, "_provision_resource", _creating)
    wrap(provisioners, "_update_resource", _updating)


def _creating(original: Callable[..., Provisioned]) -> Callable[..., Provisioned]:
    def provision(resource_type: str, logical_id: str, props: Json, stack_name: str) -> Provisioned:
        if resource_type == "AWS::Logs::LogGroup" and props.get("KmsKeyId"):
            logs = importlib.import_module("ministack.services.cloudwatch_logs")
            arn = logs._make_group_arn(props.get("LogGroupName") or logical_id)
            if reason := rejection_of(str(props["KmsKeyId"]), arn):
                raise ValueError(f"{resource_type} {logical_id}: {reason}")
        physical_id, attributes = original(resource_type, logical_id, props, stack_name)
        encrypt(resource_type, physical_id, props)
        return physical_id, attributes

    return provision


def _updating(original: Callable[..., Provisioned]) -> Callable[..., Provisioned]:
    def update(
        resource_type: str, physical_id: str, old_props: Json, new_props: Json, *args: Any, **kwargs: Any
    ) -> Provisioned:
        updated_id, attributes = original(resource_type, physical_id, old_props, new_props, *args, **kwargs)
        if old_props != new_props:
            encrypt(resource_type, updated_id, new_props)
        return updated_id, attributes

    return update


def encrypt(resource_type: str, physical_id: str, props: Json) -> None:
    """Give a resource that CloudFormation made the key that its properties name, or none."""
    match resource_type:
        case "AWS::DynamoDB::Table" | "AWS::DynamoDB::GlobalTable":
            _encrypt_table(physical_id, props)
        case "AWS::Lambda::Function":
            config = _service("lambda_svc")._functions[physical_id]["config"]
            config.pop("KMSKeyArn", None)
            if key := props.get("KmsKeyArn"):
                config["KMSKeyArn"] = key
        case "AWS::SNS::Topic":
            attributes = _service("sns")._topics[physical_id]["attributes"]
            attributes.pop("KmsMasterKeyId", None)
            if key := props.get("KmsMasterKeyId"):
                attributes["KmsMasterKeyId"] = key
        case "AWS::S3::Bucket":
            _encrypt_bucket(physical_id, props)


def _encrypt_table(name: str, props: Json) -> None:
    dynamodb = _service("dynamodb")
    specification = props.get("SSESpecification") or {}
    replicas = {replica.get("Region"): replica for replica in props.get("Replicas", [])}
    replica = replicas.get(dynamodb.get_region(), {}).get("SSESpecification") or {}
    enabled = str(specification.get("SSEEnabled", "")).lower() == "true"
    table = dynamodb._tables[name]
    key = replica.get("KMSMasterKeyId") or specification.get("KMSMasterKeyId")
    table["SSEDescription"] = (
        dynamodb._sse_description_from_spec({"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key})
        if enabled
        else None
    )
    ensure_grant(table)


def _encrypt_bucket(name: str, props: Json) -> None:
    encryption = _service("s3")._bucket_encryption
    encryption.pop(name, None)
    for rule in (props.get("BucketEncryption") or {}).get("ServerSideEncryptionConfiguration", []):
        default = rule.get("ServerSideEncryptionByDefault") or {}
        key = default.get("KMSMasterKeyID")
        encryption[name] = (
            "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>"
            f"<SSEAlgorithm>{escape(str(default.get('SSEAlgorithm', 'AES256')))}</SSEAlgorithm>"
            + (f"<KMSMasterKeyID>{escape(str(key))}</KMSMasterKeyID>" if key else "")
            + "</ApplyServerSideEncryptionByDefault>"
            f"<BucketKeyEnabled>{str(rule.get('BucketKeyEnabled', False)).lower()}</BucketKeyEnabled>"
            "</Rule></ServerSideEncryptionConfiguration>"
        )


def _service(name: str) -> Any:
    return importlib.import_module(f"ministack.services.{name}")
