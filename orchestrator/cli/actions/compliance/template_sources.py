"""Where the templates of an environment come from, and what the rule packs and cfn-lint find in them."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from orchestrator import environments
from orchestrator.aws.compliance_readings import ComplianceReadings
from orchestrator.cli.context import Context
from orchestrator.cli.extras import ExtraMissing, install_command, require
from orchestrator.domain.compliance.practices_checks import PACKS_REMEDY, rule_pack_problem, violations_of
from orchestrator.domain.compliance.result import NotApplicable, NotChecked
from orchestrator.domain.compliance.templates import Expectations
from orchestrator.domain.doctor.result import listed
from orchestrator.domain.errors import Refused
from orchestrator.domain.names import resource_name
from orchestrator.domain.printable import one_line
from orchestrator.domain.texts import shortened
from orchestrator.environments import project

STACKS = ("stack", "orchestrator", "security", "monitoring", "backups")
REPORT = "validation-report.json"
NOT_LINTED = ("W3005",)
"""CDK writes DependsOn next to a GetAtt that has the same effect."""
LINT_SECONDS = 600


def expectations_of(environment: environments.Environment) -> Expectations:
    """Return what the settings ask of the templates."""
    return Expectations(
        local=environment.local,
        deletion_protection=environment.deletion_protection,
        customer_managed_keys=environment.customer_managed_keys,
        boundary=environment.security.permission_boundary is not None,
        domain=environment.api.domain is not None,
        network=environment.network is not None,
        copy_region=environment.backups.copy_region is not None,
        evidence_lock=environment.evidence.lock != "none",
        backup_lock=environment.backups.lock != "none",
        log_retention_days=environment.log_retention_days,
    )


def find_templates(context: Context, assembly: Path | None) -> Mapping[str, Mapping[str, Any]]:
    """Return the templates of all stacks of an environment, by stack: those in a folder, else those that are deployed.

    Raises:
        NotChecked: a stack is missing.
        ClientError, BotoCoreError: CloudFormation did not answer.
    """
    wanted = [resource_name(name, context.name) for name in STACKS]
    if assembly is None:
        templates = ComplianceReadings(context.clients).read_templates(wanted)
        remedy = (
            f"npx cdk deploy --all -c environment={context.name}, or name a folder of npx cdk synth: --assembly FOLDER"
        )
    else:
        templates = _templates_in(assembly, context.name)
        remedy = f"npx cdk synth -c environment={context.name} -o FOLDER writes all stacks"
    missing = [stack for stack in wanted if stack not in templates]
    if missing:
        raise NotChecked(f"there is no template of {listed(missing)}", remedy)
    return templates


def refuse_foreign_assembly(assembly: Path, env: str) -> None:
    """Refuse a folder without a template of the environment.

    Raises:
        Refused: it has none.
    """
    if not _files_in(assembly, env):
        raise Refused("--assembly", str(assembly), f"name a folder that `npx cdk synth -c environment={env}` wrote")


def _files_in(assembly: Path, env: str) -> list[Path]:
    return sorted(assembly.glob(f"*-{env}.template.json"))


def _templates_in(assembly: Path, env: str) -> Mapping[str, Mapping[str, Any]]:
    try:
        return {
            file.name.removesuffix(".template.json"): json.loads(file.read_bytes()) for file in _files_in(assembly, env)
        }
    except (OSError, ValueError) as error:
        raise NotChecked(f"a template in {assembly} is no readable JSON", "synthesise again") from error


def check_rule_packs(context: Context, assembly: Path | None) -> str:
    """Return what the rule packs of cdk-nag find; empty if nothing.

    Raises:
        NotApplicable: the environment is local.
        NotChecked: the folder has no report, or the extra that synthesises is not installed.
    """
    if context.environment.local:
        raise NotApplicable("the local cloud's templates lack what it refuses; the packs check those of accounts")
    if assembly is not None:
        return rule_pack_problem(violations_of(_report_in(assembly)))
    try:
        require("infrastructure")
    except ExtraMissing as error:
        raise NotChecked(f"{error.module} is not installed", install_command("infrastructure")) from error
    from orchestrator.local.cdk_deploy import DeployFailed, synthesise  # noqa: PLC0415 - the extra may be missing

    with tempfile.TemporaryDirectory(dir=project.build_folder(), prefix="rule-packs-") as folder:
        settings = {"environment": context.name, "without_code": "on", "rule_packs": "on"}
        try:
            synthesise(settings, Path(folder))
        except DeployFailed as error:
            if not (Path(folder) / REPORT).is_file():
                raise NotChecked(f"the synthesis failed: {shortened(one_line(str(error)))}") from error
        return rule_pack_problem(violations_of(_report_in(Path(folder))))


def _report_in(assembly: Path) -> bytes:
    file = assembly / REPORT
    if not file.is_file():
        raise NotChecked(f"{assembly} has no {REPORT}", PACKS_REMEDY)
    return file.read_bytes()


def lint_templates(templates: Mapping[str, Mapping[str, Any]], region: str) -> str:
    """Return what cfn-lint finds in the templates; empty if nothing.

    Raises:
        NotChecked: it is not installed, or did not end.
    """
    if find_spec("cfnlint") is None:
        raise NotChecked("cfn-lint is not installed", f"{sys.executable} -m pip install cfn-lint")
    with tempfile.TemporaryDirectory(prefix="templates-") as folder:
        files = []
        for stack, template in templates.items():
            files.append(Path(folder) / f"{stack}.template.json")
            files[-1].write_text(json.dumps(template, allow_nan=False), encoding="utf-8")
        command = [
            sys.executable,
            "-c",
            "import sys; from cfnlint.runner import main; sys.exit(main())",
            "--format",
            "parseable",
            "--regions",
            region,
        ]
        command += ["--ignore-checks", *NOT_LINTED, "--", *map(str, files)]
        try:
            # The arguments are ours: no shell reads them.
            done = subprocess.run(command, capture_output=True, text=True, timeout=LINT_SECONDS, check=False)  # noqa: S603
        except subprocess.TimeoutExpired as error:
            raise NotChecked(f"cfn-lint took more than {LINT_SECONDS} s") from error
    findings = [line.removeprefix(f"{folder}/") for line in done.stdout.splitlines() if line.strip()]
    if not findings and done.returncode:
        raise NotChecked(f"cfn-lint failed: {shortened(one_line(done.stderr))}")
    return f"{len(findings)} findings, the first: {findings[0]}" if findings else ""
