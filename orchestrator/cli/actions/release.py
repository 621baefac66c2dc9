"""The commands of `release`: build, sign and promote a release."""

from __future__ import annotations

import json as jsonlib
import secrets
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator import environments
from orchestrator.application.start_request import refuse_used_key
from orchestrator.aws.code_signer import Publisher, Signer
from orchestrator.cli.context import Context
from orchestrator.cli.errors import exit_code
from orchestrator.cli.live.json_lines import print_result
from orchestrator.cli.operator import credentials_of
from orchestrator.cli.rendering.deployment_timeline import outcome_line, plan_line
from orchestrator.cli.rendering.follow import follow_deployment, wait_for_answer
from orchestrator.cli.rendering.output import console, print_json
from orchestrator.domain.deployment.freeze import refuse_frozen
from orchestrator.domain.deployment.policy import CHECKLIST
from orchestrator.domain.deployment.release import (
    STABLE_OUTCOMES,
    ReleaseManifest,
    attest,
    refuse_other_build,
    refuse_unattested,
)
from orchestrator.domain.deployment.request import read_deployment_request
from orchestrator.domain.deployment.strategy import read_strategy
from orchestrator.domain.errors import Refused
from orchestrator.domain.identifiers import deployment_id, new_key
from orchestrator.domain.maintenance.effects import refuse_under_maintenance
from orchestrator.environments.monitoring import SIGNING_OFF, signing_profile
from orchestrator.packaging import releases


def build(names: Sequence[str], *, assemblies: bool, json: bool) -> None:
    """Build the release, with a cloud assembly for each environment.

    Raises:
        Refused: an environment is unknown or local.
        PackagingFailed: a dependency could not be installed.
    """
    from orchestrator.local.cdk_deploy import synthesise  # noqa: PLC0415 - only this needs a synthesis

    accounts = [name for name in environments.names() if not environments.load(name).local]
    for name in names:
        if name not in accounts:
            raise Refused("environments", name, f"name some of {', '.join(accounts)}")
    folder = releases.build(names or accounts)
    for name in (names or accounts) if assemblies else ():
        synthesise({"environment": name}, folder / "assemblies" / name)
    manifest = releases.read(folder)
    if json:
        print_json({"folder": str(folder), "release": manifest})
    else:
        console().print(f"release {manifest.digest} of commit {manifest.commit} is in {folder}", soft_wrap=True)


def sign(context: Context, folder: Path, *, json: bool) -> None:
    """Sign a release if the environment requires it, and synthesise its assembly with the signed packages.

    Raises:
        Refused: the release is incomplete, there is no signing profile, or the signing job failed.
    """
    from orchestrator.local.cdk_deploy import synthesise  # noqa: PLC0415 - only this needs a synthesis

    security = context.environment.security
    if security.code_signing == SIGNING_OFF:
        releases.read(folder)
        if json:
            print_json({"environment": context.name, "code_signing": SIGNING_OFF})
        else:
            console().print(f"{context.name} does not require signatures (security.code_signing)")
        return
    signer = Signer(context.clients("signer"), context.clients("s3"), context.signing_bucket)
    publisher = _publisher(context, signer)
    signed_folder = releases.sign(
        folder, publisher.version, lambda key, package: signer.sign_package(publisher, key, package)
    )
    assembly = folder / "assemblies" / context.name
    shutil.rmtree(assembly, ignore_errors=True)
    synthesise({"environment": context.name, "signed": str(signed_folder.resolve())}, assembly)
    if json:
        print_json(
            {
                "environment": context.name,
                "code_signing": security.code_signing,
                "profile": publisher,
                "signed": str(signed_folder),
            }
        )
    else:
        console().print(
            f"signed with {publisher.name} {publisher.version}: {assembly} deploys {signed_folder}", soft_wrap=True
        )


def _publisher(context: Context, signer: Signer) -> Publisher:
    """Return the publisher whose signature the environment's functions require.

    Raises:
        Refused: a shared profile signs with another version than the trusted one.
    """
    trusted = context.environment.security.code_signing_profile
    if trusted is None:
        return signer.read_publisher(signing_profile(context.name), context.account)
    _, _, name, version = trusted.rsplit(":", 1)[1].split("/")
    owner = trusted.split(":")[4]
    publisher = signer.read_publisher(name, owner)
    if publisher.version != version:
        remedy = f"{name} signs with version {publisher.version}: configure that version, and deploy before signing"
        raise Refused("security.code_signing_profile", trusted, remedy)
    return publisher


def promote(
    context: Context,
    folder: Path,
    *,
    after: str | None,
    checklist: Path | None,
    strategy: str | None,
    changelog: str | None,
    by: str,
    key: str | None,
    watch: bool,
    json: bool,
) -> int:
    """Announce a release that is in the environment's `$LATEST`; return the exit code.

    Raises:
        Refused: the release is incomplete, not in `$LATEST` or not attested, the environment's policy rejects it, or
            the key belongs to another request; nothing was announced.
        RefusedByPlan: the plan of its deployment rejected it; nothing was changed.
        Unreachable: it was announced, but no plan answered in time.
    """
    manifest = releases.read(folder)
    code = _latest_of(context, manifest)
    if after:
        refuse_unattested(manifest, releases.read_attestation(folder, after), after, code)
    request: dict[str, Any] = {"requested_by": by, "checklist": read_checklist(checklist), **credentials_of(context)}
    if strategy:
        request["strategy"] = strategy
    if changelog is not None:
        request["changelog"] = read_changelog(changelog)
    read_strategy(read_deployment_request(request, context.policy).strategy, context.policy)
    refuse_frozen(context.cloud.freezes.read_freeze())
    key = key or new_key(context.cloud.now(), secrets.token_bytes(8))
    name = deployment_id(key)
    refuse_under_maintenance(context.cloud.maintenance.read_schedule(), name, context.cloud.now())
    refuse_used_key(context.cloud.executions, context.state_machine_arn("deployment"), name, request)
    context.cloud.bus.put_event("ReleaseReady", {**request, "idempotency_key": key})
    if not watch:
        answer = wait_for_answer(context, name, announced=True)
        if json:
            print_json({"deployment": name, "release": manifest.digest, "outcome": answer.outcome})
        elif answer.ended_at:
            console().print(outcome_line(answer), markup=False)
        else:
            follow = f"follow it with `orchestrator watch {name} --env {context.name}`"
            console().print(f"announced {manifest.build} with {plan_line(answer)}; {follow}", markup=False)
        return exit_code(answer.outcome)
    deployment = follow_deployment(context, name, by, json=json, announced=True)
    result = {"deployment": name, "release": manifest.digest, "outcome": deployment.outcome}
    if deployment.outcome not in STABLE_OUTCOMES:
        if json:
            print_result(context.cloud.now(), result)
        return exit_code(deployment.outcome)
    attestation = releases.save_attestation(folder, attest(manifest, deployment))
    if json:
        print_result(context.cloud.now(), {**result, "attestation": str(attestation)})
    else:
        console().print(f"promoted in {context.name}; attestation: {attestation}", soft_wrap=True)
    return 0


def read_checklist(file: Path | None) -> Mapping[str, str]:
    """Read a file that `orchestrator checklist` wrote.

    Raises:
        Refused: it is not a JSON object of strings.
    """
    if file is None:
        return {}
    try:
        references = jsonlib.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise Refused("--checklist-file", str(file), "give a file that `orchestrator checklist` wrote") from error
    if not isinstance(references, dict) or not all(isinstance(value, str) for value in references.values()):
        raise Refused("--checklist-file", str(file), f"give an object from {', '.join(CHECKLIST)} to references")
    return references


def read_changelog(text: str) -> str:
    """Return a changelog entry as it was given, or the content of the file after ``@``, without the blanks around it.

    Raises:
        Refused: the file cannot be read.
    """
    if not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise Refused("--changelog", text, "give a text, or @ and a file in UTF-8") from error


def _latest_of(context: Context, manifest: ReleaseManifest) -> Mapping[str, str]:
    """Check that `$LATEST` of every function is this release; return the SHA-256 of each function's package."""
    builds, code = {}, {}
    for name in environments.FUNCTIONS:
        latest = context.cloud.versions.describe_version(context.function_name(name))
        environment = latest.configuration.get("Environment")
        variables = environment["Variables"] if isinstance(environment, Mapping) else {}
        release = jsonlib.loads(variables.get("RELEASE", "{}"))
        builds[name], code[name] = str(release.get("build", "")), latest.code_sha256
    refuse_other_build(manifest, builds, context.name)
    return code
