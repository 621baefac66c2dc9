"""Lambda's control plane in memory: versions, aliases with RevisionIds, and a limit of requests a second.

AWS: "GetFunction 100 requests per second; each of the remaining control plane API requests: 15 requests per second", summed
across all of them (Lambda quotas, API requests). The burst is not documented; it is an argument here, and stated wherever a
figure rests on it. UpdateAlias keeps what is omitted and gives the alias a new RevisionId, also where nothing else changed;
a RevisionId that is not the latest is refused (412). PublishVersion returns the last version where nothing changed since.
Provisioned concurrency is asked for and comes later ("IN_PROGRESS | READY | FAILED", PutProvisionedConcurrencyConfig): here it has
come once it was listed as often as `warms_after` says.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from tests.fakes.clock import SimulatedClock
from tests.fakes.errors import client_error

LATEST = "$LATEST"
REQUESTS_PER_SECOND = 15.0


class RequestLimit:
    """A bucket that is filled at a rate and holds a burst; an empty one refuses.

    Args:
        clock: the simulated time.
        per_second: how fast it is filled.
        burst: how many requests it holds when full, at least 1.
    """

    def __init__(self, clock: SimulatedClock, *, per_second: float = REQUESTS_PER_SECOND, burst: float) -> None:
        self._clock, self._per_second, self._burst = clock, per_second, burst
        self._left, self._at = burst, clock.seconds()
        self.refused = 0

    def take(self) -> None:
        """Count a request. Raises TooManyRequestsException as botocore does."""
        now = self._clock.seconds()
        self._left = min(self._burst, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1:
            self.refused += 1
            raise client_error("TooManyRequestsException", "Rate exceeded", status=429)
        self._left -= 1


@dataclass
class FakeFunction:
    """A function: `$LATEST`, what was published of it, and its aliases by name."""

    name: str
    latest: dict[str, Any]
    versions: dict[str, dict[str, Any]] = field(default_factory=dict)
    aliases: dict[str, dict[str, Any]] = field(default_factory=dict)
    provisioned: dict[str, dict[str, Any]] = field(default_factory=dict)
    reserved: int | None = None


class LambdaControlPlane:
    """Functions, and a client's view of them.

    Args:
        limit: counts every request; None for no limit.
    """

    def __init__(self, limit: RequestLimit | None = None) -> None:
        self._limit = limit
        self._revisions = 0
        self.functions: dict[str, FakeFunction] = {}
        self.calls: list[tuple[str, str]] = []
        self.log: list[tuple[str, str, Mapping[str, float], str]] = []
        """Every alias update that took effect: function, primary, weights, description."""
        self.warms_after = 0
        self.does_not_warm: dict[str, str] = {}
        """Function to why its provisioned concurrency fails."""

    def add(self, name: str, code: str = "code-1", **configuration: Any) -> FakeFunction:
        """Add a function with version 1 and the alias `live` on it."""
        latest = {
            "FunctionName": name,
            "Version": LATEST,
            "CodeSha256": code,
            "Role": "role",
            "LastUpdateStatus": "Successful",
            "State": "Active",
            "RevisionId": self._revision(),
            **configuration,
        }
        function = self.functions[name] = FakeFunction(name, latest)
        self.publish_version(FunctionName=name)
        function.aliases["live"] = {"Name": "live", "FunctionVersion": "1", "RevisionId": self._revision()}
        self.calls.clear()
        return function

    def change(self, name: str, code: str, **configuration: Any) -> None:
        """Put something else into `$LATEST`, as a deployment of the stack does."""
        self.functions[name].latest |= {"CodeSha256": code, "RevisionId": self._revision(), **configuration}

    # --- the client's operations -------------------------------------------------------------------------

    def get_alias(self, *, FunctionName: str, Name: str) -> dict[str, Any]:  # noqa: N803 - botocore's names
        self._count("get_alias", FunctionName)
        return deepcopy(self._alias(FunctionName, Name))

    def update_alias(self, *, FunctionName: str, Name: str, **changes: Any) -> dict[str, Any]:  # noqa: N803
        self._count("update_alias", FunctionName)
        function, alias = self.functions[FunctionName], self._alias(FunctionName, Name)
        if changes.pop("RevisionId", alias["RevisionId"]) != alias["RevisionId"]:
            raise client_error("PreconditionFailedException", "The RevisionId provided does not match", status=412)
        routing = changes.get("RoutingConfig", alias.get("RoutingConfig")) or {}
        weights = routing.get("AdditionalVersionWeights") or {}
        primary = changes.get("FunctionVersion", alias["FunctionVersion"])
        for version in (primary, *weights):
            if version not in function.versions:
                raise client_error("ResourceNotFoundException", f"Function not found: {FunctionName}:{version}")
        if primary in weights or len(weights) > 1 or not all(0 <= weight <= 1 for weight in weights.values()):
            raise client_error("InvalidParameterValueException", f"Invalid routing {primary} {weights}")
        alias |= {**changes, "FunctionVersion": primary, "RevisionId": self._revision()}
        if weights:
            alias["RoutingConfig"] = {"AdditionalVersionWeights": dict(weights)}
        else:
            alias.pop("RoutingConfig", None)
        self.log.append((FunctionName, primary, dict(weights), alias.get("Description", "")))
        return deepcopy(alias)

    def publish_version(
        self,
        *,
        FunctionName: str,  # noqa: N803
        CodeSha256: str = "",  # noqa: N803
        RevisionId: str = "",  # noqa: N803
        Description: str = "",  # noqa: N803
    ) -> dict[str, Any]:
        self._count("publish_version", FunctionName)
        function = self.functions[FunctionName]
        if CodeSha256 and CodeSha256 != function.latest["CodeSha256"]:
            raise client_error("InvalidParameterValueException", "CodeSHA256 is different from current CodeSHA256")
        if RevisionId and RevisionId != function.latest["RevisionId"]:
            raise client_error("PreconditionFailedException", "The Revision Id provided does not match", status=412)
        newest = max(map(int, function.versions), default=0)  # a number is never used again, also after a deletion
        last = function.versions.get(str(newest))
        if last and _content(last) == _content(function.latest):
            return deepcopy(last)
        number = str(newest + 1)
        changed = {"Version": number, "Description": Description, "RevisionId": self._revision()}
        function.versions[number] = deepcopy(function.latest) | changed
        # AWS does not promise that $LATEST keeps its revision; the stricter case is the one to stand.
        function.latest["RevisionId"] = self._revision()
        return deepcopy(function.versions[number])

    def get_function_configuration(self, *, FunctionName: str, Qualifier: str = LATEST) -> dict[str, Any]:  # noqa: N803
        self._count("get_function_configuration", FunctionName)
        function = self.functions.get(FunctionName)
        if function and Qualifier in function.aliases:
            Qualifier = function.aliases[Qualifier]["FunctionVersion"]  # noqa: N806
        found = function and (function.latest if Qualifier == LATEST else function.versions.get(Qualifier))
        if not found:
            raise client_error("ResourceNotFoundException", f"Function not found: {FunctionName}:{Qualifier}")
        return deepcopy(found)

    def update_function_configuration(
        self,
        *,
        FunctionName: str,  # noqa: N803
        Environment: Mapping[str, Any],  # noqa: N803
        RevisionId: str,  # noqa: N803
    ) -> dict[str, Any]:
        self._count("update_function_configuration", FunctionName)
        latest = self.functions[FunctionName].latest
        if RevisionId != latest["RevisionId"]:
            raise client_error("PreconditionFailedException", "The Revision Id provided does not match", status=412)
        latest |= {"Environment": deepcopy(Environment), "RevisionId": self._revision()}
        return deepcopy(latest)

    def put_provisioned_concurrency_config(
        self,
        *,
        FunctionName: str,  # noqa: N803
        Qualifier: str,  # noqa: N803
        ProvisionedConcurrentExecutions: int,  # noqa: N803
    ) -> dict[str, Any]:
        self._count("put_provisioned_concurrency_config", FunctionName)
        function = self.functions[FunctionName]
        if Qualifier not in function.versions:
            raise client_error("ResourceNotFoundException", f"Function not found: {FunctionName}:{Qualifier}")
        others = sum(
            one["RequestedProvisionedConcurrentExecutions"]
            for version, one in function.provisioned.items()
            if version != Qualifier
        )
        if function.reserved is not None and others + ProvisionedConcurrentExecutions > function.reserved:
            raise client_error("InvalidParameterValueException", "greater than the reservedConcurrentExecution")
        reason = self.does_not_warm.get(FunctionName, "")
        function.provisioned[Qualifier] = {
            "FunctionArn": f"arn:aws:lambda:us-west-1:123456789012:function:{FunctionName}:{Qualifier}",
            "RequestedProvisionedConcurrentExecutions": ProvisionedConcurrentExecutions,
            "Status": "FAILED" if reason else "IN_PROGRESS",
            **({"StatusReason": reason} if reason else {}),
            "listed": 0,
        }
        return {"Status": function.provisioned[Qualifier]["Status"]}

    def delete_provisioned_concurrency_config(self, *, FunctionName: str, Qualifier: str) -> dict[str, Any]:  # noqa: N803
        self._count("delete_provisioned_concurrency_config", FunctionName)
        self.functions[FunctionName].provisioned.pop(Qualifier, None)
        return {}

    def list_provisioned_concurrency_configs(self, *, FunctionName: str) -> dict[str, Any]:  # noqa: N803
        self._count("list_provisioned_concurrency_configs", FunctionName)
        found = self.functions[FunctionName].provisioned
        for one in found.values():
            one["listed"] += 1
            if one["Status"] == "IN_PROGRESS" and one["listed"] > self.warms_after:
                one["Status"] = "READY"
                one["AvailableProvisionedConcurrentExecutions"] = one["RequestedProvisionedConcurrentExecutions"]
        hidden = {"listed"}
        return {
            "ProvisionedConcurrencyConfigs": [
                {key: value for key, value in one.items() if key not in hidden} for one in found.values()
            ]
        }

    def get_waiter(self, name: str) -> Any:
        assert name == "function_updated_v2", f"{name} is not faked"
        return SimpleNamespace(wait=lambda **_: None)

    def list_versions_by_function(self, *, FunctionName: str) -> dict[str, Any]:  # noqa: N803
        self._count("list_versions_by_function", FunctionName)
        function = self.functions[FunctionName]
        return {"Versions": deepcopy([function.latest, *function.versions.values()])}

    def get_paginator(self, operation: str) -> Any:
        return _OnePage(getattr(self, operation))

    # --- what a test looks at ----------------------------------------------------------------------------

    def routing(self, function_name: str) -> tuple[str, Mapping[str, float]]:
        """Where `live` sends requests: its version, and weights of others."""
        alias = self.functions[function_name].aliases["live"]
        return alias["FunctionVersion"], (alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}

    def warm(self, function_name: str) -> Mapping[str, int]:
        """How many environments of which versions were asked for."""
        found = self.functions[function_name].provisioned
        return {version: one["RequestedProvisionedConcurrentExecutions"] for version, one in found.items()}

    def mark(self, function_name: str) -> str:
        """The description of `live`."""
        return str(self.functions[function_name].aliases["live"].get("Description", ""))

    def _alias(self, function_name: str, name: str) -> dict[str, Any]:
        function = self.functions.get(function_name)
        if not function or name not in function.aliases:
            raise client_error("ResourceNotFoundException", f"Alias not found: {function_name}:{name}", status=404)
        return function.aliases[name]

    def _count(self, operation: str, function_name: str) -> None:
        self.calls.append((operation, function_name))
        if self._limit:
            self._limit.take()

    def _revision(self) -> str:
        self._revisions += 1
        return f"r{self._revisions}"


class _OnePage:
    def __init__(self, operation: Any) -> None:
        self._operation = operation

    def paginate(self, **arguments: Any) -> list[Any]:
        return [self._operation(**arguments)]


def _content(version: Mapping[str, Any]) -> Mapping[str, Any]:
    return {key: value for key, value in version.items() if key not in {"Version", "Description", "RevisionId"}}
