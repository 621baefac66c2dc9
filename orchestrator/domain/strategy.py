"""Strategies: how a canary's share grows. A table names a kind; what comes out is a list of steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

from orchestrator.domain.errors import Refused
from orchestrator.domain.policy import DeliveryPolicy

ALL_AT_ONCE, CANARY, LINEAR = "all-at-once", "canary", "linear"
KINDS = (ALL_AT_ONCE, CANARY, LINEAR)
FULL_PERCENT = 100


@dataclass(frozen=True)
class Step:
    """Traffic weight and bake: `weight_percent` of requests go to canary for at least `bake`."""

    weight_percent: int
    bake: timedelta


@dataclass(frozen=True)
class Strategy:
    """A name for people and the steps below 100 %, rising; promotion is what follows the last."""

    name: str
    steps: tuple[Step, ...]


def read_strategy(given: object, policy: DeliveryPolicy) -> Strategy:
    """Read a strategy from a deployment's input: nothing, a name, or an inline table.

    Raises:
        Refused: the name is unknown or the table is wrong; names the field, the value and the remedy.
    """
    if given is None:
        return read_strategy(policy.default_strategy, policy)
    if isinstance(given, str):
        if given not in policy.strategies:
            raise Refused("strategy", given, f"name one of {', '.join(sorted(policy.strategies))} or give steps inline")
        return Strategy(given, _steps(policy.strategies[given], f"strategies.{given}", policy))
    if isinstance(given, Mapping):
        return Strategy(f"inline {given.get('type', '')}".strip(), _steps(given, "strategy", policy))
    raise Refused("strategy", given, "give a name or a table with a type")


def _steps(table: Mapping[str, object], where: str, policy: DeliveryPolicy) -> tuple[Step, ...]:
    kind = table.get("type")
    if kind == ALL_AT_ONCE:
        _only(table, {"type"}, where)
        return ()
    if kind == CANARY:
        _only(table, {"type", "steps"}, where)
        return _canary(table.get("steps"), f"{where}.steps", policy)
    if kind == LINEAR:
        _only(table, {"type", "step_percent", "bake_seconds"}, where)
        return _linear(table, where, policy)
    raise Refused(f"{where}.type", kind, f"give one of {', '.join(KINDS)}")


def _canary(raw: object, where: str, policy: DeliveryPolicy) -> tuple[Step, ...]:
    if not isinstance(raw, Sequence) or isinstance(raw, str) or not raw:
        raise Refused(where, raw, "give at least one step, such as [{weight_percent = 10, bake_seconds = 300}]")
    steps = []
    for number, entry in enumerate(raw):
        if not isinstance(entry, Mapping):
            raise Refused(f"{where}[{number}]", entry, "give a table of weight_percent and bake_seconds")
        _only(entry, {"weight_percent", "bake_seconds"}, f"{where}[{number}]")
        steps.append(_step(entry, f"{where}[{number}]", policy))
    for number, (before, after) in enumerate(pairwise(steps), start=1):
        if after.weight_percent <= before.weight_percent:
            remedy = f"let weights rise; the step before has {before.weight_percent}"
            raise Refused(f"{where}[{number}].weight_percent", after.weight_percent, remedy)
    return tuple(steps)


def _linear(table: Mapping[str, object], where: str, policy: DeliveryPolicy) -> tuple[Step, ...]:
    percent = _whole(table, "step_percent", where, low=1, high=FULL_PERCENT - 1)
    bake = _bake(table, where, policy)
    return tuple(Step(weight, bake) for weight in range(percent, FULL_PERCENT, percent))


def _step(entry: Mapping[str, object], where: str, policy: DeliveryPolicy) -> Step:
    return Step(
        weight_percent=_whole(entry, "weight_percent", where, low=1, high=FULL_PERCENT - 1),
        bake=_bake(entry, where, policy),
    )


def _bake(table: Mapping[str, object], where: str, policy: DeliveryPolicy) -> timedelta:
    shortest = policy.settle + policy.period
    seconds = _whole(table, "bake_seconds", where, low=1, high=int(policy.max_bake.total_seconds()))
    if timedelta(seconds=seconds) < shortest:
        # Data come late: within a shorter bake a look would have no window to look at.
        remedy = f"give at least {shortest.total_seconds():g} (settle_seconds + period_seconds of this environment)"
        raise Refused(f"{where}.bake_seconds", seconds, remedy)
    return timedelta(seconds=seconds)


def _whole(table: Mapping[str, object], key: str, where: str, *, low: int, high: int) -> int:
    value = table.get(key)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise Refused(f"{where}.{key}", value, f"give a whole number from {low} to {high}")
    return value


def _only(table: Mapping[str, object], known: set[str], where: str) -> None:
    for key in table:
        if key not in known:
            raise Refused(f"{where}.{key}", table[key], f"remove it; known keys are {', '.join(sorted(known))}")
