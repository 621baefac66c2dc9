"""Lambda: an alias with weights splits its invocations, whatever the source of the invocation.

AWS:

- ``AdditionalVersionWeights`` of an alias names a second version and its share of the invocations; the rest goes to
  ``FunctionVersion``. Lambda chooses the version at random for each invocation. Invoke returns it in
  ``X-Amz-Executed-Version``.
  https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html
- Lambda splits the invocations of every integration that names the alias's ARN: API Gateway, Step Functions,
  EventBridge, function URLs …
- ``context.invoked_function_arn`` and the metrics' ``Resource`` name the alias; ``function_version`` and
  ``ExecutedVersion`` name the version.
  https://docs.aws.amazon.com/lambda/latest/dg/python-context.html

Stock MiniStack stores the weights but sends every invocation to ``FunctionVersion``. All integrations except Invoke
lose the name of the alias.

The patch does not split event source mappings, which read from queues and streams; the product has none. Invocations
that name a version or ``$LATEST`` have nothing to split.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import Any

from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap

PINNED = {
    "ministack.services.lambda_svc._get_func_record_for_ref": "492b4efe8f903a0f",
    "ministack.services.lambda_svc._effective_func_record_for_qualifier": "9347cb8fd2dc4d9c",
    "ministack.services.lambda_svc._invoke": "ab193779e5c2ea94",
    "ministack.services.lambda_svc._qp_first": "8faa9310780b75ae",
}

Record = Mapping[str, Any]
"""MiniStack's record of a function or one of its versions: ``config``, ``code_zip``, ``aliases`` …"""

_invoking: ContextVar[bool] = ContextVar("invoking", default=False)
"""Whether a qualifier is resolved for an invocation. Reading an alias's configuration must not draw a version."""


class DrawnVersion(str):
    """The version that was drawn for an invocation of an alias.

    MiniStack looks the version up by this string, which is the version's number. It formats the string into the invoked
    ARN, which on AWS names the alias; `__format__` therefore returns the alias's name.
    """

    __slots__ = ("alias",)
    alias: str

    @classmethod
    def create(cls, version: str, alias: str) -> DrawnVersion:
        """Return a drawn version of an alias."""
        drawn = cls(version)
        drawn.alias = alias
        return drawn

    def __format__(self, specification: str) -> str:
        return format(self.alias, specification)


def choose_version(alias: Record, draw: Callable[[], float]) -> str:
    """Return the version that handles an invocation of the alias.

    Args:
        alias: `FunctionVersion` and, with weights, `RoutingConfig`.
        draw: returns a random number in [0, 1).
    """
    drawn = draw()
    for version, weight in ((alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}).items():
        if drawn < weight:
            return str(version)
        drawn -= weight
    return str(alias["FunctionVersion"])


def install(options: Options) -> None:
    """Install the patch in this process."""
    from ministack.services import lambda_svc  # noqa: PLC0415 - only in the server process

    draw = random.Random(options.seed).random  # noqa: S311 - routing, not secrets

    def in_invocation(original: Callable[[str], Any]) -> Callable[[str], Any]:
        def get_func_record_for_ref(reference: str) -> Any:
            before = _invoking.set(True)
            try:
                return original(reference)
            finally:
                _invoking.reset(before)

        return get_func_record_for_ref

    def drawing_version(original: Callable[..., Any]) -> Callable[..., Any]:
        def effective_func_record_for_qualifier(function: Record | None, qualifier: str | None) -> Any:
            alias = ((function or {}).get("aliases") or {}).get(qualifier) if _invoking.get() else None
            if alias is None:
                return original(function, qualifier)
            record, config = original(function, choose_version(alias, draw))
            return record, config and {**config, "FunctionArn": alias["AliasArn"]}

        return effective_func_record_for_qualifier

    def splitting(original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def invoke(
            name: str,
            event: Any,
            headers: Mapping[str, str],
            path_qualifier: str | None = None,
            query_params: Mapping[str, Any] | None = None,
        ) -> Any:
            qualifier = path_qualifier or lambda_svc._qp_first(query_params or {}, "Qualifier")
            qualifier = qualifier or lambda_svc._qp_first(headers, "x-amz-qualifier")
            aliases = lambda_svc._functions[name]["aliases"] if name in lambda_svc._functions else {}
            if qualifier in aliases:
                qualifier = DrawnVersion.create(choose_version(aliases[qualifier], draw), alias=qualifier)
            return await original(name, event, headers, qualifier, query_params)

        return invoke

    wrap(lambda_svc, "_get_func_record_for_ref", in_invocation)
    wrap(lambda_svc, "_effective_func_record_for_qualifier", drawing_version)
    wrap(lambda_svc, "_invoke", splitting)
