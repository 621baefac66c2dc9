"""The profile `aws-timing`: a changed alias keeps its previous routing for a short time.

AWS: the response of UpdateAlias, and every later GetAlias, contains the new routing. The data plane applies it shortly
afterwards. Lambda publishes no figure; its control plane is eventually consistent.
https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html
Here the change takes effect after a delay between `SHORTEST_SECONDS` and `LONGEST_SECONDS`, drawn for each change. From
then on every invocation uses the new routing. In the profile `instant` it takes effect at once.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

from orchestrator.local.emulator.lambda_ import alias_routing
from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap

PINNED = {
    "ministack.services.lambda_svc._update_alias": "0017f6b94b062e90",
}

SHORTEST_SECONDS: Final = 0.2
LONGEST_SECONDS: Final = 1.5

Routing = Mapping[str, Any]
"""Routing of an alias: ``FunctionVersion`` and, optionally, ``RoutingConfig``."""


def install(options: Options) -> None:
    """Install the patch in this process if the profile is `aws-timing`."""
    if options.profile != "aws-timing":
        return
    from ministack.services import lambda_svc  # noqa: PLC0415 - only in the server process

    draw = random.Random(options.seed).uniform  # noqa: S311 - a delay, not a secret
    routings = RecentRoutings()

    def updating(original: Callable[..., Any]) -> Callable[..., Any]:
        def update_alias(function: str, name: str, request: Any) -> Any:
            alias = lambda_svc._functions[function]["aliases"].get(name) if function in lambda_svc._functions else None
            before = dict(alias) if alias else {}
            response = original(function, name, request)
            if alias and response[0] == HTTPStatus.OK:
                now = time.monotonic()
                routings.record_change(
                    alias["AliasArn"], before, dict(alias), now, now + draw(SHORTEST_SECONDS, LONGEST_SECONDS)
                )
            return response

        return update_alias

    def choosing(original: Callable[..., str]) -> Callable[..., str]:
        def choose_version(alias: Routing, draw_share: Callable[[], float]) -> str:
            return original(routings.effective_routing(alias["AliasArn"], time.monotonic()) or alias, draw_share)

        return choose_version

    wrap(lambda_svc, "_update_alias", updating)
    wrap(alias_routing, "choose_version", choosing)


class RecentRoutings:
    """The previous routing of aliases whose change is pending. Times are seconds of the monotonic clock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changes: dict[str, list[tuple[float, Routing]]] = {}

    def record_change(self, alias: str, before: Routing, after: Routing, now: float, effective: float) -> None:
        """Record a change of an alias. It takes effect at `effective`, but not before an earlier change."""
        with self._lock:
            changes = self._pending_changes(alias, now) or [(now, before)]
            self._changes[alias] = [*changes, (max(effective, changes[-1][0]), after)]

    def effective_routing(self, alias: str, now: float) -> Routing | None:
        """Return the routing in effect now; None if it is the configured one."""
        with self._lock:
            changes = self._pending_changes(alias, now)
            self._changes[alias] = changes
            return changes[0][1] if len(changes) > 1 else None

    def _pending_changes(self, alias: str, now: float) -> list[tuple[float, Routing]]:
        """Return the routing in effect now and the pending ones."""
        changes = self._changes.get(alias, [])
        passed = [change for change in changes if change[0] <= now]
        to_come = [change for change in changes if change[0] > now]
        return [*passed[-1:], *to_come] if to_come else []
