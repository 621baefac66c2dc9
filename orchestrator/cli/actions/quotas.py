"""The command `check-quotas`: whether the reserved concurrency of an environment fits its account."""

from __future__ import annotations

from orchestrator.aws.lambda_.account_limits import AccountLimits
from orchestrator.cli.context import Context
from orchestrator.cli.rendering.output import console, print_json
from orchestrator.domain.capacity.account_concurrency import Reservation, refuse_excess_reservation


def check_quotas(context: Context, *, json: bool) -> None:
    """Compare the settings with the account's quota, before CloudFormation fails during a deployment.

    Raises:
        Refused: they do not fit; the message contains all numbers.
    """
    quotas, functions = AccountLimits(context.clients("lambda")), context.environment.service.functions
    wanted = {name: function.reserved_concurrency or 0 for name, function in functions.items()}
    reservation = Reservation(wanted, quotas.read_reserved({name: context.function_name(name) for name in functions}))
    concurrency = quotas.read_concurrency()
    left = refuse_excess_reservation(concurrency, reservation)
    if json:
        print_json(
            {
                "environment": context.name,
                "limit": concurrency.limit,
                "reserved": concurrency.reserved,
                "wanted": wanted,
                "left_unreserved": left,
            }
        )
        return
    console().print(
        f"{context.name} reserves {sum(wanted.values())} of the account's {concurrency.limit} concurrent executions; "
        f"{left} remain for functions without a reservation"
    )
