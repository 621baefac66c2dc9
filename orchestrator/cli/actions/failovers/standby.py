"""The standby region of an environment, as a command reaches it."""

from __future__ import annotations

from orchestrator import environments
from orchestrator.application.cloud import Cloud
from orchestrator.cli.context import Context, clients_of
from orchestrator.domain.errors import Refused
from orchestrator.domain.failover.policy import FailoverPolicy
from orchestrator.environments.failover import failover_settings


def standby_context(env: str) -> Context:
    """Return the context of an environment's standby region.

    Raises:
        Refused: there is no such environment, or it has no standby region.
        LocalCloudNotRunning: the environment is local, and the local cloud does not run.
    """
    if env not in environments.names():
        raise Refused("env", env, f"name one of {', '.join(environments.names())}")
    environment = environments.load(env)
    if environment.failover is None:
        remedy = (
            f"set [{env}.failover] and deploy its standby region; until then the manual way is "
            "docs/runbooks/region-failover.md, with `orchestrator failover plan`"
        )
        raise Refused("env", env, f"it has no standby region: {remedy}")
    if environment.failover.region != environment.region:
        environment = environment.in_standby_region()
    return Context(environment, clients_of(environment, environment.region))


def policy_of(context: Context) -> FailoverPolicy:
    """Return the failover policy; the context is of an environment that has one."""
    assert context.environment.failover is not None, "standby_context has refused it"
    return context.environment.failover


def standby_cloud(context: Context) -> Cloud:
    """Return the adapters of the standby region, with the settings that only a failover reads."""
    settings = {**context.cloud.settings, **failover_settings(context.environment, context.account)}
    return Cloud(settings, clients=context.clients)
