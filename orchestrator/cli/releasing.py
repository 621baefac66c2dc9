"""Building a release, and announcing it to one environment after the other."""

from __future__ import annotations

import json as jsonlib
import secrets
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import environments
from environments.watching import SIGNING_OFF, signing_profile
from orchestrator import releases
from orchestrator.aws.signing import Publisher, Signer
from orchestrator.cli.context import Context
from orchestrator.cli.follow import follow
from orchestrator.cli.output import as_json, console
from orchestrator.domain.bundle import GOOD, Manifest, prove, refuse_other_build, refuse_unproven
from orchestrator.domain.errors import Refused
from orchestrator.domain.freeze import refuse_frozen
from orchestrator.domain.naming import deployment_id, new_key
from orchestrator.domain.policy import CHECKLIST
from orchestrator.domain.request import read_request
from orchestrator.domain.strategy import read_strategy


def build(names: Sequence[str], *, assemblies: bool, json: bool) -> None:
    """Build the release, with a cloud assembly for each environment.

    Raises:
        Refused: an environment is not known or is the local one.
        PackagingFailed: a dependency could not be installed.
    """
    from orchestrator.local.stacks import synthesise  # noqa: PLC0415 - reading a release needs no synthesis

    accounts = [name for name in environments.names() if not environments.load(name).local]
    for name in names:
        if name not in accounts:
            raise Refused("environments", name, f"name some of {', '.join(accounts)}")
    folder = releases.build(names or accounts)
    for name in (names or accounts) if assemblies else ():
        synthesise({"environment": name}, folder / "assemblies" / name)
    manifest = releases.read(folder)
    if json:
        as_json({"folder": str(folder), "release": manifest})
    else:
        console().print(f"release {manifest.digest} of commit {manifest.commit} is in {folder}", soft_wrap=True)


def sign(context: Context, folder: Path, *, json: bool) -> None:
    """Have a release signed for an environment that asks for it, and make the environment's assembly of what was signed.

    Raises:
        Refused: the release is not whole, there is nothing to sign with, or the signing job did not succeed.
    """
    from orchestrator.local.stacks import synthesise  # noqa: PLC0415 - promoting a release needs no synthesis

    security = context.environment.security
    if security.code_signing == SIGNING_OFF:
        releases.read(folder)
        if json:
            as_json({"environment": context.name, "code_signing": SIGNING_OFF})
        else:
            console().print(f"{context.name} asks for no signatures (security.code_signing)")
        return
    signer = Signer(context.clients("signer"), context.clients("s3"), context.signing_bucket)
    publisher = _publisher(context, signer)
    kept = releases.sign(folder, publisher.version, lambda key, package: signer.sign(publisher, key, package))
    assembly = folder / "assemblies" / context.name
    shutil.rmtree(assembly, ignore_errors=True)
    synthesise({"environment": context.name, "signed": str(kept.resolve())}, assembly)
    if json:
        as_json(
            {
                "environment": context.name,
                "code_signing": security.code_signing,
                "profile": publisher,
                "signed": str(kept),
            }
        )
    else:
        console().print(f"signed under {publisher.name} {publisher.version}: {assembly} deploys {kept}", soft_wrap=True)


def _publisher(context: Context, signer: Signer) -> Publisher:
    """Whose signature the environment's functions want. One version of another's profile is trusted, whatever it signs with now."""
    given = context.environment.security.code_signing_profile
    if given is None:
        return signer.publisher(signing_profile(context.name), context.account)
    _, _, name, version = given.rsplit(":", 1)[1].split("/")
    owner = given.split(":")[4]
    found = signer.publisher(name, owner)
    if found.version != version:
        remedy = f"{name} signs with version {found.version}: name that one, and deploy before signing"
        raise Refused("security.code_signing_profile", given, remedy)
    return found


def promote(
    context: Context,
    folder: Path,
    *,
    after: str | None,
    checklist: Path | None,
    strategy: str | None,
    by: str,
    key: str | None,
    watch: bool,
    json: bool,
) -> int:
    """Announce a release to an environment whose `$LATEST` holds it; returns the exit code.

    Raises:
        Refused: it is not whole, not what `$LATEST` holds, not proved, or the environment wants more; nothing was announced.
    """
    manifest = releases.read(folder)
    code = _latest_of(context, manifest)
    if after:
        refuse_unproven(manifest, releases.proof_of(folder, after), after, code)
    given: dict[str, Any] = {"requested_by": by, "checklist": read_checklist(checklist)}
    if strategy:
        given["strategy"] = strategy
    read_strategy(read_request(given, context.policy).strategy, context.policy)
    refuse_frozen(context.cloud.freezes.read())
    key = key or new_key(context.cloud.now(), secrets.token_bytes(8))
    name = deployment_id(key)
    context.cloud.bus.put("ReleaseReady", {**given, "idempotency_key": key})
    if not watch:
        if json:
            as_json({"deployment": name, "release": manifest.digest})
        else:
            console().print(
                f"announced {manifest.build}; follow it with `orchestrator watch {name} --env {context.name}`"
            )
        return 0
    screen = console()
    screen.quiet = json
    deployment = follow(context, name, screen)
    if deployment.ending not in GOOD:
        if json:
            as_json({"deployment": name, "release": manifest.digest, "ending": deployment.ending})
        return 1
    proof = releases.keep_proof(folder, prove(manifest, deployment))
    if json:
        as_json({"deployment": name, "release": manifest.digest, "ending": deployment.ending, "proof": str(proof)})
    else:
        console().print(f"proved in {context.name}: {proof}", soft_wrap=True)
    return 0


def read_checklist(file: Path | None) -> Mapping[str, str]:
    """Read evidence that `orchestrator checklist` collected.

    Raises:
        Refused: it is no object of texts.
    """
    if file is None:
        return {}
    try:
        found = jsonlib.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise Refused("--checklist-file", str(file), "give a file that `orchestrator checklist` wrote") from error
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise Refused("--checklist-file", str(file), f"give an object from {', '.join(CHECKLIST)} to references")
    return found


def _latest_of(context: Context, manifest: Manifest) -> Mapping[str, str]:
    """Check that `$LATEST` of every function is of this release; function to the SHA-256 of its package."""
    builds, code = {}, {}
    for name in environments.FUNCTIONS:
        found = context.cloud.versions.describe(context.function_name(name))
        environment = found.configuration.get("Environment")
        variables = environment["Variables"] if isinstance(environment, Mapping) else {}
        told = jsonlib.loads(variables.get("RELEASE", "{}"))
        builds[name], code[name] = str(told.get("build", "")), found.code_sha256
    refuse_other_build(manifest, builds, context.name)
    return code
