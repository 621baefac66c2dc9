"""The command `checklist`: collect pre-deployment evidence from test reports, benchmarks, a release and references."""

from __future__ import annotations

import hashlib
import json as jsonlib
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path

from orchestrator import environments
from orchestrator.cli.files import write
from orchestrator.cli.rendering.output import console, print_json
from orchestrator.domain.deployment.checklist import (
    BenchmarkResult,
    SuiteReport,
    complete_checklist,
    reference_of_performance,
    reference_of_tests,
)
from orchestrator.domain.deployment.policy import DeliveryPolicy
from orchestrator.domain.errors import Refused
from orchestrator.packaging import releases


def collect(
    env: str,
    *,
    reports: Sequence[Path],
    benchmarks: Sequence[Path],
    before: Path | None,
    references: Mapping[str, str | None],
    where: str,
    out: Path,
    json: bool,
) -> None:
    """Check the evidence, and write the checklist file for a deployment.

    Args:
        env: the environment, whose delivery policy lists the required items.
        reports: JUnit files.
        benchmarks: files with the JSON output of benchmarks.
        before: the preceding release, whose assembly can roll back the stacks; None if there is none.
        references: items that are references, such as the URL of a review. A rollback plan is one only if no release
            precedes.
        where: the pipeline run, such as its URL.
        out: the file to write.
        json: print one JSON object.

    Raises:
        Refused: evidence is missing, unreadable or negative, or the file cannot be written; nothing is written.
    """
    if env not in environments.names():
        raise Refused("env", env, f"name one of {', '.join(environments.names())}")
    items = {item: reference for item, reference in references.items() if reference}
    if reports:
        items["tests"] = reference_of_tests([_report(path) for path in reports], where)
    if benchmarks:
        items["performance"] = reference_of_performance([_benchmark(path) for path in benchmarks], where)
    if before:
        if "rollback_plan" in items:
            raise Refused("--rollback-plan", items["rollback_plan"], "give it or --before, not both")
        items["rollback_plan"] = _rollback_plan(before, env)
    checklist = complete_checklist(items, DeliveryPolicy.parse(environments.load(env).delivery).checklist)
    write("--out", out, f"{jsonlib.dumps(checklist, indent=2, allow_nan=False)}\n".encode())
    if json:
        print_json({"file": str(out), "checklist": checklist})
        return
    for item, reference in checklist.items():
        console().print(f"{item:<16} {reference}", markup=False)
    console().print(
        f"written to {out}; use it with `orchestrator deploy --checklist-file`", markup=False, soft_wrap=True
    )


def _report(path: Path) -> SuiteReport:
    try:
        content = path.read_bytes()
        # The file is from our own pipeline. A document type is refused, because entities can expand without limit.
        if b"<!DOCTYPE" in content:
            raise Refused("--junit", str(path), "give a report without a document type")
        suites = list(ET.fromstring(content).iter("testsuite"))  # noqa: S314 - as above
        tests = sum(int(suite.get("tests", 0)) - int(suite.get("skipped", 0)) for suite in suites)
        failed = sum(int(suite.get("failures", 0)) + int(suite.get("errors", 0)) for suite in suites)
    except (OSError, ValueError, ET.ParseError) as error:
        raise Refused(
            "--junit", str(path), f"give a JUnit report, such as `pytest --junit-xml` writes ({error})"
        ) from error
    return SuiteReport(path.name, tests, failed, hashlib.sha256(content).hexdigest())


def _benchmark(path: Path) -> BenchmarkResult:
    try:
        output = jsonlib.loads(path.read_bytes())
        missed = [line["name"] for line in output["lines"] if line["reached"] is not True]
        return BenchmarkResult(
            str(output["benchmark"]),
            reached=bool(output["lines"]) and not missed,
            summary=", ".join(missed) or "no line",
        )
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise Refused("--benchmark", str(path), "give the output of `python -m benchmarks.NAME --json`") from error


def _rollback_plan(before: Path, env: str) -> str:
    manifest = releases.read(before)
    assembly = before / "assemblies" / env
    if not list(assembly.glob(f"*-{env}.template.json")):
        raise Refused("--before", str(assembly), f"the preceding release has no assembly for {env}")
    return f"docs/runbooks/infrastructure-rollback.md; release {manifest.digest} with its assembly for {env}"
