"""Collecting the pre-deployment checklist from what a pipeline has: reports, benchmarks, a release, and people's references."""

from __future__ import annotations

import hashlib
import json as jsonlib
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path

import environments
from orchestrator import releases
from orchestrator.cli.output import as_json, console
from orchestrator.domain.checklist import Benchmark, SuiteReport, complete, reference_of_performance, reference_of_tests
from orchestrator.domain.errors import Refused
from orchestrator.domain.policy import DeliveryPolicy


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
    """Look at the evidence, and write the checklist that a deployment takes.

    Args:
        env: the environment that it is for; it says which items it wants.
        reports: JUnit files.
        benchmarks: files with what benchmarks printed as JSON.
        before: the release before, whose assembly is the way back.
        references: items that people answer for, such as a review's address.
        where: the run, such as its address.
        out: the file to write.
        json: print one JSON object.

    Raises:
        Refused: evidence is missing, cannot be read or says no; nothing is written.
    """
    if env not in environments.names():
        raise Refused("env", env, f"name one of {', '.join(environments.names())}")
    items = {item: reference for item, reference in references.items() if reference}
    if reports:
        items["tests"] = reference_of_tests([_report(path) for path in reports], where)
    if benchmarks:
        items["performance"] = reference_of_performance([_benchmark(path) for path in benchmarks], where)
    if before:
        items["rollback_plan"] = _way_back(before, env)
    checklist = complete(items, DeliveryPolicy.parse(environments.load(env).delivery).checklist)
    out.write_text(f"{jsonlib.dumps(checklist, indent=2)}\n", encoding="utf-8")
    if json:
        as_json({"file": str(out), "checklist": checklist})
        return
    for item, reference in checklist.items():
        console().print(f"{item:<16} {reference}", markup=False)
    console().print(
        f"written to {out}; give it to `orchestrator deploy --checklist-file`", markup=False, soft_wrap=True
    )


def _report(path: Path) -> SuiteReport:
    try:
        content = path.read_bytes()
        # Our own pipeline's file; a document type, with which XML can be made to explode, is refused.
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


def _benchmark(path: Path) -> Benchmark:
    try:
        told = jsonlib.loads(path.read_bytes())
        missed = [line["name"] for line in told["lines"] if line["reached"] is not True]
        return Benchmark(
            str(told["benchmark"]), reached=bool(told["lines"]) and not missed, told=", ".join(missed) or "no line"
        )
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise Refused("--benchmark", str(path), "give what `python -m benchmarks.NAME --json` printed") from error


def _way_back(before: Path, env: str) -> str:
    manifest = releases.read(before)
    assembly = before / "assemblies" / env
    if not list(assembly.glob(f"*-{env}.template.json")):
        raise Refused("--before", str(assembly), f"the release before has no assembly for {env}")
    return f"docs/runbooks/infrastructure-rollback.md; release {manifest.digest} with its assembly for {env}"
