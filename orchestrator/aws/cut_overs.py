"""What becomes of a restore's cut-over: whether its deployment has ended, and what has to be undone where it did not succeed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from orchestrator.aws.cloud import Cloud
from orchestrator.aws.executions import execution_arn
from orchestrator.domain.ending import cause_of
from orchestrator.domain.failing_back import findings_of
from orchestrator.domain.records import Claim
from orchestrator.domain.recovery import Finding, Recovery
from orchestrator.domain.release import Latest
from orchestrator.domain.restoration import judge_cut_over, not_asked_for, variables_of
from orchestrator.domain.verdict import Outcome


def ended(cloud: Cloud, recovery: Recovery, error: Mapping[str, str]) -> Finding | None:
    """How the deployment came out that was to make the service use the copies; None while it goes on.

    Args:
        cloud: the environment.
        recovery: the restore.
        error: what kept it from asking for the deployment, where it did not.
    """
    if not recovery.deployment:
        return not_asked_for(cause_of(error) if error else "nobody asked for it")
    found, refusal = cloud.ledger.find(recovery.deployment), cloud.ledger.refusal(recovery.deployment)
    if found is not None:
        return judge_cut_over(recovery.deployment, found, "") if found.ended_at else None
    if refusal is not None:
        return judge_cut_over(recovery.deployment, None, refusal.why)
    arn = execution_arn(cloud.settings["DEPLOYMENT_MACHINE"], recovery.deployment)
    if cloud.executions.describe(arn).alive:
        return None
    return judge_cut_over(recovery.deployment, None, "its execution ended before its plan was kept")


def settle(cloud: Cloud, recovery: Recovery, finding: Finding, claim: Claim) -> Recovery:
    """The recovery with what its cut-over came to. Where it failed, `$LATEST` is told again what clients' version was told.

    The deployment or its rollback has put the aliases back and opened the tables by then. A failed one is forgotten, so that
    whoever comes late and starts it after all is refused.

    Raises:
        ClaimLost: another epoch holds the claim.
    """
    asked = cloud.ledger.find(recovery.deployment) if recovery.deployment else None
    levelled = findings_of(asked.cut_over.levelling) if asked and asked.cut_over else ()
    known = replace(recovery, epoch=claim.epoch).found(finding, *levelled)
    if finding.verdict.outcome is Outcome.PASS:
        return known
    for function_name in recovery.service.functions.values():
        live = cloud.versions.describe(function_name, cloud.aliases.read(function_name).routing.primary)
        cloud.retargeting.change(function_name, partial(_as_of, live), cloud.restores.fence(claim.epoch))
    return replace(known, deployment="")


def _as_of(live: Latest, _variables: Mapping[str, str]) -> Mapping[str, str]:
    return variables_of(live)
