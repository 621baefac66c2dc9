"""Compatibility probe: can each of stable and canary read the items that the other writes?

It runs before a client can reach the canary. All functions of a release are built from one asset, so `public`, which
serves `/version`, answers for all of them.
"""

from __future__ import annotations

from http import HTTPStatus

from orchestrator.domain.analysis.observations import VERSION_HEADER, HttpRequest, HttpResponse
from orchestrator.domain.deployment.schema_compatibility import (
    SchemaVersions,
    SchemaVersionsUnknown,
    judge_schema_compatibility,
    schema_versions_of,
)
from orchestrator.domain.untrusted_json import decode_untrusted
from orchestrator.domain.verdict import Evidence, Json, Verdict
from orchestrator.probes.context import ProbeContext
from orchestrator.probes.ports import Invoker, Pace

PROBE = "compatibility"
VERSION_FUNCTION = "public"
VERSION_REQUEST = HttpRequest("GET", "/version")

ATTEMPTS = 25
"""So many responses in a row must be wrong before the schema versions are unknown: more than a burst of errors has."""
PAUSE_SECONDS = 0.1


class _NoSchemaVersions(Exception):
    """A version did not report its item schema versions. The message continues the version's name."""


def run(context: ProbeContext, invoker: Invoker, pace: Pace | None = None) -> Evidence:
    """Read the item schema versions of both versions of `public` and compare them.

    Args:
        context: the subject of the evaluation.
        invoker: direct invocation.
        pace: the clock of repetitions.

    Raises:
        Throttled, Unreachable: the functions could not be invoked.
    """
    verdict, items = _compare(context, invoker, pace or Pace())
    return Evidence(
        probe=PROBE,
        verdict=verdict,
        versions=context.versions,
        window=context.window,
        source="/version of stable and canary by lambda:Invoke",
        samples=len(items),
        figures={"items": items},
    )


def _compare(context: ProbeContext, invoker: Invoker, pace: Pace) -> tuple[Verdict, dict[str, Json]]:
    """Return the verdict, and the schema versions by side as far as they were read."""
    function = next((function for function in context.functions if function.name == VERSION_FUNCTION), None)
    if function is None:
        return Verdict.error(f"the service has no function {VERSION_FUNCTION}, which reports schema versions"), {}
    items: dict[str, Json] = {}
    schemas = []
    for side, version in (("stable", function.stable_version), ("canary", function.canary_version)):
        try:
            schemas.append(_read_schema_versions(invoker, function.function_name, version, pace))
        except _NoSchemaVersions as error:
            return Verdict.error(f"{side} ({VERSION_FUNCTION}:{version}) {error}"), items
        items[side] = schemas[-1].to_json()
    return judge_schema_compatibility(*schemas), items


def _read_schema_versions(invoker: Invoker, function_name: str, version: str, pace: Pace) -> SchemaVersions:
    for _ in range(ATTEMPTS - 1):
        try:
            return _parse(invoker.invoke(function_name, version, VERSION_REQUEST), version)
        except _NoSchemaVersions:  # A burst of errors is no verdict.
            pace.sleep(PAUSE_SECONDS)
    return _parse(invoker.invoke(function_name, version, VERSION_REQUEST), version)


def _parse(response: HttpResponse, version: str) -> SchemaVersions:
    if response.unhandled:
        raise _NoSchemaVersions(f"raised {response.unhandled}")
    if response.status != HTTPStatus.OK:
        raise _NoSchemaVersions(f"returned {response.status}")
    if response.header(VERSION_HEADER) != version:
        raise _NoSchemaVersions(f"identifies itself as version {response.header(VERSION_HEADER) or 'unknown'}")
    try:
        document = decode_untrusted(response.body)
    except ValueError as error:
        raise _NoSchemaVersions("returned no JSON") from error
    if not isinstance(document, dict):
        raise _NoSchemaVersions("returned no JSON object")
    try:
        return schema_versions_of(document)
    except SchemaVersionsUnknown as error:
        raise _NoSchemaVersions(f"reports {error}") from error
