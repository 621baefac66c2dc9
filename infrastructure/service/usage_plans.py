"""Usage plans: request limits for each holder of an API key, on the two endpoints that only servers call.

An API key does not authenticate a caller, and OAuth clients do not know about API keys. So a key is required only for
introspection and registration, whose callers are known, and in addition to their authentication. Endpoints for clients
and browsers never require a key, because a public client cannot keep one secret.
"""

from __future__ import annotations

from aws_cdk import aws_apigateway as apigateway
from constructs import Construct

from infrastructure.naming import physical_name
from orchestrator.environments import Environment

KEYED = ("POST /introspect", "POST /register")
"""The routes that require a key in an environment with usage plans."""


def requires_key(environment: Environment, route: str) -> bool:
    """Return whether a route, such as ``POST /register``, requires a key."""
    return bool(environment.api.usage_plans) and route in KEYED


def create_usage_plans(scope: Construct, environment: Environment, stage: apigateway.Stage) -> None:
    """Create the plans and a key for each holder.

    API Gateway generates the keys' values, which no template contains.
    """
    for plan_name, settings in environment.api.usage_plans.items():
        plan = apigateway.UsagePlan(
            scope,
            f"{_title(plan_name)}Plan",
            name=physical_name(plan_name, environment),
            throttle=apigateway.ThrottleSettings(
                rate_limit=settings.requests_per_second, burst_limit=settings.burst_requests
            ),
            quota=apigateway.QuotaSettings(limit=settings.requests_per_day, period=apigateway.Period.DAY),
        )
        plan.add_api_stage(stage=stage)
        for holder in settings.keys:
            key = apigateway.ApiKey(scope, f"{_title(holder)}Key", api_key_name=physical_name(holder, environment))
            plan.add_api_key(key)


def _title(name: str) -> str:
    return name.title().replace("-", "")
