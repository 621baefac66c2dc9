"""TryRestored: what was given before the point still works or is dead, as it should be, and a new flow works. Each is a finding."""

from __future__ import annotations

import msgspec

from orchestrator.aws.cloud import Cloud
from orchestrator.aws.versions import LATEST
from orchestrator.domain.records import Kind
from orchestrator.domain.recovery_plan import target_name
from orchestrator.domain.recovery_policy import RecoveryPolicy
from orchestrator.domain.verdict import Outcome
from orchestrator.probes import witnesses
from orchestrator.probes.synthetic import Prover
from orchestrator.probes.witnesses import Served
from orchestrator.tasks import Recovered, Recovering, go_on, recovery_task


def try_restored(given: Recovering, cloud: Cloud) -> Recovered:
    """Try the restored service with the drill's witnesses. A real restore has none, and no right to miss them.

    Raises:
        ClaimLost: another epoch holds the claim.
    """
    policy = RecoveryPolicy.parse(msgspec.json.decode(cloud.settings["RECOVERY"]))
    recovery = cloud.recoveries(given.kind).read(given.recovery)
    names = {
        name: target_name(recovery.kind, recovery.id, name, recovery.environment) for name in recovery.service.functions
    }
    served = Served(cloud.instruments.functions, {name: (own, LATEST) for name, own in names.items()})
    prover = Prover(cloud.instruments.macs, recovery.service.synthetic_key_id, recovery.environment)
    is_drill = recovery.kind is Kind.DRILL
    given_before = cloud.witnesses.find(recovery.id) if is_drill else None
    found = witnesses.look(served, prover, given_before, policy.rotated_tokens, expected=is_drill)
    bad = [one.check for one in found if one.verdict.outcome is not Outcome.PASS]
    reason = f"{len(found)} things tried over the restored tables; wrong: {', '.join(bad) or 'none'}"
    return go_on(given, cloud, recovery.found(*found), reason)


handler = recovery_task(try_restored)
