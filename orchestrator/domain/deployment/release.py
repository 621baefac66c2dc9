"""A release: its digest, its manifest, and the attestation that it became stable in an environment."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.domain.deployment.record import Deployment, DeploymentOutcome
from orchestrator.domain.errors import Refused
from orchestrator.domain.untrusted_json import decode_untrusted
from orchestrator.domain.verdict import Json

BUILD_DIGITS = 16
"""Digits of the service's digest that its functions report as `build` (infrastructure/service/stack.py)."""

COMMIT = re.compile(r"[0-9a-f]{40}")
"""A commit's SHA-1, as git writes it."""

STABLE_OUTCOMES = frozenset({DeploymentOutcome.SUCCEEDED, DeploymentOutcome.NOTHING_TO_SHIP})
"""Outcomes after which the release is live."""


@dataclass(frozen=True)
class FunctionVersion:
    """A function's `$LATEST` or one of its versions, as GetFunctionConfiguration describes it.

    Attributes:
        configuration: all settings that affect behavior (environment, memory, timeout, role …).
        ready: whether the last update succeeded and the function is active.
    """

    function_name: str
    version: str
    revision: str
    code_sha256: str
    role: str
    dead_letter: str
    configuration: Mapping[str, Json]
    ready: bool
    not_ready_reason: str = ""


def release_digest(latest: Mapping[str, FunctionVersion]) -> str:
    """Return the digest of a release: of the code and the configuration of all functions.

    `CodeSha256` alone ignores the configuration, but a changed environment variable is another release.
    """
    content = {name: [version.code_sha256, version.configuration] for name, version in latest.items()}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"


def release_commit(latest: Mapping[str, FunctionVersion]) -> str:
    """Return the commit that all functions of a release name in their RELEASE variable; empty if it is not one commit.

    A build of files that were not committed names its commit with a ``+``, and is none.
    """
    commits = {_commit_of(version) for version in latest.values()}
    commit = commits.pop() if len(commits) == 1 else ""
    return commit if COMMIT.fullmatch(commit) else ""


def _commit_of(version: FunctionVersion) -> str:
    environment = version.configuration.get("Environment")
    variables = environment.get("Variables") if isinstance(environment, Mapping) else None
    text = variables.get("RELEASE") if isinstance(variables, Mapping) else None
    try:
        release = decode_untrusted(text) if isinstance(text, str) else None
    except ValueError:
        return ""
    commit = release.get("commit") if isinstance(release, Mapping) else None
    return commit if isinstance(commit, str) else ""


def refuse_role_change(name: str, stable: FunctionVersion, canary: FunctionVersion) -> None:
    """Refuse versions that one alias cannot combine: Lambda splits traffic only between versions of one role and queue.

    Raises:
        Refused: role or dead-letter target differ between the stable version and `$LATEST`.
    """
    for attribute, stable_value, canary_value in (
        ("role", stable.role, canary.role),
        ("dead-letter target", stable.dead_letter, canary.dead_letter),
    ):
        if stable_value != canary_value:
            raise Refused(
                f"release.{name}.{attribute}",
                canary_value,
                f"a weighted alias needs the {attribute} of version {stable.version}, {stable_value!r}; "
                "change it in a separate deployment with strategy all-at-once, after an expanding release",
            )


@dataclass(frozen=True)
class ReleaseManifest:
    """The content of a built release.

    Attributes:
        digest: hex SHA-256 that identifies the release in all environments.
        commit: the source commit.
        assets: part (`service`, `orchestrator`) to the digest of its content.
        files: every file outside the assemblies to its hex SHA-256.
    """

    digest: str
    commit: str
    assets: Mapping[str, str]
    files: Mapping[str, str]

    @property
    def build(self) -> str:
        """The build in `/version` and in the functions' RELEASE variable."""
        return self.assets["service"][:BUILD_DIGITS]


@dataclass(frozen=True)
class PromotionAttestation:
    """The statement that a release became stable in an environment.

    Attributes:
        digest: digest of the release.
        code: function to the SHA-256 of its package, as Lambda reports it.
    """

    environment: str
    digest: str
    deployment: str
    code: Mapping[str, str]


def manifest_digest(assets: Mapping[str, str]) -> str:
    """Return the digest of a built release: of its assets."""
    text = "".join(f"{part} {digest}\n" for part, digest in sorted(assets.items()))
    return hashlib.sha256(text.encode()).hexdigest()


def attest(manifest: ReleaseManifest, deployment: Deployment) -> PromotionAttestation:
    """Return the attestation of a deployment.

    Raises:
        Refused: the deployment did not succeed.
    """
    if deployment.outcome not in STABLE_OUTCOMES:
        remedy = "only a release that became stable can be attested"
        raise Refused("deployment", f"{deployment.id} {deployment.outcome or deployment.phase}", remedy)
    return PromotionAttestation(deployment.environment, manifest.digest, deployment.id, dict(deployment.release.code))


def refuse_other_build(manifest: ReleaseManifest, builds: Mapping[str, str], environment: str) -> None:
    """Refuse to promote a release that `$LATEST` does not hold.

    Args:
        manifest: the release.
        builds: function to its RELEASE variable.
        environment: name of the environment.

    Raises:
        Refused: a function holds another build.
    """
    for function, build in builds.items():
        if build != manifest.build:
            remedy = f"deploy its assembly first: npx cdk deploy --app …/assemblies/{environment}"
            raise Refused(f"{function}:$LATEST", build, f"the release is build {manifest.build}; {remedy}")


def refuse_unattested(
    manifest: ReleaseManifest, attestation: PromotionAttestation | None, after: str, code: Mapping[str, str]
) -> None:
    """Refuse a release without an attestation of the previous environment.

    Args:
        manifest: the release.
        attestation: the attestation of that environment; None if there is none.
        after: name of the previous environment.
        code: function to the SHA-256 of its `$LATEST` in the target environment.

    Raises:
        Refused: there is no attestation, it is for another release, or `$LATEST` holds other code.
    """
    if attestation is None:
        remedy = f"promote it there first: `orchestrator release promote … --env {after} --watch`"
        raise Refused("--after", after, remedy)
    if (attestation.environment, attestation.digest) != (after, manifest.digest):
        remedy = f"this is release {manifest.digest[:BUILD_DIGITS]}, which needs an attestation of {after}"
        raise Refused("proof", f"release {attestation.digest[:BUILD_DIGITS]} in {attestation.environment}", remedy)
    for function, sha256 in code.items():
        if attestation.code.get(function) != sha256:
            raise Refused(f"{function}:$LATEST", sha256, f"the code in {after} was {attestation.code.get(function)}")
