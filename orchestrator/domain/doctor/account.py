"""Checks of the account: credentials, bootstrap, quotas, cost allocation tags and the pipeline's role."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.domain.capacity.account_concurrency import Concurrency, Reservation, refuse_excess_reservation
from orchestrator.domain.doctor.result import Result, failed, listed, passed, skipped, warned
from orchestrator.domain.errors import Refused
from orchestrator.domain.names import ORCHESTRATOR_STACK

BOOTSTRAP_VERSION = 6
"""The oldest bootstrap stack that can deploy the stacks: `requiresBootstrapStackVersion` of their manifest."""

COST_TAGS = ("component", "environment", "owner", "service")
"""The tags of every resource (cdk_app.py) by which budgets and cost reports select."""

_ACTIVE = "Active"


def check_account(caller: str, account: str, expected: str | None, *, local: bool) -> Result:
    """Check that the credentials are those of the account that the settings name.

    Args:
        caller: the ARN of the credentials.
        account: its account.
        expected: `account` of the settings; None if they name none.
        local: whether the environment is on the local cloud.
    """
    if expected is not None and account != expected:
        remedy = f"use credentials of the account {expected}, for example by AWS_PROFILE"
        return failed(f"{caller} is of the account {account}, and the settings name {expected}", remedy)
    if expected is None and not local:
        remedy = f'set account = "{account}" in environments.toml, so that no other account is deployed to'
        return warned(f"{caller}; the settings name no account, so any credentials may deploy", remedy)
    return passed(f"{caller} of the account {account}")


def check_bootstrap(versions: Mapping[str, int | None], account: str) -> Result:
    """Check that the CDK's bootstrap stack is new enough.

    Args:
        versions: by region of the environment's stacks; None without a bootstrap.
        account: the account, for the remedy.
    """
    old = {region: version for region, version in versions.items() if (version or 0) < BOOTSTRAP_VERSION}
    if not old:
        return passed(", ".join(f"{region} has version {version}" for region, version in sorted(versions.items())))
    found = ", ".join(
        f"{region} has {'none' if version is None else f'version {version}'}" for region, version in sorted(old.items())
    )
    remedy = f"npx cdk bootstrap {' '.join(f'aws://{account}/{region}' for region in sorted(old))}"
    return failed(f"the stacks need a bootstrap of version {BOOTSTRAP_VERSION}: {found}", remedy)


def check_quotas(concurrency: Concurrency, reservation: Reservation) -> Result:
    """Check that the reserved concurrency of the settings fits the account's quota."""
    try:
        left = refuse_excess_reservation(concurrency, reservation)
    except Refused as error:
        return failed(f"reserved_concurrency: {error.value} does not fit", error.remedy)
    wanted = sum(reservation.wanted.values())
    return passed(f"{wanted} of {concurrency.limit} concurrent executions are reserved, {left} remain for others")


def check_cost_tags(states: Mapping[str, str]) -> Result:
    """Check that the cost allocation tags are active, by which the budget selects the environment.

    Args:
        states: by tag, as Cost Explorer reports it; a tag that no bill had yet is absent.
    """
    inactive = [tag for tag in COST_TAGS if states.get(tag) != _ACTIVE]
    if not inactive:
        return passed(f"{', '.join(COST_TAGS)} are active")
    entries = " ".join(f"TagKey={tag},Status=Active" for tag in inactive)
    remedy = f"aws ce update-cost-allocation-tags-status --cost-allocation-tags-status {entries}"
    reason = f"not active: {', '.join(inactive)}; a budget counts nothing of the environment"
    return warned(reason, f"{remedy} (a tag is known a day after the first bill that has it)")


def check_pipeline(provider: str | None, role: str | None, wanted_provider: str, wanted_role: str, env: str) -> Result:
    """Check that GitHub's jobs can assume the pipeline's role.

    Args:
        provider: the ARN of the account's OIDC provider for GitHub; None if there is none.
        role: the ARN of the role; None if there is none.
        wanted_provider: ARN of the settings, or that of the provider which the stack creates.
        wanted_role: the role's name.
        env: the environment's name.
    """
    missing = [
        what
        for what, found in ((f"the OIDC provider {wanted_provider}", provider), (f"the role {wanted_role}", role))
        if found is None
    ]
    if missing:
        return failed(f"missing: {listed(missing)}", f"npx cdk deploy {ORCHESTRATOR_STACK}-{env} -c environment={env}")
    return passed(f"{role} trusts {provider}")


def no_pipeline() -> Result:
    """Return that there is no pipeline to check."""
    return skipped("the settings have no [….pipeline], so people deploy with their own credentials")
