"""A release that was built once: what is in it, and the proof that it served an environment before it goes to the next."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.domain.errors import Refused
from orchestrator.domain.records import Deployment, Ending

BUILD_DIGITS = 16
"""How much of the service's digest its functions tell as `build` (service/infrastructure.py)."""

GOOD = frozenset({Ending.SUCCEEDED, Ending.NOTHING_TO_SHIP})
"""Endings after which a release is what clients get."""


@dataclass(frozen=True)
class Manifest:
    """What a built release consists of.

    Attributes:
        digest: hex SHA-256 that names the release wherever it goes.
        commit: what it was built from.
        assets: part (`service`, `orchestrator`) to the digest of its content.
        files: every file beside the assemblies to its hex SHA-256.
    """

    digest: str
    commit: str
    assets: Mapping[str, str]
    files: Mapping[str, str]

    @property
    def build(self) -> str:
        """What `/version` and the functions' RELEASE variable say of it."""
        return self.assets["service"][:BUILD_DIGITS]


@dataclass(frozen=True)
class Proof:
    """That a release became stable in an environment.

    Attributes:
        digest: the release's.
        code: function to the SHA-256 of its package, as Lambda says it.
    """

    environment: str
    digest: str
    deployment: str
    code: Mapping[str, str]


def digest_of(assets: Mapping[str, str]) -> str:
    """Name a release by what is in it."""
    text = "".join(f"{part} {digest}\n" for part, digest in sorted(assets.items()))
    return hashlib.sha256(text.encode()).hexdigest()


def prove(manifest: Manifest, deployment: Deployment) -> Proof:
    """Make the proof of a deployment.

    Raises:
        Refused: it did not succeed.
    """
    if deployment.ending not in GOOD:
        remedy = "only a release that became stable proves anything"
        raise Refused("deployment", f"{deployment.id} {deployment.ending or deployment.phase}", remedy)
    return Proof(deployment.environment, manifest.digest, deployment.id, dict(deployment.release.code))


def refuse_other_build(manifest: Manifest, builds: Mapping[str, str], environment: str) -> None:
    """Refuse to announce a release that `$LATEST` does not hold.

    Args:
        manifest: the release.
        builds: function to what its RELEASE variable says.
        environment: where.

    Raises:
        Refused: a function holds another build.
    """
    for function, build in builds.items():
        if build != manifest.build:
            remedy = f"deploy its assembly first: cdk deploy --app …/assemblies/{environment}"
            raise Refused(f"{function}:$LATEST", build, f"the release is build {manifest.build}; {remedy}")


def refuse_unproven(manifest: Manifest, proof: Proof | None, after: str, code: Mapping[str, str]) -> None:
    """Refuse a release that did not serve the environment before.

    Args:
        manifest: the release.
        proof: of that environment; None where there is none.
        after: the environment that has to come before.
        code: function to the SHA-256 of what `$LATEST` holds where it is to go.

    Raises:
        Refused: there is no proof, it is another release's, or other code is about to be shipped.
    """
    if proof is None:
        raise Refused("--after", after, f"ship it there first: `orchestrator release promote … --env {after} --watch`")
    if (proof.environment, proof.digest) != (after, manifest.digest):
        remedy = f"this is release {manifest.digest[:BUILD_DIGITS]} and has to be proved in {after}"
        raise Refused("proof", f"release {proof.digest[:BUILD_DIGITS]} in {proof.environment}", remedy)
    for function, sha256 in code.items():
        if proof.code.get(function) != sha256:
            raise Refused(
                f"{function}:$LATEST", sha256, f"in {after} it was {proof.code.get(function)}: not the same code"
            )
