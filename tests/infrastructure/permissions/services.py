"""Calls that AWS services make as themselves, which resource policies have to allow: deliveries, notifications and encryption.

Each rule names the AWS page that documents it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.infrastructure.permissions.deployed import DeployedEnvironment, listed

_URI = re.compile(r"arn:aws:apigateway:[\w-]+:lambda:path/[\d-]+/functions/(?P<arn>.+)/invocations")


@dataclass(frozen=True)
class ServiceCall:
    """A call by a service's own principal."""

    principal: str
    action: str
    resource: str
    context: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""


def service_calls(deployed: DeployedEnvironment) -> list[ServiceCall]:
    """Return the calls that services make in an environment."""
    rules = (_of_rules, _of_api, _of_alarms, _of_costs, _of_log_groups, _of_trail, _of_status_page, _of_buckets)
    return list(dict.fromkeys(_frozen(call) for rule in rules for call in rule(deployed)))


def permissions_of_functions(deployed: DeployedEnvironment) -> Mapping[str, Any]:
    """Return the resource policies of functions and aliases, which `AWS::Lambda::Permission` adds to, by ARN.

    https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html
    """
    found: dict[str, Any] = {}
    for _, _, one in deployed.resources("AWS::Lambda::Permission"):
        arn = one["FunctionName"]
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": one["Principal"]},
            "Action": one["Action"],
            "Resource": arn,
            "Condition": {"ArnLike": {"aws:SourceArn": one["SourceArn"]}},
        }
        found.setdefault(arn, {"Statement": []})["Statement"].append(statement)
    return found


def _frozen(call: ServiceCall) -> ServiceCall:
    return ServiceCall(call.principal, call.action, call.resource, _Pairs(call.context), call.why)


class _Pairs(dict[str, Any]):
    """A context that can be hashed."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(sorted(self.items())))


def _key_uses(deployed: DeployedEnvironment, call: ServiceCall, **context: str) -> Iterator[ServiceCall]:
    """Yield the uses of a topic's key by the service that publishes to it.

    https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html#compatibility-with-aws-services
    """
    key = deployed.encryption_key_of(call.resource)
    keys = {**call.context, **context, "kms:EncryptionContext:aws:sns:topicArn": call.resource}
    for action in ("Decrypt", "GenerateDataKey") if key else ():
        yield ServiceCall(call.principal, f"kms:{action}", str(key), keys, call.why)


def _of_rules(deployed: DeployedEnvironment) -> Iterator[ServiceCall]:
    """EventBridge invokes targets, and sends what it could not deliver to a queue. Its calls to SNS have no source.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
    """
    events = "events.amazonaws.com"
    for stack, logical_id, rule in deployed.resources("AWS::Events::Rule"):
        arn = deployed.resolve(stack, {"Fn::GetAtt": [logical_id, "Arn"]})
        source, why = {"aws:SourceArn": arn}, f"rule {arn.rpartition('/')[2]}"
        for target in rule["Targets"]:
            service = target["Arn"].split(":")[2]
            if service == "sns":
                publish = ServiceCall(events, "sns:Publish", target["Arn"], {}, why)
                yield publish
                yield from _key_uses(deployed, publish)
            else:
                action = {"lambda": "lambda:InvokeFunction", "sqs": "sqs:SendMessage"}[service]
                yield ServiceCall(events, action, target["Arn"], source, why)
            if "DeadLetterConfig" in target:
                yield ServiceCall(events, "sqs:SendMessage", target["DeadLetterConfig"]["Arn"], source, why)


def _of_api(deployed: DeployedEnvironment) -> Iterator[ServiceCall]:
    """API Gateway invokes the functions of its integrations for every stage.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/arn-format-reference.html
    """
    stages = {stage["RestApiId"]: stage["StageName"] for _, _, stage in deployed.resources("AWS::ApiGateway::Stage")}
    for stack, logical_id, method in deployed.resources("AWS::ApiGateway::Method"):
        if found := _URI.fullmatch(str(method.get("Integration", {}).get("Uri"))):
            api = method["RestApiId"]
            # The permission names the stage by its resource, whose name is generated here.
            stage = next(
                deployed.resolve(other, {"Ref": name})
                for other, name, one in deployed.resources("AWS::ApiGateway::Stage")
                if one["RestApiId"] == api
            )
            source = (
                f"arn:aws:execute-api:{deployed.region_of(stack)}:{deployed.account}:{api}/{stage}"
                f"/{method['HttpMethod']}/a/b"
            )
            why = f"method {logical_id} of {stack}, stage {stages[api]}"
            yield ServiceCall(
                "apigateway.amazonaws.com", "lambda:InvokeFunction", found["arn"], {"aws:SourceArn": source}, why
            )


def _of_alarms(deployed: DeployedEnvironment) -> Iterator[ServiceCall]:
    """CloudWatch publishes alarms to topics.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html
    """
    for stack, logical_id, alarm in deployed.resources("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"):
        for kind in ("AlarmActions", "OKActions", "InsufficientDataActions"):
            for topic in alarm.get(kind, []):
                publish = ServiceCall(
                    "cloudwatch.amazonaws.com",
                    "sns:Publish",
                    topic,
                    {"aws:SourceAccount": deployed.account},
                    f"alarms of {stack}",
                )
                yield publish
                yield from _key_uses(deployed, publish)
        del logical_id


def _of_costs(deployed: DeployedEnvironment) -> Iterator[ServiceCall]:
    """AWS Budgets and Cost Anomaly Detection publish to topics.

    https://docs.aws.amazon.com/cost-management/latest/userguide/budgets-sns-policy.html
    https://docs.aws.amazon.com/cost-management/latest/userguide/ad-SNS.html
    """
    subscribers = [
        ("budgets.amazonaws.com", subscriber)
        for _, _, budget in deployed.resources("AWS::Budgets::Budget")
        for notification in budget["NotificationsWithSubscribers"]
        for subscriber in notification["Subscribers"]
    ] + [
        ("costalerts.amazonaws.com", subscriber)
        for _, _, subscription in deployed.resources("AWS::CE::AnomalySubscription")
        for subscriber in subscription["Subscribers"]
    ]
    for principal, subscriber in subscribers:
        topic, source = subscriber["Address"], {"aws:SourceAccount": deployed.account}
        publish = ServiceCall(principal, "sns:Publish", topic, source, "budget and cost anomalies")
        yield publish
        yield from _key_uses(deployed, publish)


def _of_log_groups(deployed: DeployedEnvironment) -> Iterator[ServiceCall]:
    """CloudWatch Logs encrypts a log group with its key.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
    """
    for stack, _, group in deployed.resources("AWS::Logs::LogGroup"):
        if key := group.get("KmsKeyId"):
            region = deployed.region_of(stack)
            arn = f"arn:aws:logs:{region}:{deployed.account}:log-group:{group['LogGroupName']}"
            context = {"kms:EncryptionContext:aws:logs:arn": arn}
            for action in ("Decrypt", "Encrypt", "GenerateDataKey", "ReEncryptFrom", "ReEncryptTo"):
                yield ServiceCall(
                    f"logs.{region}.amazonaws.com", f"kms:{action}", key, context, f"log groups of {stack}"
                )


def _of_trail(deployed: DeployedEnvironment) -> Iterator[ServiceCall]:
    """CloudTrail writes its files into a bucket, encrypted.

    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-s3-bucket-policy-for-cloudtrail.html
    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-kms-key-policy-for-cloudtrail.html
    """
    principal = "cloudtrail.amazonaws.com"
    for _, _, trail in deployed.resources("AWS::CloudTrail::Trail"):
        name, bucket = trail["TrailName"], f"arn:aws:s3:::{trail['S3BucketName']}"
        source = {"aws:SourceArn": f"arn:aws:cloudtrail:{deployed.region}:{deployed.account}:trail/{name}"}
        why, owner = f"trail {name}", {"s3:x-amz-acl": "bucket-owner-full-control"}
        yield ServiceCall(principal, "s3:GetBucketAcl", bucket, source, why)
        yield ServiceCall(
            principal, "s3:PutObject", f"{bucket}/AWSLogs/{deployed.account}/CloudTrail/a.gz", source | owner, why
        )
        for key in listed(trail.get("KMSKeyId", [])):
            context = {"kms:EncryptionContext:aws:cloudtrail:arn": source["aws:SourceArn"], **source}
            yield ServiceCall(principal, "kms:GenerateDataKey", key, context, why)
            yield ServiceCall(principal, "kms:DescribeKey", key, source, why)


def _of_buckets(deployed: DeployedEnvironment) -> Iterator[ServiceCall]:
    """S3 reports new files to the queues that a bucket names.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/grant-destinations-permissions-to-s3.html
    """
    for stack, _, bucket in deployed.resources("AWS::S3::Bucket"):
        for queue in bucket.get("NotificationConfiguration", {}).get("QueueConfigurations", []):
            source = {
                "aws:SourceArn": f"arn:aws:s3:::{bucket['BucketName']}",
                "aws:SourceAccount": deployed.account,
            }
            yield ServiceCall("s3.amazonaws.com", "sqs:SendMessage", queue["Queue"], source, f"bucket of {stack}")


def _of_status_page(deployed: DeployedEnvironment) -> Iterator[ServiceCall]:
    """CloudFront reads the files of the page by its origin access control.

    https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-restricting-access-to-s3.html
    """
    for stack, logical_id, _ in deployed.resources("AWS::CloudFront::Distribution"):
        name = deployed.resolve(stack, {"Ref": logical_id})
        source = {"aws:SourceArn": f"arn:aws:cloudfront::{deployed.account}:distribution/{name}"}
        for place, _, bucket in deployed.resources("AWS::S3::Bucket"):
            if place == stack:
                file = f"arn:aws:s3:::{bucket['BucketName']}/index.html"
                yield ServiceCall("cloudfront.amazonaws.com", "s3:GetObject", file, source, "status page")
