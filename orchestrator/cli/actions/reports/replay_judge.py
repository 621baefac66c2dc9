"""The replay of one deployment, as the processes of `orchestrator replay --since` run it.

Each of them imports this module when it starts, so it imports neither AWS's clients nor the command line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from orchestrator.cli.actions.reports.replay_settings import replayed_limits
from orchestrator.domain.deployment.record import DecisionEntry, Deployment
from orchestrator.domain.errors import Refused
from orchestrator.domain.replay.deployment_replay import EVALUATING, NotReplayed, Replayed, replay_deployment

_RECORDS, _DECISIONS = msgspec.json.Decoder(Deployment), msgspec.json.Decoder(DecisionEntry)


def judge_stored(
    record: str, decisions: Sequence[str], delivery: Mapping[str, object], values: Mapping[str, object]
) -> Replayed | NotReplayed | None:
    """Return the replay of a deployment, or why there is none; None for one whose canary was not evaluated.

    Args:
        record: the deployment as JSON.
        decisions: its decisions as JSON, oldest first.
        delivery: the environment's settings, which name the settings that exist.
        values: the replaced settings.
    """
    deployment = _RECORDS.decode(record)
    entries = [_DECISIONS.decode(one) for one in decisions]
    evaluated = any(entry.state in EVALUATING and entry.evidence for entry in entries)
    if not evaluated or deployment.cutover is not None:
        return None
    try:
        return replay_entries(delivery, deployment, entries, values)
    except Refused as error:
        return NotReplayed(deployment.id, str(error))


def replay_entries(
    delivery: Mapping[str, object],
    deployment: Deployment,
    entries: Sequence[DecisionEntry],
    values: Mapping[str, object],
) -> Replayed:
    """Return the replay of a deployment from its decisions; arguments as for `judge_stored`.

    Raises:
        Refused: a value is refused, or the record lacks what a decision needs.
    """
    limits = replayed_limits(deployment.plan.limits, delivery, values)
    replay = replay_deployment(deployment, entries, limits)
    recorded = str(deployment.outcome or deployment.phase)
    return Replayed(deployment.id, recorded, deployment.requested_at, replay)
