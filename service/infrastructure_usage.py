"""Usage plans: what each holder of a key may ask of the two endpoints that other people's servers call.

A key is no proof of who somebody is, and no client of OAuth knows that there are any. So it is wanted only where programs call
by agreement, and beside what they prove themselves with: APIs that ask whether a token lives, and whoever registers clients.
Everything a client or a browser calls goes without, for good: a public client could not keep a key.
"""

from __future__ import annotations

from aws_cdk import aws_apigateway as apigateway
from constructs import Construct

from environments import Environment
from stack_parts import name_of

KEYED = ("POST /introspect", "POST /register")
"""The routes that want a key, in an environment that has usage plans."""


def wants_key(environment: Environment, route: str) -> bool:
    """Whether a route wants a key."""
    return bool(environment.api.usage_plans) and route in KEYED


def make_usage_plans(scope: Construct, environment: Environment, stage: apigateway.Stage) -> None:
    """Make the plans and a key for each holder. API Gateway draws the keys' values; no template has them."""
    for plan_name, settings in environment.api.usage_plans.items():
        plan = apigateway.UsagePlan(
            scope,
            f"{_title(plan_name)}Plan",
            name=name_of(plan_name, environment),
            throttle=apigateway.ThrottleSettings(
                rate_limit=settings.requests_per_second, burst_limit=settings.burst_requests
            ),
            quota=apigateway.QuotaSettings(limit=settings.requests_per_day, period=apigateway.Period.DAY),
        )
        plan.add_api_stage(stage=stage)
        for holder in settings.keys:
            key = apigateway.ApiKey(scope, f"{_title(holder)}Key", api_key_name=name_of(holder, environment))
            plan.add_api_key(key)


def _title(name: str) -> str:
    return name.title().replace("-", "")
