"""Templates that meet every control, small enough to be read. Each test changes one thing."""

from __future__ import annotations

from typing import Any

PRINCIPAL = {"Service": "lambda.amazonaws.com"}
TAGS = [{"Key": "owner", "Value": "identity"}, {"Key": "environment", "Value": "test"}]
PLAIN_HTTP_DENIED = {
    "Statement": {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
}
LOCKED_BUCKET = {
    "PublicAccessBlockConfiguration": {
        "BlockPublicAcls": True, "BlockPublicPolicy": True, "IgnorePublicAcls": True, "RestrictPublicBuckets": True,
    },
    "VersioningConfiguration": {"Status": "Enabled"},
    "BucketEncryption": {"ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {}}]},
    "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
    "LifecycleConfiguration": {"Rules": [{"Status": "Enabled", "ExpirationInDays": 90}]},
    "ObjectLockEnabled": True,
    "Tags": TAGS,
}  # fmt: skip


def _resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": kind, "Properties": properties}


def sound() -> dict[str, dict[str, Any]]:
    """Return templates by stack."""
    passing = {**LOCKED_BUCKET, "BucketName": "ib-oauth-exports-test-1"}
    del passing["VersioningConfiguration"]
    passing["LifecycleConfiguration"] = {"Rules": [{"Status": "Enabled", "ExpirationInDays": 1}]}
    resources = {
        "Table": _resource(
            "AWS::DynamoDB::Table",
            TableName="ib-oauth-state-test",
            DeletionProtectionEnabled=True,
            SSESpecification={"SSEEnabled": True, "SSEType": "KMS"},
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
            TimeToLiveSpecification={"AttributeName": "delete_at", "Enabled": True},
            Tags=TAGS,
        ),
        "Scaling": _resource(
            "AWS::ApplicationAutoScaling::ScalableTarget", ResourceId={"Fn::Join": ["", ["table/", {"Ref": "Table"}]]}
        ),
        "Heartbeats": _resource(
            "AWS::DynamoDB::Table",
            TableName="ib-oauth-heartbeats-test",
            BillingMode="PAY_PER_REQUEST",
            DeletionProtectionEnabled="true",
            SSESpecification={"SSEEnabled": True, "SSEType": "KMS"},
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
            TimeToLiveSpecification={"AttributeName": "expires_at", "Enabled": True},
            Tags=TAGS,
        ),
        "Function": _resource(
            "AWS::Lambda::Function",
            Runtime="python3.13",
            TracingConfig={"Mode": "Active"},
            KmsKeyArn={"Fn::GetAtt": ["Key", "Arn"]},
            LoggingConfig={"LogGroup": {"Ref": "Logs"}},
            Tags=TAGS,
        ),
        "Permission": _resource(
            "AWS::Lambda::Permission", Principal="events.amazonaws.com", SourceArn={"Fn::GetAtt": ["Rule", "Arn"]}
        ),
        "Logs": _resource("AWS::Logs::LogGroup", RetentionInDays=90, KmsKeyId={"Fn::GetAtt": ["Key", "Arn"]}),
        "Alarm": _resource("AWS::CloudWatch::Alarm", AlarmName="loud", AlarmActions=[{"Ref": "Topic"}]),
        "Part": _resource("AWS::CloudWatch::Alarm", AlarmName="part"),
        "Composite": _resource("AWS::CloudWatch::CompositeAlarm", AlarmRule='ALARM("part")'),
        "Evidence": _resource("AWS::S3::Bucket", BucketName="ib-oauth-evidence-test-1", **LOCKED_BUCKET),
        "Trails": _resource("AWS::S3::Bucket", BucketName="ib-oauth-trail-test-1", **LOCKED_BUCKET),
        "Exports": {"Type": "AWS::S3::Bucket", "Properties": passing},
        **{
            f"{name}Policy": _resource("AWS::S3::BucketPolicy", Bucket={"Ref": name}, PolicyDocument=PLAIN_HTTP_DENIED)
            for name in ("Evidence", "Trails", "Exports")
        },
        "Topic": _resource("AWS::SNS::Topic", KmsMasterKeyId={"Ref": "Key"}),
        "TopicPolicy": _resource("AWS::SNS::TopicPolicy", Topics=[{"Ref": "Topic"}], PolicyDocument=PLAIN_HTTP_DENIED),
        "Queue": _resource("AWS::SQS::Queue", SqsManagedSseEnabled=True),
        "Key": _resource(
            "AWS::KMS::Key",
            EnableKeyRotation=True,
            KeyPolicy={"Statement": [{"Effect": "Allow", "Principal": {"AWS": "root"}, "Action": "kms:*"}]},
        ),
        "SigningKey": _resource("AWS::KMS::Key", KeySpec="ECC_NIST_P256"),
        "Role": _resource(
            "AWS::IAM::Role",
            AssumeRolePolicyDocument={"Statement": [{"Effect": "Allow", "Principal": PRINCIPAL}]},
            Policies=[{"PolicyDocument": {"Statement": [{"Effect": "Allow", "Action": ["logs:PutLogEvents"]}]}}],
            PermissionsBoundary={"Ref": "Boundary"},
        ),
        "Policy": _resource(
            "AWS::IAM::Policy",
            PolicyDocument={
                "Statement": [
                    {"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": "*"},
                    {"Effect": "Deny", "Action": "*", "Resource": "*"},
                ]
            },
        ),
        "Api": _resource("AWS::ApiGateway::RestApi", DisableExecuteApiEndpoint=True),
        "Stage": _resource(
            "AWS::ApiGateway::Stage",
            AccessLogSetting={"DestinationArn": {"Ref": "Logs"}, "Format": '{"status":"$context.status"}'},
            TracingEnabled=True,
            MethodSettings=[
                {"HttpMethod": "*", "ResourcePath": "/*", "ThrottlingRateLimit": 5, "ThrottlingBurstLimit": 10}
            ],
        ),
        "Domain": _resource("AWS::ApiGateway::DomainName", SecurityPolicy="TLS_1_2"),
        "Acl": _resource("AWS::WAFv2::WebACL", Rules=[{"Statement": {"RateBasedStatement": {"Limit": 100}}}]),
        "Association": _resource("AWS::WAFv2::WebACLAssociation", ResourceArn={"Ref": "Stage"}),
        "AclLogs": _resource(
            "AWS::WAFv2::LoggingConfiguration",
            ResourceArn={"Fn::GetAtt": ["Acl", "Arn"]},
            RedactedFields=[
                {"QueryString": {}},
                {"SingleHeader": {"Name": "authorization"}},
                {"SingleHeader": {"Name": "cookie"}},
            ],
        ),
        "Machine": _resource(
            "AWS::StepFunctions::StateMachine",
            LoggingConfiguration={"Level": "ALL", "IncludeExecutionData": False},
            TracingConfiguration={"Enabled": True},
        ),
        "Trail": _resource(
            "AWS::CloudTrail::Trail",
            IsMultiRegionTrail=True,
            KMSKeyId={"Ref": "Key"},
            EnableLogFileValidation=True,
            CloudWatchLogsLogGroupArn={"Fn::GetAtt": ["Logs", "Arn"]},
        ),
        "Vault": _resource(
            "AWS::Backup::BackupVault", EncryptionKeyArn={"Ref": "Key"}, LockConfiguration={"MinRetentionDays": 90}
        ),
        "Plan": _resource(
            "AWS::Backup::BackupPlan",
            BackupPlan={
                "BackupPlanRule": [
                    {"Lifecycle": {"DeleteAfterDays": 90}, "CopyActions": [{"DestinationBackupVaultArn": "arn"}]}
                ]
            },
        ),
        "Selection": _resource(
            "AWS::Backup::BackupSelection",
            BackupSelection={"Resources": [{"Fn::Join": ["", ["arn:", ":table/ib-oauth-state-test"]]}]},
        ),
        "Group": _resource("AWS::EC2::SecurityGroup", SecurityGroupIngress=[{"CidrIp": "10.0.0.0/8"}]),
        "Flow": _resource("AWS::EC2::FlowLog"),
        "Rule": _resource("AWS::Events::Rule", Targets=[{"Arn": "a", "DeadLetterConfig": {"Arn": "b"}}]),
        "Parameter": {"Type": "AWS::SSM::Parameter"},
    }
    return {"ib-oauth-stack-test": {"Resources": resources}, "empty": {}}
