"""Lambda aliases: absolute, fenced writes that are read back.

A late writer that reads again holds a fresh RevisionId, so a revision alone does not fence. The order that does:
know a revision of the alias → read the claim consistently → write with that revision. Whoever took the claim
meanwhile has written since (a rollback always writes), so the late writer's revision is burnt; whoever takes
it later writes after us.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.aws.clients import code_of, narrowed
from orchestrator.aws.pace import unpaced
from orchestrator.domain.errors import AliasConflict

FULL = 100


@dataclass(frozen=True)
class Routing:
    """Where an alias sends requests: `primary`, and `weight_percent` of them to `canary` where there is one."""

    primary: str
    canary: str = ""
    weight_percent: int = 0


@dataclass(frozen=True)
class Alias:
    """An alias as read. `mark` is its description: who wrote it last, and under which epoch."""

    routing: Routing
    revision: str
    mark: str


def mark(epoch: int, deployment: str) -> str:
    """What a writer leaves in the alias's description, so that a person and a lost response can tell whose it is."""
    return f"epoch={epoch} deployment={deployment}"


class Aliases:
    """The alias `name` of any function.

    Args:
        client: botocore's Lambda client.
        name: the alias, `live`.
        pace: returns when the control plane takes the next call.
    """

    def __init__(self, client: Any, name: str, pace: Callable[[], None] = unpaced) -> None:
        self._client, self._name, self._pace = client, name, pace

    def read(self, function_name: str) -> Alias:
        """Read where the alias points.

        Raises:
            AliasConflict: there is no such alias.
        """
        self._pace()
        with narrowed(ResourceNotFoundException=AliasConflict):
            return _alias(self._client.get_alias(FunctionName=function_name, Name=self._name))

    def write(
        self, function_name: str, routing: Routing, signature: str, check_claim: Callable[[], None], revision: str
    ) -> Alias:
        """Set where the alias points, and read it back.

        Args:
            function_name: whose alias.
            routing: what it shall be; everything is passed, because UpdateAlias keeps what is omitted.
            signature: the writer's `mark`.
            check_claim: raises ClaimLost when the claim is no longer ours; called between read and write.
            revision: the alias's revision, known from before the claim is checked.

        Raises:
            ClaimLost: by `check_claim`; nothing was written, or what was written has been overruled.
            AliasConflict: somebody without the claim changed the alias.
        """
        self._pace()  # before the claim is checked: nothing is waited for between check and write
        check_claim()
        try:
            self._update(function_name, routing, signature, revision)
        except _Stale:
            stale = True
        else:
            stale = False
        found = self.read(function_name)
        # After a stale revision this is the case where our own write's response was lost and the client tried again.
        if found.routing == routing and (found.mark == signature or not stale):
            return found
        check_claim()
        raise AliasConflict(
            f"{function_name}:{self._name} is {found.routing} by {found.mark or 'somebody'}, asked for {routing}"
        )

    def _update(self, function_name: str, routing: Routing, signature: str, revision: str) -> None:
        weights = {routing.canary: routing.weight_percent / FULL} if routing.canary else {}
        try:
            with narrowed(ResourceNotFoundException=AliasConflict):
                self._client.update_alias(
                    FunctionName=function_name,
                    Name=self._name,
                    FunctionVersion=routing.primary,
                    RoutingConfig={"AdditionalVersionWeights": weights},
                    Description=signature,
                    RevisionId=revision,
                )
        except ClientError as error:
            if code_of(error) == "PreconditionFailedException":
                raise _Stale from error
            raise


class _Stale(Exception):
    """The revision that the write carried is no longer the alias's."""


def _alias(answer: dict[str, Any]) -> Alias:
    weights = (answer.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
    canary, weight = next(iter(weights.items()), ("", 0.0))
    return Alias(
        routing=Routing(answer["FunctionVersion"], canary, round(weight * FULL)),
        revision=answer["RevisionId"],
        mark=answer.get("Description", ""),
    )
