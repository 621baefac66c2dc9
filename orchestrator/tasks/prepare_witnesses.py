"""PrepareWitnesses: have the service give grants before a drill's point, and wait until a point has them.

It comes before the plan, which takes the latest point there is. What was asked for goes on to the plan as it was given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec

from orchestrator.aws.cloud import Cloud, for_each
from orchestrator.domain.plan import Service
from orchestrator.domain.recovery import RecoveryAction, RecoveryDecision, Role
from orchestrator.domain.recovery_policy import RecoveryPolicy, seconds_before_poll
from orchestrator.domain.witnesses import Witnesses, awaited
from orchestrator.probes import witnesses
from orchestrator.probes.synthetic import Broken, Prover
from orchestrator.probes.witnesses import Served
from orchestrator.tasks import Recovered, Recovering, recovery_task


@dataclass(frozen=True)
class Prepared(Recovered):
    """The machine's next state, with what the plan is asked."""

    request: Mapping[str, Any]


def prepare_witnesses(given: Recovering, cloud: Cloud) -> Prepared:
    """Give witnesses once, and look whether all tables can be restored to a point that has them.

    A service that gives none is drilled all the same: what cannot be tried then is a finding, and makes the drill red.
    """
    request = given.given.get("request", given.given)
    policy = RecoveryPolicy.parse(msgspec.json.decode(cloud.settings["RECOVERY"]))
    found = cloud.witnesses.find(given.recovery)
    if found is None and given.attempt == 0:
        try:
            found = _given(given.recovery, cloud)
        except Broken as error:
            return _go(given, request, RecoveryAction.PROCEED, f"no witnesses: the service {error}")
    if found is None or request.get("to"):
        return _go(given, request, RecoveryAction.PROCEED, "no point is waited for: one was asked for")
    tables = msgspec.json.decode(cloud.settings["TABLES"], type=dict[Role, str])
    latest = [one.latest for one in for_each(tables.items(), lambda table: cloud.restoring.source(*table))]
    if reason := awaited(found, latest, cloud.now()):
        return _go(given, request, RecoveryAction.WAIT, reason, seconds_before_poll(policy, given.attempt))
    return _go(given, request, RecoveryAction.PROCEED, "every table can be restored to a point that has the witnesses")


def _given(recovery: str, cloud: Cloud) -> Witnesses:
    service = msgspec.json.decode(cloud.settings["SERVICE"], type=Service)
    served = Served(
        cloud.instruments.functions, {name: (full, service.alias) for name, full in service.functions.items()}
    )
    prover = Prover(cloud.instruments.macs, service.synthetic_key_id, cloud.environment)
    # A whole second later than the last of them: points are whole seconds, and a row's own may be cut off.
    found = witnesses.give(served, prover, lambda: cloud.now() + timedelta(seconds=1))
    cloud.witnesses.keep(recovery, found, cloud.now())
    return found


def _go(
    given: Recovering, request: Mapping[str, Any], action: RecoveryAction, reason: str, wait_seconds: int = 0
) -> Prepared:
    attempt = given.attempt + 1 if action is RecoveryAction.WAIT else 0
    return Prepared(given.recovery, 0, RecoveryDecision(action, reason, wait_seconds, attempt), request)


handler = recovery_task(prepare_witnesses)
