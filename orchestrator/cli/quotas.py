"""Whether what an environment reserves fits into its account, before CloudFormation finds out half-way."""

from __future__ import annotations

from orchestrator.aws.quotas import Quotas
from orchestrator.cli.context import Context
from orchestrator.cli.output import as_json, console
from orchestrator.domain.quota import Reservation, refuse_too_much


def quota(context: Context, *, json: bool) -> None:
    """Compare the settings with the account.

    Raises:
        Refused: they do not fit; says all numbers.
    """
    quotas, functions = Quotas(context.clients("lambda")), context.environment.service.functions
    wanted = {name: one.reserved_concurrency or 0 for name, one in functions.items()}
    reservation = Reservation(wanted, quotas.reserved({name: context.function_name(name) for name in functions}))
    found = quotas.concurrency()
    left = refuse_too_much(found, reservation)
    if json:
        as_json(
            {
                "environment": context.name,
                "limit": found.limit,
                "reserved": found.reserved,
                "wanted": wanted,
                "left_unreserved": left,
            }
        )
        return
    console().print(
        f"{context.name} reserves {sum(wanted.values())} of the account's {found.limit}; {left} stay for functions that reserve nothing"
    )
