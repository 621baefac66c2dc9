"""The replay of one deployment, as the processes of `orchestrator replay --since` run it.

Each of them imports this module when it starts, so it imports neither AWS's clients nor the command line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial

import msgspec

from orchestrator.cli.actions.reports.replay_settings import replayed_limits
from orchestrator.domain.deployment.policy import DeliveryLimits
from orchestrator.domain.deployment.record import DecisionEntry, Deployment
from orchestrator.domain.errors import Refused
from orchestrator.domain.replay.deployment_replay import EVALUATING, NotReplayed, Replayed, replay_deployment

ReplayedLimits = Callable[[DeliveryLimits], DeliveryLimits]

_RECORDS, _DECISIONS = msgspec.json.Decoder(Deployment), msgspec.json.Decoder(DecisionEntry)


def judge_stored(
    stored: Sequence[tuple[str, Sequence[str]]], delivery: Mapping[str, object], values: Mapping[str, object]
) -> list[Replayed | NotReplayed]:
    """Return the replay of each deployment, or why there is none. Those whose canary was not evaluated are left out.

    Args:
        stored: each deployment as JSON, and its decisions as JSON, oldest first.
        delivery: the environment's settings, which name the settings that exist.
        values: the replaced settings.
    """
    limits = cache(partial(replayed_limits, delivery=delivery, values=values))
    judged = (_judge(record, decisions, limits) for record, decisions in stored)
    return [one for one in judged if one is not None]


def _judge(record: str, decisions: Sequence[str], limits: ReplayedLimits) -> Replayed | NotReplayed | None:
    deployment = _RECORDS.decode(record)
    entries = [_DECISIONS.decode(one) for one in decisions]
    evaluated = any(entry.state in EVALUATING and entry.evidence for entry in entries)
    if not evaluated or deployment.cutover is not None:
        return None
    try:
        return replay_entries(deployment, entries, limits)
    except Refused as error:
        return NotReplayed(deployment.id, str(error))


def replay_entries(deployment: Deployment, entries: Sequence[DecisionEntry], limits: ReplayedLimits) -> Replayed:
    """Return the replay of a deployment from its decisions.

    Args:
        deployment: its record.
        entries: its decisions, oldest first.
        limits: returns the replayed limits for those of a plan.

    Raises:
        Refused: a value is refused, or the record lacks what a decision needs.
    """
    replay = replay_deployment(deployment, entries, limits(deployment.plan.limits))
    recorded = str(deployment.outcome or deployment.phase)
    return Replayed(deployment.id, recorded, deployment.requested_at, replay)
