"""ChangeWitnesses: what happens after a drill's point. A family is revoked, and of another the token is replaced."""

from __future__ import annotations

from orchestrator.aws.cloud import Cloud
from orchestrator.probes import witnesses
from orchestrator.probes.synthetic import Broken
from orchestrator.probes.witnesses import Served
from orchestrator.tasks import Recovered, Recovering, go_on, recovery_task


def change_witnesses(given: Recovering, cloud: Cloud) -> Recovered:
    """Change the witnesses, once. Where that does not work nothing can be tried afterwards, which is a finding then.

    Raises:
        ClaimLost: another epoch holds the claim.
    """
    recovery = cloud.recoveries(given.kind).read(given.recovery)
    found = cloud.witnesses.find(recovery.id)
    if found is None or found.changed:
        return go_on(given, cloud, recovery, "no witnesses" if found is None else "changed before")
    service = recovery.service
    served = Served(
        cloud.instruments.functions, {name: (full, service.alias) for name, full in service.functions.items()}
    )
    try:
        cloud.witnesses.keep(recovery.id, witnesses.change(served, found), cloud.now())
    except Broken as error:
        return go_on(given, cloud, recovery, f"not changed: the service {error}")
    return go_on(given, cloud, recovery, "one family was revoked, and one token replaced, after the point")


handler = recovery_task(change_witnesses)
