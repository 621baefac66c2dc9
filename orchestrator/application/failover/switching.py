"""Switch the service in this region to the restored tables, check its keys, and verify it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from orchestrator.application.cloud import Cloud, for_each
from orchestrator.application.failover.progress import StepDone, StepWaits
from orchestrator.application.failover.releases import planned_release
from orchestrator.application.seeded_grants import GrantClient
from orchestrator.aws.lambda_.aliases import Routing
from orchestrator.aws.ledger.failovers import ReadFailover
from orchestrator.domain.deployment.plan import Service
from orchestrator.domain.errors import Refused
from orchestrator.domain.failover.home_releases import refuse_unserved
from orchestrator.domain.failover.record import Failover
from orchestrator.domain.recovery.restore import LEAST_EPOCH, VARIABLES
from orchestrator.domain.signing_keys import KmsKey
from orchestrator.probes import synthetic_client
from orchestrator.probes.synthetic_client import FlowFailed, SyntheticIdentity

_LOCK_WAIT_SECONDS = 15


def deploy_release(read: ReadFailover, cloud: Cloud) -> StepDone | StepWaits:
    """Point `$LATEST` of every function at the restored tables, publish it, and point the alias at that version.

    The code is what this region has: its stacks are deployed with every release.

    Raises:
        LockLost: another writer changed the failover.
        Refused: the home region rolled this release back or never served it, or another client changes a function.
        AliasConflict: another client changes an alias.
    """
    lock = cloud.ledger.read_lock()
    if lock.held:
        return StepWaits(read, f"{lock.kind} {lock.deployment} holds the lock of this region", _LOCK_WAIT_SECONDS)
    failover, release = read.failover, planned_release(cloud)
    refuse_unserved(release, failover.home, failover.region)
    functions = service_of(cloud).functions
    versions = switch_functions(functions, release.code, read, cloud)
    approved = failover.release.name if failover.release else release.name
    changed = "" if approved == release.name else f"; the approvers saw {approved}"
    return StepDone(read, f"{', '.join(versions)}: {release.described(failover.home)}{changed}")


def switch_functions(
    functions: Mapping[str, str], code: Mapping[str, str], read: ReadFailover, cloud: Cloud
) -> list[str]:
    """Point functions at the restored tables, publish them, and point their live aliases at these versions.

    Args:
        functions: short name of each function to its Lambda name.
        code: short name to the CodeSha256 that was checked.
        read: the failover.
        cloud: of the functions' region.

    Returns:
        ``FUNCTION:VERSION`` of each. The errors are those of `deploy_release`.
    """
    return for_each(functions, lambda name: _switch(functions[name], code.get(name, ""), read, cloud))


def _switch(function_name: str, code: str, read: ReadFailover, cloud: Cloud) -> str:
    def fence() -> None:
        cloud.failovers.check_unchanged(read)

    failover = read.failover
    cloud.function_environment.update_variables(
        function_name, lambda variables: _variables_for(variables, failover), fence
    )
    latest = cloud.versions.describe_version(function_name)
    if latest.code_sha256 != code:
        raise Refused(
            f"{function_name}:$LATEST", latest.code_sha256, f"it was {code} a moment ago: resume the failover"
        )
    version = cloud.versions.publish_version(
        function_name,
        code_sha256=latest.code_sha256,
        revision=latest.revision,
        signature=f"failover {failover.id}",
    )
    alias = cloud.aliases.read_alias(function_name)
    if alias.routing != Routing(version):
        cloud.aliases.write_alias(function_name, Routing(version), f"failover {failover.id}", fence, alias.revision)
    return f"{function_name}:{version}"


def _variables_for(variables: Mapping[str, str], failover: Failover) -> Mapping[str, str]:
    """Return a function's variables with the restored tables, and the lowest epoch that it may serve."""
    tables = {VARIABLES[table.role]: table.target for table in failover.tables if VARIABLES[table.role] in variables}
    return {**variables, **tables, LEAST_EPOCH: str(failover.token_epoch)}


def check_keys(read: ReadFailover, cloud: Cloud) -> StepDone:
    """Check that the signing key of this region's ring answers.

    Raises:
        Refused: the ring names no usable key.
    """
    signing = cloud.key_ring.read_ring().signing
    kid = cloud.key_ring.read_kid(KmsKey(signing.key_id, signing.since, usable=True))
    if kid != signing.kid:
        raise Refused("keys", signing.kid, "the ring's signing key has another thumbprint in KMS")
    return StepDone(read, f"{kid} signs")


def verify_standby(read: ReadFailover, cloud: Cloud) -> StepDone:
    """Run a complete flow of the synthetic client through the live aliases.

    Raises:
        Refused: a request has not the response that it must have.
        Throttled, Unreachable: Lambda or KMS could not be called.
    """
    service = service_of(cloud)
    targets = {name: (function_name, service.alias) for name, function_name in service.functions.items()}
    send = GrantClient(cloud.probe_clients.functions, targets).send
    identity = SyntheticIdentity(cloud.probe_clients.macs, service.synthetic_key_id, cloud.environment)
    try:
        code = synthetic_client.complete_login(send, synthetic_client.begin_login(send), identity)
        tokens = synthetic_client.refresh_tokens(send, synthetic_client.redeem_code(send, code).refresh)
        synthetic_client.check_userinfo(send, tokens.access)
        synthetic_client.revoke_token(send, tokens.refresh)
    except FlowFailed as error:
        raise Refused("verify", str(error), "see the logs of the functions in this region, then resume") from error
    return StepDone(read, "a login, a refresh, user data and a revocation of the synthetic client work")


def service_of(cloud: Cloud) -> Service:
    """Return the service of the settings."""
    return msgspec.json.decode(cloud.settings["SERVICE"], type=Service)
