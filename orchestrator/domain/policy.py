"""An environment's rules of delivery: how carefully a release is shifted and judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from enum import StrEnum

from orchestrator.domain.errors import Refused

CHECKLIST = ("tests", "security_review", "documentation", "performance", "rollback_plan")
"""The pre-deployment checklist of the deployment strategy; each item is answered by a reference to evidence."""


class WhenInconclusive(StrEnum):
    """What is done when a step's longest bake has passed without enough evidence."""

    ROLL_BACK = "ROLL_BACK"
    HOLD = "HOLD"
    SYNTHETIC = "SYNTHETIC"  # paired synthetic flows hit both versions; HOLD where these do not settle it


@dataclass(frozen=True)
class Thresholds:
    """What the probes compare with.

    Attributes:
        minimum_requests: canary requests below which a rate says nothing.
        false_alarm_percent: how often a healthy canary may be failed over a whole deployment, in percent.
        max_error_percent: 5xx share that is wrong whatever stable does.
        tolerated_increase_percent: points of 5xx or refused grants by which canary may exceed stable.
        max_latency_ratio: canary's p50 and p99 over stable's.
        latency_floor_ms: differences below this many ms are noise.
        max_p99_ms: p99 that is wrong whatever stable does.
    """

    minimum_requests: int
    false_alarm_percent: float
    max_error_percent: float
    tolerated_increase_percent: float
    max_latency_ratio: float
    latency_floor_ms: float
    max_p99_ms: float


@dataclass(frozen=True)
class DeliveryPolicy:
    """Everything of ``[delivery]`` in environments.toml, checked.

    Attributes:
        default_strategy: a name among `strategies`.
        look: the time between two looks within a bake.
        settle: how late the slowest source (metrics, logs) may be; windows end this much before now.
        period: the resolution of the metrics that are judged.
        max_bake: how far a step's bake may be extended while evidence is thin.
        after_bake: how long the promoted version is watched before the last look.
        hold_deadline: how long a HOLD waits for a person.
        rollback_window: how long after its end an alarm still undoes a deployment.
        alarm_max_age: an alarm event older than this is history.
        checklist: the pre-deployment evidence without which nothing ships, such as ``tests``.
        strategies: name to its raw table, read by `orchestrator.domain.strategy`.
    """

    default_strategy: str
    look: timedelta
    settle: timedelta
    period: timedelta
    max_bake: timedelta
    after_bake: timedelta
    hold_deadline: timedelta
    rollback_window: timedelta
    alarm_max_age: timedelta
    when_inconclusive: WhenInconclusive
    thresholds: Thresholds
    checklist: tuple[str, ...]
    strategies: Mapping[str, Mapping[str, object]]

    @classmethod
    def parse(cls, table: Mapping[str, object]) -> DeliveryPolicy:
        """Read the environment's table.

        Raises:
            Refused: a key is missing, unknown or out of range; names the key, the value and the remedy.
        """
        durations = {
            "look": "look_seconds",
            "settle": "settle_seconds",
            "period": "period_seconds",
            "max_bake": "max_bake_seconds",
            "after_bake": "after_bake_seconds",
            "hold_deadline": "hold_deadline_seconds",
            "rollback_window": "rollback_window_seconds",
            "alarm_max_age": "alarm_max_age_seconds",
        }
        known = {"default_strategy", "when_inconclusive", "thresholds", "checklist", "strategies", *durations.values()}
        for key in table:
            if key not in known:
                raise Refused(f"delivery.{key}", table[key], f"remove it; known keys are {', '.join(sorted(known))}")
        strategies = _table(table, "strategies")
        named: dict[str, Mapping[str, object]] = {name: _table(strategies, name) for name in strategies}
        default = _text(table, "default_strategy")
        if default not in named:
            raise Refused("delivery.default_strategy", default, f"name one of {', '.join(sorted(named))}")
        return cls(
            default_strategy=default,
            **{
                name: timedelta(seconds=_number(table, key, low=0 if name in {"settle", "after_bake"} else 1))
                for name, key in durations.items()
            },
            when_inconclusive=_choice(table, "when_inconclusive"),
            thresholds=_thresholds(_table(table, "thresholds")),
            checklist=_checklist(table),
            strategies=named,
        )


def _thresholds(table: Mapping[str, object]) -> Thresholds:
    names = [field.name for field in fields(Thresholds)]
    for key in table:
        if key not in names:
            raise Refused(f"delivery.thresholds.{key}", table[key], f"remove it; known keys are {', '.join(names)}")
    numbers = {name: _number(table, name, low=0, where="delivery.thresholds") for name in names}
    if not 0 < numbers["false_alarm_percent"] < 100:  # noqa: PLR2004 - a percentage
        raise Refused(
            "delivery.thresholds.false_alarm_percent", numbers["false_alarm_percent"], "give 0 < percent < 100"
        )
    return Thresholds(minimum_requests=int(numbers.pop("minimum_requests")), **numbers)


def _checklist(table: Mapping[str, object]) -> tuple[str, ...]:
    value = table.get("checklist", [])
    if not isinstance(value, list) or not all(entry in CHECKLIST for entry in value):
        raise Refused("delivery.checklist", value, f"give a list out of {', '.join(CHECKLIST)}")
    return tuple(value)


def _table(table: Mapping[str, object], key: str) -> Mapping[str, object]:
    value = table.get(key)
    if not isinstance(value, Mapping):
        raise Refused(f"delivery.{key}", value, "give a table")
    return value


def _text(table: Mapping[str, object], key: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value:
        raise Refused(f"delivery.{key}", value, "give a text that is not empty")
    return value


def _number(table: Mapping[str, object], key: str, *, low: float, where: str = "delivery") -> float:
    value = table.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < low:
        raise Refused(f"{where}.{key}", value, f"give a number of at least {low:g}")
    return value


def _choice(table: Mapping[str, object], key: str) -> WhenInconclusive:
    value = _text(table, key)
    if value not in WhenInconclusive.__members__:
        raise Refused(f"delivery.{key}", value, f"give one of {', '.join(WhenInconclusive)}")
    return WhenInconclusive(value)
