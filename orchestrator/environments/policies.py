"""The policies of an environment: deployments, drills and estimates would refuse what is refused here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

from orchestrator.domain.cost.estimate import Usage
from orchestrator.domain.deployment.plan import Plan
from orchestrator.domain.deployment.policy import DeliveryPolicy, encode_policy
from orchestrator.domain.deployment.strategy import read_strategy
from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.policy import RecoveryPolicy
from orchestrator.domain.recovery.read_pace import refuse_excessive_share
from orchestrator.domain.schema import EnvironmentRefused, Observer
from orchestrator.environments.service import FUNCTIONS, ServiceSettings
from orchestrator.environments.tables_and_backups import StoreSettings

LARGEST_POLICY_BYTES = 2380
"""Lambda allows 4 KB for all variables of a function. The delivery policy is one of those of `plan_deployment`, whose
others need 1.7 KB in an environment with a short name. `cdk synth` checks each environment.
"""

T = TypeVar("T")


@dataclass(frozen=True)
class Policies:
    """The tables that are passed on as they are. One that is no table is None.

    Attributes:
        environment: the name.
        table, strategies: the tables `delivery` and `strategies` of the settings.
        recovery: as `RecoveryPolicy.parse` reads it.
        usage: as `Usage.parse` reads it.
    """

    environment: str
    table: Mapping[str, object] | None
    strategies: Mapping[str, object] | None
    recovery: Mapping[str, object] | None
    usage: Mapping[str, object] | None

    @property
    def delivery(self) -> Mapping[str, object] | None:
        """The delivery policy with its strategies, as `DeliveryPolicy.parse` reads it."""
        if self.table is None or self.strategies is None:
            return None
        return {**self.table, "strategies": self.strategies}


class Part(Protocol):
    """Reads one part of an environment, as `orchestrator.environments.Attempts.part` does."""

    def __call__(self, name: str, read: Callable[[], T]) -> T | None:
        """Return what `read` returns; None if the part is wrong and reading goes on."""


def check_policies(
    policies: Policies,
    observer: Observer,
    part: Part,
    service: ServiceSettings | None,
    stores: StoreSettings | None,
    *,
    local: bool,
) -> None:
    """Refuse a policy that every deployment, drill or estimate would refuse.

    Args:
        policies: the tables.
        observer: of the environment's table.
        part: reads one part.
        service: the settings of the service; None if they are wrong.
        stores: the settings of the tables; None if they are wrong.
        local: whether the environment is on the local cloud.

    Raises:
        EnvironmentRefused: a policy is wrong.
    """
    name = policies.environment
    check: Callable[[], Any]
    if (table := policies.delivery) is not None:
        read = partial(_delivery, table, policies, observer.table("delivery"), service, local=local)
        policy = part("delivery", partial(_of_environment, name, read))
        if policy is not None:
            _check_strategies(policy, observer.table("strategies"), part, name, local=local)
        part("delivery", partial(_of_environment, name, partial(_refuse_large_policy, table)))
    if (recovery := policies.recovery) is not None:
        check = partial(_check_recovery, recovery, observer.table("recovery"), stores)
        part("recovery", partial(_of_environment, name, check))
    if (usage := policies.usage) is not None:
        check = partial(Usage.parse, usage, "usage", observer.table("usage"))
        part("usage", partial(_of_environment, name, check))


def _check_strategies(policy: DeliveryPolicy, observer: Observer, part: Part, name: str, *, local: bool) -> None:
    for strategy in policy.strategies:
        check = partial(_check_strategy, strategy, policy, observer.child(), local=local)
        part("strategies", partial(_of_environment, name, check))


def _of_environment(name: str, read: Callable[[], T]) -> T:
    try:
        return read()
    except Refused as error:
        raise in_environment(name, error) from error


def _delivery(
    table: Mapping[str, object], policies: Policies, observer: Observer, service: ServiceSettings | None, *, local: bool
) -> DeliveryPolicy:
    if policies.table and "strategies" in policies.table:
        remedy = f"move it to [{policies.environment}.strategies]"
        raise Refused("delivery.strategies", policies.table["strategies"], remedy)
    policy = DeliveryPolicy.parse(table, observer)
    if service is not None:
        _refuse_alarms_without_late_data(service, policy)
    _refuse_checks_of_other_places(policy, local=local)
    _refuse_hooks_of_other_places(policy, local=local)
    return policy


def _check_recovery(table: Mapping[str, object], observer: Observer, stores: StoreSettings | None) -> None:
    policy = RecoveryPolicy.parse(table, observer)
    if stores is not None and stores.provisioned:
        refuse_excessive_share(policy.read_share_percent, stores.target_utilisation_percent)


def in_environment(name: str, error: Refused) -> EnvironmentRefused:
    """Return a refusal of a policy as one of the settings, whose field begins with the environment's name."""
    # The policy has its strategies in it; the settings have them next to it.
    if isinstance(error, EnvironmentRefused):
        return error
    field = error.field.removeprefix("delivery.") if error.field.startswith("delivery.strategies.") else error.field
    return EnvironmentRefused(f"{name}.{field}", error.value, error.remedy)


def _check_strategy(name: str, policy: DeliveryPolicy, observer: Observer, *, local: bool) -> None:
    strategy = read_strategy(name, policy, observer)
    try:
        plan = Plan.from_strategy(strategy, policy)
    except Refused as error:
        if error.field != "strategy":
            raise
        raise Refused(f"strategies.{name}", error.value, error.remedy) from error
    _refuse_approvers_by_name(plan, name, local=local)


def _refuse_alarms_without_late_data(service: ServiceSettings, policy: DeliveryPolicy) -> None:
    delay, assumed = service.alarms.metric_delay_seconds, policy.limits.metric_delay.total_seconds()
    if delay < assumed:
        remedy = f"give at least the {assumed:g} of delivery.metric_delay_seconds: alarms would miss what arrives late"
        raise Refused("service.alarms.metric_delay_seconds", delay, remedy)


def _refuse_large_policy(delivery: Mapping[str, object]) -> None:
    try:
        size = len(encode_policy(delivery))
    except (TypeError, ValueError):  # a date, Infinity or NaN, which is refused under its own name
        return
    if size > LARGEST_POLICY_BYTES:
        remedy = (
            f"give fewer checks, hooks or strategies: as a variable of a function they may have {LARGEST_POLICY_BYTES}"
        )
        raise Refused("delivery", f"{size} bytes", remedy)


def _refuse_checks_of_other_places(policy: DeliveryPolicy, *, local: bool) -> None:
    for number, check in enumerate(policy.checks):
        field = f"delivery.checks[{number}]"
        if check.function and check.function not in FUNCTIONS:
            raise Refused(f"{field}.function", check.function, f"give one of {', '.join(FUNCTIONS)}")
        if check.url.startswith("http:") and not local:
            # In a function's own environment, loopback is Lambda's runtime interface.
            raise Refused(f"{field}.url", check.url, "give an https address; http is for the local cloud only")


def _refuse_hooks_of_other_places(policy: DeliveryPolicy, *, local: bool) -> None:
    for number, hook in enumerate(policy.hooks):
        if hook.url.startswith("http:") and not local:
            remedy = "give an https address; http is for the local cloud only"
            raise Refused(f"delivery.hooks[{number}].url", hook.url, remedy)


def _refuse_approvers_by_name(plan: Plan, name: str, *, local: bool) -> None:
    """Refuse approvers without an ARN: in an account a caller chooses the name of a session."""
    names = [approver for gate in plan.gates for approver in gate.approvers if not approver.startswith("arn:")]
    if names and not local:
        raise Refused(f"strategies.{name}", names[0], "give the ARN of a role or user as an approver")
