"""Controls of the practices: what has to be done again and again, and the rule packs."""

from __future__ import annotations

from orchestrator.domain.compliance.catalogue.rows import HIGH, LOW, MEDIUM
from orchestrator.domain.compliance.control import Control, Framework, Method, Owner, Severity


def _row(
    name: str, requirement: str, source: str, severity: Severity, remedy: str, method: Method = Method.READING
) -> Control:
    return Control(name, Framework.PRACTICES, requirement, source, method, severity, Owner.OPERATORS, remedy)


CONTROLS = (
    _row(
        "practice-drill-in-time",
        "A drill proved in time that the tables can be recovered.",
        "NIST CP-4, CP-9(1)",
        HIGH,
        "orchestrator drill --watch",
    ),
    _row(
        "practice-evidence-chain",
        "The evidence chain verifies.",
        "NIST AU-10, AU-9(3)",
        HIGH,
        "orchestrator evidence verify names every fault; restore the earlier versions of the files",
    ),
    _row(
        "practice-keys-rotated",
        "The signing key is rotated in time.",
        "NIST SC-12, SC-12(1)",
        HIGH,
        "orchestrator keys, then docs/runbooks/rotate-signing-keys.md",
    ),
    _row(
        "practice-false-alarm-budget",
        "A budget of false alarms is set, of 5 % at most.",
        "NIST CM-4(2), SRE Workbook ch. 16",
        LOW,
        "set delivery.false_alarm_percent",
    ),
    _row(
        "practice-checklist",
        "A production deployment brings evidence of tests and review.",
        "NIST CM-3(2), SA-11",
        MEDIUM,
        "set delivery.checklist",
    ),
    _row(
        "practice-backups-recent",
        "Every table has a recent backup.",
        "FSBP DynamoDB.4, NIST CP-9",
        HIGH,
        "docs/runbooks/alarms.md#backup-failed",
    ),
    _row(
        "practice-point-in-time",
        "Point-in-time recovery is on for every table.",
        "FSBP DynamoDB.2, NIST CP-9",
        HIGH,
        "npx cdk deploy ib-oauth-stack-ENV -c environment=ENV",
    ),
    _row(
        "practice-no-drift",
        "The configuration is that of the newest snapshot.",
        "NIST CM-3(7), CM-6",
        MEDIUM,
        "orchestrator config diff",
    ),
    _row(
        "practice-live-state",
        "Clients reach the versions that the ledger recorded.",
        "NIST CM-5, SI-7",
        HIGH,
        "orchestrator repair",
    ),
    _row(
        "practice-release-verified",
        "A deployment verified the live release.",
        "NIST CM-4(2), SA-11",
        MEDIUM,
        "orchestrator deploy",
    ),
    _row(
        "practice-stacks-complete", "Every stack is deployed completely.", "NIST CM-2", MEDIUM, "npx cdk deploy --all"
    ),
    _row(
        "practice-stack-policies",
        "Stack policies protect what clients use.",
        "NIST CM-5(6)",
        MEDIUM,
        "docs/guides/doctor.md",
    ),
    _row(
        "practice-contacts-confirmed",
        "Every contact is notified.",
        "NIST IR-6, SI-4(5)",
        MEDIUM,
        "open the confirmation that AWS sent",
    ),
    _row(
        "practice-alarm-actions-enabled",
        "The actions of every alarm are enabled.",
        "FSBP CloudWatch.17, NIST SI-4(5)",
        HIGH,
        "aws cloudwatch enable-alarm-actions",
    ),
    _row(
        "practice-no-example-settings",
        "No setting has an example's value.",
        "NIST CM-6",
        MEDIUM,
        "set your own values in environments.toml",
    ),
    _row(
        "practice-rule-packs",
        "AWS Solutions and NIST 800-53 rule packs of cdk-nag find nothing that is not explained.",
        "cdk-nag, NIST SA-11(1)",
        MEDIUM,
        "change the stack, or explain the finding in infrastructure/security/nag_suppressions.py",
        Method.TEMPLATE,
    ),
    _row(
        "practice-template-lint",
        "cfn-lint finds nothing in the templates.",
        "cfn-lint, NIST SA-11(1)",
        LOW,
        "cfn-lint names the line: change the stack",
        Method.TEMPLATE,
    ),
)
