"""The profile `aws-timing`: a changed alias routes as before for a moment.

AWS: the answer to UpdateAlias, and GetAlias after it, have the new routing; the data plane takes it over shortly after.
Lambda publishes no figure; its control plane is eventually consistent.
https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html
Here it takes between `SHORTEST_SECONDS` and `LONGEST_SECONDS`, drawn for each change; then every invocation has the new
routing. In the profile `instant` it has it at once.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

from orchestrator.local.fidelity import weighted_aliases
from orchestrator.local.fidelity.options import Options
from orchestrator.local.fidelity.wrapping import wrap

PINNED = {
    "ministack.services.lambda_svc._update_alias": "0017f6b94b062e9042a309044f56cc2a302fb9bc600dc9c495d2c5fb4ec21727",
}

SHORTEST_SECONDS: Final = 0.2
LONGEST_SECONDS: Final = 1.5

Routing = Mapping[str, Any]
"""What an alias says of where invocations go: ``FunctionVersion`` and perhaps ``RoutingConfig``."""


def install(options: Options) -> None:
    """Put the mend in place, in this process, where the profile asks for it."""
    if options.profile != "aws-timing":
        return
    from ministack.services import lambda_svc  # noqa: PLC0415 - only in the server process

    draw = random.Random(options.seed).uniform  # noqa: S311 - a delay, not a secret
    routings = Routings()

    def updating(original: Callable[..., Any]) -> Callable[..., Any]:
        def update_alias(function: str, name: str, asked: Any) -> Any:
            alias = lambda_svc._functions[function]["aliases"].get(name) if function in lambda_svc._functions else None
            before = dict(alias) if alias else {}
            answered = original(function, name, asked)
            if alias and answered[0] == HTTPStatus.OK:
                now = time.monotonic()
                routings.change(
                    alias["AliasArn"], before, dict(alias), now, now + draw(SHORTEST_SECONDS, LONGEST_SECONDS)
                )
            return answered

        return update_alias

    def choosing(original: Callable[..., str]) -> Callable[..., str]:
        def chosen_version(alias: Routing, draw_share: Callable[[], float]) -> str:
            return original(routings.of(alias["AliasArn"], time.monotonic()) or alias, draw_share)

        return chosen_version

    wrap(lambda_svc, "_update_alias", updating)
    wrap(weighted_aliases, "chosen_version", choosing)


class Routings:
    """How aliases that were changed a moment ago still route. Times are seconds of the monotonic clock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changes: dict[str, list[tuple[float, Routing]]] = {}

    def change(self, alias: str, before: Routing, after: Routing, now: float, effective: float) -> None:
        """An alias was changed; invocations follow at `effective`, and not before an earlier change."""
        with self._lock:
            changes = self._still(alias, now) or [(now, before)]
            self._changes[alias] = [*changes, (max(effective, changes[-1][0]), after)]

    def of(self, alias: str, now: float) -> Routing | None:
        """How the alias routes now, where that is not how it is configured."""
        with self._lock:
            changes = self._still(alias, now)
            self._changes[alias] = changes
            return changes[0][1] if len(changes) > 1 else None

    def _still(self, alias: str, now: float) -> list[tuple[float, Routing]]:
        """The routing of now, and those to come."""
        changes = self._changes.get(alias, [])
        passed = [change for change in changes if change[0] <= now]
        to_come = [change for change in changes if change[0] > now]
        return [*passed[-1:], *to_come] if to_come else []
