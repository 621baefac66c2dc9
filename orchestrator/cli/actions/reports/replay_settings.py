"""The settings of a replay: those of the recorded plan, with the values of ``--set`` in their places."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from orchestrator.domain.deployment.policy import DeliveryLimits, DeliveryPolicy
from orchestrator.domain.errors import Refused

OPTION = "--set"
TABLE, THRESHOLDS, SHARES = "delivery", "thresholds", "false_alarm_shares"

REPLAYABLE = frozenset(
    {
        "delivery.max_bake_seconds",
        "delivery.when_inconclusive",
        "delivery.thresholds.minimum_requests",
        "delivery.thresholds.false_alarm_percent",
        "delivery.thresholds.max_error_percent",
        "delivery.thresholds.tolerated_increase_percent",
        "delivery.thresholds.false_alarm_shares.request_metrics",
        "delivery.thresholds.false_alarm_shares.latency",
        "delivery.thresholds.false_alarm_shares.logs",
    }
)
"""The settings whose effect the record suffices to compute. Others decide what is measured, or judge what is not recorded."""


def assignments(texts: Sequence[str]) -> Mapping[str, object]:
    """Return the values of the options ``--set PATH=VALUE``; a value is TOML, or else text.

    Raises:
        Refused: an option has another form.
    """
    values: dict[str, object] = {}
    for text in texts:
        path, equals, value = text.partition("=")
        if not equals or not path.startswith(f"{TABLE}."):
            raise Refused(OPTION, text, f"give {TABLE}.KEY=VALUE, such as delivery.thresholds.max_error_percent=3")
        values[path.strip()] = _value(value.strip())
    return values


def replayed_limits(
    recorded: DeliveryLimits, delivery: Mapping[str, object], values: Mapping[str, object]
) -> DeliveryLimits:
    """Return the recorded limits with these values, validated by the reader of the environment's settings.

    Args:
        recorded: of the deployment's plan.
        delivery: the environment's table, which the reader needs to be complete.
        values: dotted path of a setting to its value.

    Raises:
        Refused: a setting is unknown, out of range, or has an effect that cannot be replayed.
    """
    table: dict[str, Any] = {
        **delivery,
        "max_bake_seconds": int(recorded.max_bake.total_seconds()),
        "when_inconclusive": recorded.when_inconclusive.value,
        THRESHOLDS: asdict(recorded.thresholds),
    }
    for path, value in values.items():
        _assign(table, path, value)
    parsed = DeliveryPolicy.parse(table).limits
    for path, value in values.items():
        if path not in REPLAYABLE:
            remedy = f"give one of {', '.join(sorted(REPLAYABLE))}: the record does not show the effect of others"
            raise Refused(OPTION, f"{path}={value}", remedy)
    return replace(
        recorded,
        max_bake=parsed.max_bake,
        when_inconclusive=parsed.when_inconclusive,
        thresholds=parsed.thresholds,
    )


def _assign(table: dict[str, Any], path: str, value: object) -> None:
    *parents, key = path.split(".")[1:]
    for parent in parents:
        inner = table.get(parent)
        table[parent] = dict(inner) if isinstance(inner, Mapping) else {}
        table = table[parent]
    table[key] = value


def _value(text: str) -> object:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
