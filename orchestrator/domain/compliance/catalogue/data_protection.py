"""Controls of data protection: retention, erasure, encryption and access. Articles are those of the GDPR."""

from __future__ import annotations

from orchestrator.domain.compliance.catalogue.rows import CRITICAL, HIGH, LOW, MEDIUM, template_rows
from orchestrator.domain.compliance.control import Control, Framework, Method, Owner, Severity

_REMEDY = "change the settings or the stack, then npx cdk deploy --all (docs/guides/personal-data.md)"
_row = template_rows(Framework.DATA_PROTECTION, _REMEDY)


def _reading(name: str, requirement: str, source: str, severity: Severity, remedy: str) -> Control:
    return Control(
        name, Framework.DATA_PROTECTION, requirement, source, Method.READING, severity, Owner.SECURITY, remedy
    )


CONTROLS = (
    _row("data-tables-expire", "Every table deletes expired items.", "Art. 5(1)(e), NIST SI-12(3)", HIGH),
    _row("data-log-retention", "No log is kept longer than the settings say.", "Art. 5(1)(e), NIST AU-11", MEDIUM),
    _row("data-backup-retention", "Every backup is deleted in the end.", "Art. 5(1)(e), Art. 17", HIGH),
    _row("data-exports-expire", "Copies of tables are deleted within a week.", "Art. 5(1)(e), NIST SI-12(3)", HIGH),
    _row(
        "data-access-log-no-secrets",
        "The access log has no code, no token and no query.",
        "Art. 5(1)(c), NIST SI-12(1)",
        CRITICAL,
    ),
    _row(
        "data-firewall-log-redacted",
        "The log of the web ACL has no query, no cookie and no credential.",
        "Art. 5(1)(c), NIST SI-12(1)",
        HIGH,
    ),
    _row("data-machine-no-payload", "State machines log no data.", "Art. 5(1)(c), NIST AU-3(3)", MEDIUM),
    _row("data-tables-not-shared", "No table is shared with everyone.", "Art. 32, NIST AC-3", CRITICAL),
    _reading(
        "data-tables-expire-now",
        "DynamoDB deletes expired items of the service's tables.",
        "Art. 5(1)(e), NIST SI-12(3)",
        HIGH,
        "aws dynamodb update-time-to-live switches it on; then npx cdk deploy ib-oauth-stack-ENV -c environment=ENV",
    ),
    _reading(
        "data-encrypted-now",
        "A key of the environment encrypts the service's tables.",
        "Art. 32(1)(a), NIST SC-28(1)",
        HIGH,
        "npx cdk deploy ib-oauth-stack-ENV -c environment=ENV encrypts them",
    ),
    _reading(
        "data-log-retention-now",
        "CloudWatch keeps no log of the environment longer than the settings say.",
        "Art. 5(1)(e), NIST AU-11",
        MEDIUM,
        "aws logs put-retention-policy sets it; then npx cdk deploy --all",
    ),
    _reading(
        "data-erasure-runs",
        "An erasure finds a user's items: a trial for a user that does not exist reads all tables.",
        "Art. 17, NIST SI-12(3)",
        HIGH,
        "orchestrator erase --subject PROVIDER:ID shows the error (docs/guides/personal-data.md)",
    ),
    _reading(
        "data-access-recorded",
        "The trail records who reads and changes the environment.",
        "Art. 32, NIST AU-2, AU-12",
        LOW,
        "aws cloudtrail start-logging; then npx cdk deploy ib-oauth-security-ENV -c environment=ENV",
    ),
)
