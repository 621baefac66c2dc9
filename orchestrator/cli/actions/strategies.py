"""The command `strategies`: the named deployment strategies of an environment."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta

from orchestrator import environments
from orchestrator.cli.rendering.output import console, print_json, text_table
from orchestrator.domain.analysis.spending import shares_in_words
from orchestrator.domain.deployment.plan import Plan
from orchestrator.domain.deployment.policy import DeliveryPolicy
from orchestrator.domain.deployment.strategy import read_strategy
from orchestrator.domain.errors import Refused


def list_strategies(env: str, *, json: bool) -> None:
    """List an environment's named strategies. Needs no cloud.

    Raises:
        Refused: there is no such environment.
    """
    if env not in environments.names():
        raise Refused("env", env, f"name one of {', '.join(environments.names())}")
    policy = DeliveryPolicy.parse(environments.load(env).delivery)
    plans = {name: Plan.from_strategy(read_strategy(name, policy), policy) for name in sorted(policy.strategies)}
    if json:
        print_json(
            {
                name: {**asdict(plan), "evaluations": plan.evaluations, "transitions": plan.transitions}
                for name, plan in plans.items()
            }
        )
        return
    rows = [
        (
            f"{name} (default)" if name == policy.default_strategy else name,
            ", ".join(_parts(plan)),
            plan.evaluations,
            plan.transitions,
        )
        for name, plan in plans.items()
    ]
    console().print(text_table(("strategy", "steps", "evaluations", "transitions"), rows))
    shares = shares_in_words(policy.limits.thresholds)
    console().print(f"releases that chance may roll back: at most {shares}", style="dim", markup=False)


def _parts(plan: Plan) -> list[str]:
    """Return the steps of a plan in words, each after the gates before it."""
    steps = [f"{step.weight_percent} % {_seconds(step.bake)}" for step in plan.steps]
    parts = []
    for number, step in enumerate([*steps, "100 %" if plan.gates else "", ""]):
        parts += [f"[{gate.description}]" for gate in plan.gates if gate.before_step == number]
        parts += [step] if step else []
    return parts or ["100 % at once"]


def _seconds(duration: timedelta) -> str:
    return f"{duration.total_seconds():.0f} s"
