"""CutOver: tell the functions to use the copies, and have a deployment of its own bring that to the clients, all at once."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.aws.cloud import Cloud, for_each
from orchestrator.domain.recovery import Recovery, Role
from orchestrator.domain.restoration import (
    deployment_for,
    floor_of,
    refuse_bad,
    refuse_other_release,
    refuse_other_sources,
    retargeted,
)
from orchestrator.domain.serving import refuse_unsafe
from orchestrator.tasks import Recovered, Recovering, go_on, recovery_task
from orchestrator.tasks.make_tokens_safe import tokens_of


def cut_over(given: Recovering, cloud: Cloud) -> Recovered:
    """Change the variables of `$LATEST` and start the deployment. A retry changes nothing twice and starts the same one.

    Raises:
        Refused: something is wrong with the copies, or `$LATEST` holds another release than clients get.
        ClaimLost: another epoch holds the claim.
    """
    ledger = cloud.restores
    recovery = ledger.read(given.recovery)
    refuse_bad(recovery)
    epoch = _epoch(recovery, cloud)
    functions = sorted(recovery.service.functions.items())
    floors = [_floor(name, function_name, recovery, cloud) for name, function_name in functions]
    floor = max(epoch, *floors)
    for _, function_name in functions:
        cloud.retargeting.change(
            function_name, lambda variables: retargeted(variables, recovery, floor), ledger.fence(given.epoch)
        )
    deployment = deployment_for(recovery.id)
    asked = replace(recovery, deployment=deployment, least_epoch=floor)
    answer = go_on(given, cloud, asked, f"{deployment} makes the service use {', '.join(_targets(recovery))}")
    # Last, and after the record says so: from the deployment's claim on, this epoch can write nothing more.
    request = {"requested_by": f"restore {recovery.id}", "cut_over": recovery.id, "force": True}
    cloud.executions.start(cloud.settings["DEPLOYMENT_MACHINE"], deployment, request)
    return answer


def _epoch(recovery: Recovery, cloud: Cloud) -> int:
    """The epoch of the tokens table from now on: that in which a copy was made safe, or that of the one in use, which goes along back."""
    if not recovery.back:
        return refuse_unsafe(tokens_of(recovery, cloud).mark(), recovery.id).epoch
    in_use = recovery.table(Role.TOKENS).source
    return cloud.restored_tokens(in_use, in_use, recovery.service.revocations).epoch()


def _floor(name: str, function_name: str, recovery: Recovery, cloud: Cloud) -> int:
    """The lowest epoch that clients' version serves, where a cut-over may leave its tables and ships nothing along with that."""
    live = cloud.aliases.read(function_name).routing.primary
    stable, latest = for_each((live, "$LATEST"), lambda version: cloud.versions.describe(function_name, version))
    refuse_other_sources(name, stable, {table.role: table.source for table in recovery.tables})
    refuse_other_release(name, stable, latest)
    return floor_of(stable)


def _targets(recovery: Recovery) -> list[str]:
    return [table.target for table in recovery.tables]


handler = recovery_task(cut_over)
