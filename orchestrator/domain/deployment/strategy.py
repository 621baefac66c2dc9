"""Strategies: how a canary's share of the traffic grows. A table names a type; the result is a list of steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

from orchestrator.domain.deployment.gates import Gate, GateKind, read_gate
from orchestrator.domain.deployment.hooks import hook_gate
from orchestrator.domain.deployment.policy import MAX_SECONDS, DeliveryPolicy
from orchestrator.domain.errors import Refused
from orchestrator.domain.schema import Observer, SettingsReader
from orchestrator.domain.setting_rules import Text, WholeNumber

ALL_AT_ONCE, CANARY, LINEAR = "all-at-once", "canary", "linear"
KINDS = (ALL_AT_ONCE, CANARY, LINEAR)
FULL_PERCENT = 100


@dataclass(frozen=True)
class Step:
    """A traffic weight and its bake: the canary serves `weight_percent` of requests for at least `bake`."""

    weight_percent: int
    bake: timedelta


@dataclass(frozen=True)
class Strategy:
    """A strategy's name, its steps below 100 %, in ascending order, and its gates. Promotion follows the last step."""

    name: str
    steps: tuple[Step, ...]
    gates: tuple[Gate, ...] = ()


def read_strategy(strategy: object, policy: DeliveryPolicy, observer: Observer | None = None) -> Strategy:
    """Read the strategy of a deployment's input.

    Args:
        strategy: None for the environment's default, a name, or an inline table.
        policy: the environment's policy.
        observer: of a named strategy's table.

    Raises:
        Refused: the name is unknown or the table is wrong. The error names the field, the value and the remedy.
    """
    if strategy is None:
        return read_strategy(policy.default_strategy, policy)
    if isinstance(strategy, str):
        if strategy not in policy.strategies:
            remedy = f"name one of {', '.join(sorted(policy.strategies))} or give steps inline"
            raise Refused("strategy", strategy, remedy)
        table = SettingsReader(f"strategies.{strategy}", policy.strategies[strategy], Refused, observer)
        return Strategy(strategy, *_steps(table, policy))
    if isinstance(strategy, Mapping):
        name = f"inline {strategy.get('type', '')}".strip()
        return Strategy(name, *_steps(SettingsReader("strategy", strategy, Refused), policy))
    raise Refused("strategy", strategy, "give a name or a table with a type")


_StepsAndGates: TypeAlias = tuple[tuple[Step, ...], tuple[Gate, ...]]


def _steps(table: SettingsReader, policy: DeliveryPolicy) -> _StepsAndGates:
    kind = table.choice("type", KINDS, decides=True)
    if kind == ALL_AT_ONCE:
        steps_and_gates: _StepsAndGates = (), ()
    else:
        steps_and_gates = _canary(table, policy) if kind == CANARY else _linear(table, policy)
    table.refuse_unknown_keys()
    return steps_and_gates


def _canary(table: SettingsReader, policy: DeliveryPolicy) -> _StepsAndGates:
    steps: list[Step] = []
    gates: list[Gate] = []
    for number, entry in enumerate(table.tables("steps")):
        if "type" in entry:
            gates.append(_gate(entry, policy, before_step=len(steps)))
            continue
        step = Step(entry.whole_number("weight_percent", 1, FULL_PERCENT - 1), _bake(entry, policy))
        entry.refuse_unknown_keys()
        if steps and step.weight_percent <= steps[-1].weight_percent:
            remedy = f"give ascending weights; the step before has {steps[-1].weight_percent}"
            raise table.refused(f"steps[{number}].weight_percent", step.weight_percent, remedy)
        steps.append(step)
    if not steps:
        remedy = "give at least one step, such as [{weight_percent = 10, bake_seconds = 300}]"
        raise table.refused("steps", steps, remedy)
    return tuple(steps), tuple(gates)


def _linear(table: SettingsReader, policy: DeliveryPolicy) -> _StepsAndGates:
    percent = table.whole_number("step_percent", 1, FULL_PERCENT - 1)
    bake = _bake(table, policy)
    steps = tuple(Step(weight, bake) for weight in range(percent, FULL_PERCENT, percent))
    weights = [*(step.weight_percent for step in steps), FULL_PERCENT]
    gates = []
    for entry in table.tables("gates"):
        before = entry.whole_number("before_percent", 1, FULL_PERCENT)
        if before not in weights:
            raise entry.refused("before_percent", before, f"give one of {', '.join(map(str, weights))}")
        gates.append(_gate(entry, policy, before_step=weights.index(before)))
    return steps, tuple(sorted(gates, key=lambda gate: gate.before_step))


def _gate(entry: SettingsReader, policy: DeliveryPolicy, before_step: int) -> Gate:
    kind = entry.choice("type", tuple(GateKind), decides=True)
    if kind != GateKind.HOOK:
        return read_gate(entry, GateKind(kind), before_step)
    names = tuple(hook.name for hook in policy.hooks)
    name = entry.choice("name", names, described_by=Text()) if names else ""
    if not name:
        raise entry.refused("name", entry.take("name"), "define the hook in [[delivery.hooks]] first")
    entry.refuse_unknown_keys()
    return hook_gate(name, before_step)


def _bake(table: SettingsReader, policy: DeliveryPolicy) -> timedelta:
    limits = policy.limits
    shortest = limits.metric_delay + limits.period
    longest, any_bake = int(limits.max_bake.total_seconds()), WholeNumber(1, MAX_SECONDS)
    seconds = table.whole_number("bake_seconds", 1, longest, described_by=any_bake)
    if timedelta(seconds=seconds) < shortest:
        # Metrics arrive late: the evaluation window of a shorter bake would be empty.
        remedy = (
            f"give at least {shortest.total_seconds():g} (metric_delay_seconds + period_seconds of this environment)"
        )
        raise table.refused("bake_seconds", seconds, remedy)
    return timedelta(seconds=seconds)
