"""The framework `oauth`: the conformance checks against the environment's own issuer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.aws.account_readings import Denied, denials
from orchestrator.cli.context import Context
from orchestrator.domain.compliance.result import NotChecked, Result, Status
from orchestrator.probes.conformance.run import CHECKS, run_checks
from orchestrator.probes.conformance.session import Session
from orchestrator.probes.ports import MacClient
from orchestrator.probes.synthetic_client import SyntheticIdentity


@dataclass(frozen=True)
class _SyntheticMacs:
    """HMAC keys in KMS, for a run in which a denied call is no failure of the service."""

    macs: MacClient

    def generate_mac(self, key_id: str, message: bytes) -> bytes:
        """Return the HMAC of a message. Raises NotChecked if the caller may not use the key."""
        try:
            with denials():
                return self.macs.generate_mac(key_id, message)
        except Denied as error:
            remedy = f"allow the caller {error.action} for the synthetic key (docs/guides/compliance.md)"
            raise NotChecked(f"the caller may not use {error.action}", remedy) from error


def check_issuer(context: Context, progress: Callable[[str], None]) -> list[Result]:
    """Return the results of the framework `oauth`.

    The caller needs `kms:GenerateMac` for the synthetic key, as for `orchestrator verify --flows`.
    """
    recorded = next(iter(context.cloud.ledger.newest_records(1)), None)
    if recorded is None:
        reason = "no deployment is recorded, so the ledger does not describe the service"
        remedy = f"orchestrator deploy --env {context.name}"
        return [Result(control, Status.NOT_CHECKED, reason, remedy) for control in CHECKS]
    service, clients = recorded.service, context.cloud.probe_clients
    identity = SyntheticIdentity(_SyntheticMacs(clients.macs), service.synthetic_key_id, context.name)
    has_domain = context.environment.api.domain is not None
    session = Session(clients.web, service.issuer, identity, clients.pace, has_domain=has_domain)
    return run_checks(session, progress)
