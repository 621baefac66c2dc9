"""Lambda aliases: absolute, fenced writes that are read back.

A revision alone does not fence a late writer, which could read the alias again and get a new RevisionId. This order
does: know a revision of the alias → read the environment lock consistently → write with that revision. If another
execution acquired the lock before the read, the writer stops. If it acquires the lock between the read and the write,
it writes either before us (a rollback always writes, so our revision is outdated) or after us.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import sleep
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.aws.clients import BUSY, error_code, translate_errors
from orchestrator.aws.rate_limiter import unlimited
from orchestrator.domain.errors import AliasConflict

FULL = 100
READ_AGAIN_SECONDS = 0.5
"""The pause before a read is repeated: a read that follows a write may not see it yet."""


@dataclass(frozen=True)
class Routing:
    """Where an alias sends requests: to `primary`, and `weight_percent` of them to `canary` if there is one."""

    primary: str
    canary: str = ""
    weight_percent: int = 0


@dataclass(frozen=True)
class Alias:
    """An alias as read. `owner_tag` is its description: the last writer's deployment and fencing token."""

    routing: Routing
    revision: str
    owner_tag: str


def owner_tag(fencing_token: int, deployment: str) -> str:
    """Return what a writer puts into the alias's description.

    It shows operators who wrote the alias, and a writer whether a write with a lost response was its own.
    """
    return f"fencing_token={fencing_token} deployment={deployment}"


class Aliases:
    """The alias `name` of any function.

    Args:
        client: botocore's Lambda client.
        name: the alias, `live`.
        pace: waits until the control plane accepts the next call.
        sleep: waits for some seconds.
    """

    def __init__(
        self,
        client: Any,
        name: str,
        pace: Callable[[], None] = unlimited,
        sleep: Callable[[float], None] = sleep,
    ) -> None:
        self._client, self._name, self._pace, self._sleep = client, name, pace, sleep

    def read_alias(self, function_name: str) -> Alias:
        """Read a function's alias. That it does not exist is believed only after a second read.

        Raises:
            AliasConflict: the alias does not exist.
        """
        try:
            return self._read(function_name)
        except AliasConflict:
            return self.read_alias_again(function_name)

    def read_alias_again(self, function_name: str) -> Alias:
        """Read a function's alias after a pause, if the first read was not what it should be. Raises as `read_alias`."""
        self._sleep(READ_AGAIN_SECONDS)
        return self._read(function_name)

    def _read(self, function_name: str) -> Alias:
        self._pace()
        with translate_errors(ResourceNotFoundException=AliasConflict):
            return _alias(self._client.get_alias(FunctionName=function_name, Name=self._name))

    def write_alias(
        self, function_name: str, routing: Routing, tag: str, check_lock: Callable[[], None], revision: str
    ) -> Alias:
        """Set an alias, and read it back.

        Args:
            function_name: the function's name.
            routing: the wanted routing; all of it is passed, because UpdateAlias keeps what is omitted.
            tag: the writer's `owner_tag`.
            check_lock: raises LockLost if the lock is lost; called between read and write.
            revision: the alias's revision, known from before the lock is checked.

        Raises:
            LockLost: by `check_lock`. Nothing was written, or the lock's new holder has overwritten it.
            AliasConflict: another client, which does not hold the lock, changed the alias.
            Throttled: Lambda is busy with another change of the function, or the request limit was reached.
        """
        self._pace()  # before the lock is checked, so that nothing waits between check and write
        check_lock()
        try:
            self._update(function_name, routing, tag, revision)
        except _Stale:
            stale = True
        else:
            stale = False
        alias = self.read_alias(function_name)
        if not _is_written(alias, routing, tag, stale=stale):
            alias = self.read_alias_again(function_name)
        if _is_written(alias, routing, tag, stale=stale):
            return alias
        check_lock()
        raise AliasConflict(
            f"{function_name}:{self._name} is {alias.routing} by {alias.owner_tag or 'an unknown writer'}, "
            f"and should be {routing}"
        )

    def _update(self, function_name: str, routing: Routing, tag: str, revision: str) -> None:
        weights = {routing.canary: routing.weight_percent / FULL} if routing.canary else {}
        try:
            # ResourceConflictException: Lambda still works on another change of the function (UpdateAlias, Errors).
            with translate_errors(**BUSY, ResourceNotFoundException=AliasConflict):
                self._client.update_alias(
                    FunctionName=function_name,
                    Name=self._name,
                    FunctionVersion=routing.primary,
                    RoutingConfig={"AdditionalVersionWeights": weights},
                    Description=tag,
                    RevisionId=revision,
                )
        except ClientError as error:
            if error_code(error) == "PreconditionFailedException":
                raise _Stale from error
            raise


def _is_written(alias: Alias, routing: Routing, tag: str, *, stale: bool) -> bool:
    """Return whether an alias is what we wrote.

    With a stale revision, the response of our own write was lost and the client tried again.
    """
    return alias.routing == routing and (alias.owner_tag == tag or not stale)


class _Stale(Exception):
    """The alias no longer has the revision of the write."""


def _alias(response: dict[str, Any]) -> Alias:
    weights = (response.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
    canary, weight = next(iter(weights.items()), ("", 0.0))
    return Alias(
        routing=Routing(response["FunctionVersion"], canary, round(weight * FULL)),
        revision=response["RevisionId"],
        owner_tag=response.get("Description", ""),
    )
