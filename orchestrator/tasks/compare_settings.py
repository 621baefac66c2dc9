"""CompareSettings: is every setting of a copy as its source has it? Read on both sides; each is a finding."""

from __future__ import annotations

from orchestrator.aws.cloud import Cloud, for_each
from orchestrator.aws.wanted_settings import wanted_settings
from orchestrator.domain.recovery import Finding, TableRecovery
from orchestrator.domain.table_settings import compared
from orchestrator.tasks import Recovered, Recovering, go_on, recovery_task


def compare_settings(given: Recovering, cloud: Cloud) -> Recovered:
    """Compare sources and copies.

    Raises:
        ClaimLost: another epoch holds the claim.
    """
    recovery = cloud.recoveries(given.kind).read(given.recovery)
    found = [one for table in for_each(recovery.tables, lambda table: _compared(table, cloud)) for one in table]
    bad = [one.check for one in found if one.verdict.outcome != "PASS"]
    reason = f"{len(found)} settings compared; different: {', '.join(bad) or 'none'}"
    return go_on(given, cloud, recovery.found(*found), reason, recovery.onward)


def _compared(table: TableRecovery, cloud: Cloud) -> tuple[Finding, ...]:
    source, copy = wanted_settings(table, cloud), cloud.table_settings.read(table.target)
    return compared(table.role, source, copy)


handler = recovery_task(compare_settings)
