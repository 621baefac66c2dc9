"""Controls of the infrastructure: a subset of NIST SP 800-53 Rev. 5 and of AWS Foundational Security Best Practices."""

from __future__ import annotations

from orchestrator.domain.compliance.catalogue.rows import CRITICAL, HIGH, LOW, MEDIUM, template_rows
from orchestrator.domain.compliance.control import Framework, Owner

_REMEDY = "change the settings or the stack, then npx cdk deploy --all; if it was changed by hand, deploy again"
_row = template_rows(Framework.INFRASTRUCTURE, _REMEDY)
_operations = template_rows(Framework.INFRASTRUCTURE, _REMEDY, Owner.OPERATORS)

CONTROLS = (
    _row("infra-table-encryption", "A key of the environment encrypts every table.", "NIST SC-28(1)", HIGH),
    _operations(
        "infra-table-capacity", "The capacity of every table follows its use.", "FSBP DynamoDB.1, NIST CP-2(2)", MEDIUM
    ),
    _operations(
        "infra-table-point-in-time",
        "Every table can be restored to a point in time.",
        "FSBP DynamoDB.2, NIST CP-9",
        HIGH,
    ),
    _operations("infra-table-backup-plan", "Every table is in a backup plan.", "FSBP DynamoDB.4, NIST CP-9", HIGH),
    _operations(
        "infra-table-deletion-protection",
        "No table can be deleted by mistake.",
        "FSBP DynamoDB.6, NIST CM-2(2)",
        HIGH,
    ),
    _row("infra-function-runtime", "Every function has a supported runtime.", "FSBP Lambda.2, NIST SI-2", HIGH),
    _row(
        "infra-function-not-public",
        "Only named sources may invoke functions.",
        "FSBP Lambda.1, NIST AC-3, AC-6",
        CRITICAL,
    ),
    _operations("infra-function-tracing", "Every function is traced.", "FSBP Lambda.7, NIST SI-4(2)", LOW),
    _row(
        "infra-function-variables-encrypted",
        "A key of the environment encrypts the variables of functions.",
        "NIST SC-28(1)",
        MEDIUM,
    ),
    _operations("infra-function-own-log-group", "Every function has a log group of its own.", "NIST AU-12", LOW),
    _row("infra-log-retention", "Every log group has a retention.", "FSBP CloudWatch.16, NIST AU-11", MEDIUM),
    _row("infra-log-encryption", "A key of the environment encrypts every log group.", "NIST AU-9(3), SC-28", MEDIUM),
    _operations(
        "infra-alarm-actions", "Every alarm leads to an action.", "FSBP CloudWatch.15, NIST SI-4(5), IR-4(1)", HIGH
    ),
    _row("infra-bucket-not-public", "No bucket can be public.", "FSBP S3.1, S3.8, NIST AC-3, AC-21", CRITICAL),
    _row("infra-bucket-tls", "Buckets are reached by TLS only.", "FSBP S3.5, NIST SC-8", MEDIUM),
    _row("infra-bucket-versions", "Buckets keep earlier versions.", "FSBP S3.14, NIST CP-9, AU-9(2)", LOW),
    _row("infra-bucket-encryption", "Every bucket is encrypted.", "FSBP S3.17, NIST SC-28", MEDIUM),
    _row("infra-bucket-no-acl", "No bucket has access control lists.", "FSBP S3.12, NIST AC-3", MEDIUM),
    _row("infra-bucket-lifecycle", "Every bucket deletes what is no longer needed.", "FSBP S3.13, NIST SI-12", LOW),
    _row(
        "infra-records-locked",
        "Evidence and audit trail cannot be changed or deleted.",
        "FSBP S3.15, NIST AU-9, AU-10",
        HIGH,
    ),
    _row("infra-topic-encryption", "Every topic is encrypted.", "FSBP SNS.1, NIST SC-28", MEDIUM),
    _row("infra-topic-tls", "Topics are reached by TLS only.", "NIST SC-8", MEDIUM),
    _row("infra-queue-encryption", "Every queue is encrypted.", "FSBP SQS.1, NIST SC-28", MEDIUM),
    _row("infra-key-rotation", "Every symmetric key rotates.", "FSBP KMS.4, NIST SC-12", MEDIUM),
    _row("infra-key-not-public", "No key policy allows everyone.", "FSBP KMS.5, NIST AC-3", CRITICAL),
    _row("infra-key-deletion-window", "A deleted key can be restored for a week.", "FSBP KMS.3, NIST SC-12(2)", HIGH),
    _row("infra-role-no-administrator", "No role may do everything.", "FSBP IAM.1, NIST AC-6", CRITICAL),
    _row(
        "infra-role-no-service-wildcard",
        "No role may use every action of a service.",
        "FSBP IAM.21, NIST AC-6",
        HIGH,
    ),
    _row("infra-role-trust", "Every role names who may assume it.", "NIST AC-3, IA-2", CRITICAL),
    _row("infra-role-boundary", "Every role has a permissions boundary.", "NIST AC-6(5)", MEDIUM),
    _row("infra-no-users", "There are no IAM users and no access keys.", "FSBP IAM.2, IAM.4, NIST IA-5", HIGH),
    _row("infra-api-access-log", "The API logs every request.", "FSBP APIGateway.1, NIST AU-12", HIGH),
    _operations("infra-api-tracing", "The API is traced.", "FSBP APIGateway.3, NIST SI-4(2)", LOW),
    _row("infra-api-throttle", "Every method is throttled.", "NIST SC-5", HIGH),
    _row("infra-api-no-payload-log", "No payload is logged.", "NIST AU-3(3), SI-12(1)", CRITICAL),
    _row("infra-api-firewall", "A web ACL guards the API.", "FSBP APIGateway.4, NIST SC-7", HIGH),
    _row("infra-api-domain-tls", "The API's domain asks for TLS 1.2 or later.", "NIST SC-8(1), SC-23", HIGH),
    _row(
        "infra-api-default-endpoint",
        "Clients reach the API at its domain only.",
        "NIST SC-7(3)",
        MEDIUM,
    ),
    _row("infra-firewall-rules", "The web ACL has rules.", "FSBP WAF.10, NIST SC-7", HIGH),
    _row("infra-firewall-rate", "The web ACL limits the requests of a source.", "NIST SC-5(2)", HIGH),
    _row("infra-firewall-logs", "The web ACL logs what it blocks.", "FSBP WAF.11, NIST AU-12", MEDIUM),
    _operations("infra-machine-logs", "Every state machine logs.", "FSBP StepFunctions.1, NIST AU-12", MEDIUM),
    _operations("infra-machine-tracing", "Every state machine is traced.", "NIST SI-4(2)", LOW),
    _row(
        "infra-trail-regions", "A trail records management events of all regions.", "FSBP CloudTrail.1, NIST AU-2", HIGH
    ),
    _row("infra-trail-encryption", "The trail is encrypted.", "FSBP CloudTrail.2, NIST AU-9", MEDIUM),
    _row("infra-trail-validation", "Changes of the trail can be detected.", "FSBP CloudTrail.4, NIST SI-7", MEDIUM),
    _row("infra-trail-logs", "The trail reaches the alarms.", "FSBP CloudTrail.5, NIST SI-4", LOW),
    _row("infra-backup-encryption", "A key encrypts the backups.", "FSBP Backup.1, NIST CP-9(8)", MEDIUM),
    _row("infra-backup-lock", "Backups cannot be deleted early.", "NIST CP-9(8)", HIGH),
    _operations("infra-backup-copies", "Backups are copied to another region.", "NIST CP-6, CP-9(3)", HIGH),
    _row("infra-network-ingress", "No security group lets the internet in.", "FSBP EC2.18, NIST SC-7", HIGH),
    _row("infra-network-flow-logs", "The network records its flows.", "FSBP EC2.6, NIST AU-12", MEDIUM),
    _operations("infra-events-dead-letters", "An event that is not delivered is kept.", "NIST AU-5, CP-10", MEDIUM),
    _operations("infra-tagged", "Tables, functions and buckets name their owner.", "NIST CM-8", LOW),
)
