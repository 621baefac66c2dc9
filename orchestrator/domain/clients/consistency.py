"""Whether the service reads what the ledger has of managed clients: a check of `orchestrator doctor`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from orchestrator.domain.clients.client import ManagedClient, Status
from orchestrator.domain.doctor.result import Result, failed, listed, passed, warned


def check_clients(
    clients: Sequence[ManagedClient],
    stored: Mapping[str, int | None],
    configured: Collection[str],
    *,
    switched_on: bool,
    env: str,
) -> Result:
    """Check the managed clients of an environment.

    Args:
        clients: of the ledger.
        stored: client id to the revision of its item in the tokens table; None without an item.
        configured: ids of the configured clients.
        switched_on: the service reads managed clients.
        env: the environment's name.
    """
    differing = [client for client in clients if stored.get(client.client_id) != _expected(client)]
    if differing:
        found = listed(f"{client.client_id} ({client.status})" for client in differing)
        reason = f"the service reads another state than the ledger has: {found}"
        return failed(reason, f"orchestrator clients reapply --env {env} --reason …")
    shadowed = {client.client_id for client in clients if not client.removed} & set(configured)
    if shadowed:
        remedy = f"orchestrator clients disable and remove --env {env}, or rename the configured client"
        return warned(f"a configured client has the same id, and wins: {listed(shadowed)}", remedy)
    enabled = [client for client in clients if client.status is Status.ENABLED]
    if enabled and not switched_on:
        remedy = "set service.managed_clients = true in environments.toml, then npx cdk deploy and orchestrator deploy"
        return warned(f"the service does not read managed clients: {listed(one.client_id for one in enabled)}", remedy)
    silent = [client.client_id for client in enabled if not client.contacts]
    if silent:
        remedy = f"orchestrator clients contacts CLIENT --contact … --env {env}"
        return warned(f"clients without a contact: {listed(silent)}", remedy)
    return passed(f"{len(enabled)} managed clients are enabled, as the ledger has them")


def _expected(client: ManagedClient) -> int | None:
    return None if client.removed else client.revision
