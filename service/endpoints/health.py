"""Deep health: whether every table and key that an endpoint needs responds, and the revocation epoch.

The tables are those of `storage/tables.py`, also those that only another function uses. The session key and the
synthetic client's key are not checked: a check would need the right to encrypt with the one, and a MAC of the other,
which this function does not have. The OAuth flows of a deployment and of `orchestrator verify --flows` use both.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from service.http.responses import json_response
from service.keys.errors import KeyUnavailable
from service.storage.conditional_writes import StoreUnavailable
from service.storage.tables import NO_TABLE, TABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from service.http.app import HttpFunction
    from service.http.responses import Response
    from service.keys.kms import PublicKeys
    from service.storage.grants import Store

DEADLINE_SECONDS: Final = 2.5
_EPOCH_CHECK: Final = "tokens_table_epoch"


@dataclass(frozen=True)
class DeepHealth:
    """Handles /health/deep."""

    function: HttpFunction
    store: Store
    keys: PublicKeys

    def respond(self) -> Response:
        """Return the result of each check with its milliseconds; 503 if one fails."""
        self.function.observed.synthetic = True  # monitoring requests are not business requests
        deadline = time.monotonic() + DEADLINE_SECONDS
        results = {name: _checked(probe, deadline) for name, probe in self._probes().items()}
        checks = {name: check for name, (check, _) in results.items()}
        healthy = all(check["healthy"] for check in checks.values())
        body = {
            "healthy": healthy,
            "version": self.function.settings.version,
            "revocation_epoch": results[_EPOCH_CHECK][1],
            "checks": checks,
        }
        return json_response(HTTPStatus.OK if healthy else HTTPStatus.SERVICE_UNAVAILABLE, body)

    def _probes(self) -> Mapping[str, Callable[[], int | None]]:
        """Return the checks by name. The epoch's item is the one that is read from the tokens table."""
        names = self.function.settings.tables
        probes: dict[str, Callable[[], int | None]] = {
            f"{role}_table": partial(self.store.probe_table, names.get(role, ""), table)
            for role, table in TABLES.items()
            if role != "tokens" and names.get(role) != NO_TABLE
        }
        return {**probes, _EPOCH_CHECK: self.store.revocation_epoch, "signing_key": self.keys.probe}


def _checked(probe: Callable[[], int | None], deadline: float) -> tuple[dict[str, Any], int | None]:
    """Run one check and measure it, and return the probe's value. A check after the deadline is not run and fails."""
    started = time.monotonic()
    if started >= deadline:
        return {"healthy": False, "error": "deadline"}, None
    try:
        value = probe()
    except (StoreUnavailable, KeyUnavailable) as error:
        return {"healthy": False, "ms": _milliseconds(started), "error": str(error)}, None
    return {"healthy": True, "ms": _milliseconds(started)}, value


def _milliseconds(started: float) -> float:
    return round((time.monotonic() - started) * 1000, 1)
