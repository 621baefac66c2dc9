"""Settings of incidents: ``[….incidents]`` and the rota ``[….on_call]``. Both tables are optional."""

from __future__ import annotations

import json
from collections.abc import Iterable

from orchestrator.domain.incidents.policy import LARGEST_POLICY_BYTES, IncidentPolicy, encode_policy, read_policy
from orchestrator.domain.schema import EnvironmentRefused, SettingsReader


def read_incidents(table: SettingsReader) -> IncidentPolicy:
    """Read the incidents and the rota of an environment.

    Raises:
        EnvironmentRefused: a setting is wrong, or all of them together are too long for a function's variables.
    """
    policy = read_policy(table)
    size = len(json.dumps(encode_policy(policy), allow_nan=False)) - len('""')
    if size > LARGEST_POLICY_BYTES:
        remedy = f"give fewer or shorter names: as a variable of a function they may have {LARGEST_POLICY_BYTES}"
        raise EnvironmentRefused(table.field("on_call"), f"{size} bytes", remedy)
    return policy


def refuse_unknown_destinations(policy: IncidentPolicy, known: Iterable[str], environment: str) -> None:
    """Refuse a level whose pages would go to a destination that is not configured.

    Args:
        policy: the settings of incidents.
        known: the names of the destinations of notifications.
        environment: the environment's name.

    Raises:
        EnvironmentRefused: a level names another one.
    """
    names = sorted(known)
    for number, level in enumerate(policy.rota.levels if policy.rota else ()):
        for destination in level.destinations:
            if destination not in names:
                field = f"{environment}.on_call.levels[{number}].destinations"
                remedy = f"name entries of [[{environment}.notifications]]: {', '.join(names) or 'there are none'}"
                raise EnvironmentRefused(field, destination, remedy)
