"""docs/reference/strategy.md lists every line of the deployment strategy, with existing code and an existing test for each.

The strategy document is not in this repository. `LINES` repeats its lines, by section and heading.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "strategy.md"
REASONS = ("Not built: ", "People: ")

LINES = {
    ("Environment Separation", "Development Environment"): [
        "Purpose: testing and development of new features",
        "Stack Name: ib-oauth-stack-dev",
        "Base URL: https://n4h948fv4c.execute-api.us-west-1.amazonaws.com/dev",
        "DynamoDB Tables: ib-oauth-state-dev, ib-oauth-tokens-dev",
        "Lambda Functions: ib-oauth-*-dev",
        "CloudWatch Log Groups: /aws/lambda/ib-oauth-*-dev",
    ],
    ("Environment Separation", "Production Environment"): [
        "Purpose: live service for real clients",
        "Stack Name: ib-oauth-stack-prod",
        "Base URL: https://api.oauth.yourdomain.com",
        "DynamoDB Tables: ib-oauth-state-prod, ib-oauth-tokens-prod",
        "Lambda Functions: ib-oauth-*-prod",
        "CloudWatch Log Groups: /aws/lambda/ib-oauth-*-prod",
    ],
    ("Production Infrastructure", "API Gateway"): [
        "Custom domain with SSL certificate",
        "WAF integration for security",
        "Request throttling",
        "Usage plans and API keys",
        "Enhanced logging",
    ],
    ("Production Infrastructure", "Lambda Functions"): [
        "Increased memory allocation",
        "Longer timeout settings",
        "Reserved concurrency",
        "VPC integration if needed",
        "Enhanced error handling",
    ],
    ("Production Infrastructure", "DynamoDB"): [
        "Provisioned capacity",
        "Auto-scaling",
        "Point-in-time recovery",
        "Global tables (if needed)",
        "Backup strategy",
    ],
    ("Production Infrastructure", "Monitoring"): [
        "CloudWatch dashboards",
        "Custom metrics",
        "Alarm configuration",
        "Log retention policy",
        "Performance monitoring",
    ],
    ("Deployment Process", "Pre-deployment Checklist"): [
        "All tests passing",
        "Security review completed",
        "Documentation updated",
        "Performance testing done",
        "Rollback plan prepared",
    ],
    ("Deployment Process", "Deployment Steps"): [
        "npm run build, npm run test",
        "npm run cdk:deploy:staging",
        "npm run test:integration",
        "npm run cdk:deploy:prod",
        "npm run verify:prod",
    ],
    ("Deployment Process", "Post-deployment Verification"): [
        "Endpoint health checks",
        "Metric verification",
        "Log inspection",
        "Security validation",
        "Performance testing",
    ],
    ("Security Measures", "Infrastructure Security"): [
        "VPC configuration",
        "Security groups",
        "IAM roles and policies",
        "KMS encryption",
        "WAF rules",
    ],
    ("Security Measures", "Application Security"): [
        "Rate limiting",
        "Input validation",
        "Token security",
        "Session management",
        "Error handling",
    ],
    ("Security Measures", "Monitoring & Alerts"): [
        "Error rate monitoring",
        "Performance alerts",
        "Security notifications",
        "Resource utilization",
        "Cost alerts",
    ],
    ("Rollback Procedures", "Quick Rollback"): [
        "aws cloudformation rollback-stack --stack-name ib-oauth-stack-prod",
        "aws cloudformation describe-stacks --stack-name ib-oauth-stack-prod",
    ],
    ("Rollback Procedures", "Manual Intervention"): [
        "Database restoration",
        "Configuration updates",
        "DNS changes",
        "Client notification",
    ],
    ("Disaster Recovery", "Backup Strategy"): [
        "DynamoDB backups",
        "Configuration backups",
        "Log retention",
        "Documentation copies",
    ],
    ("Disaster Recovery", "Recovery Procedures"): [
        "Resource recreation",
        "Data restoration",
        "Configuration reapplication",
        "Verification steps",
    ],
    ("Maintenance Procedures", "Regular Updates"): [
        "Security patches",
        "Dependency updates",
        "Infrastructure updates",
        "Configuration changes",
    ],
    ("Maintenance Procedures", "Monitoring & Optimization"): [
        "Performance review",
        "Cost optimization",
        "Security assessment",
        "Resource scaling",
    ],
    ("Client Communication", "Status Updates"): [
        "Service status page",
        "Maintenance notifications",
        "Incident communications",
        "Change notifications",
    ],
    ("Client Communication", "Documentation"): [
        "API documentation",
        "Integration guides",
        "Security guidelines",
        "Support procedures",
    ],
    ("Cost Management", "Resource Optimization"): [
        "Lambda configuration",
        "DynamoDB capacity",
        "API Gateway throttling",
        "Log retention",
    ],
    ("Cost Management", "Monitoring"): [
        "Cost alerts",
        "Usage tracking",
        "Resource utilization",
        "Optimization recommendations",
    ],
    ("Compliance & Auditing", "Audit Trails"): [
        "Access logs",
        "Change history",
        "Security events",
        "Performance metrics",
    ],
    ("Compliance & Auditing", "Compliance Checks"): [
        "Security standards",
        "Best practices",
        "OAuth compliance",
        "Data protection",
    ],
    ("Future Considerations", "Scaling"): [
        "Regional expansion",
        "Increased capacity",
        "Performance optimization",
        "Architecture evolution",
    ],
    ("Future Considerations", "Features"): [
        "Enhanced monitoring",
        "Automated deployment",
        "Advanced security",
        "Client management",
    ],
    ("Emergency Procedures", "Incident Response"): [
        "Response team",
        "Communication plan",
        "Resolution steps",
        "Post-mortem process",
    ],
    ("Emergency Procedures", "Contact Information"): [
        "Team contacts",
        "Support escalation",
        "External resources",
        "Client contacts",
    ],
}
"""Section and heading to the strategy's lines."""

_PATH = re.compile(r"`([\w.][\w./-]*/[\w./-]+|\w+\.(?:toml|py))`")
_LINK = re.compile(r"\]\(([^)#\s]+)")
_TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(test_\w+))?`")


def rows():
    """(section, heading, line, implemented by, checked by) of every row of the page."""
    section = heading = ""
    found = []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ")
        elif line.startswith("### "):
            heading = line.removeprefix("### ")
        elif line.startswith("| ") and not line.startswith("| line |"):
            found.append((section, heading, *(cell.strip() for cell in line.strip("|").split(" | "))))
    return found


def test_every_line_of_the_strategy_is_there_in_its_order_and_no_other():
    listed = {}
    for section, heading, line, *_ in rows():
        listed.setdefault((section, heading), []).append(line)
    assert listed == LINES
    assert len(rows()) > 100


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row[1]}: {row[2]}")
def test_a_line_is_built_and_held_by_a_test_or_says_why_not(row):
    _, _, _, where, held = row
    if held.startswith(REASONS):
        assert len(held) > 30
        return
    assert _TEST.fullmatch(held), "name one test, or begin with a reason"
    assert _PATH.search(where) or _LINK.search(where) or "`" in where, "name the code that implements it"


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row[1]}: {row[2]}")
def test_every_path_and_every_test_that_a_line_names_is_there(row):
    text = " ".join(row[3:])
    gone = [path for path in _PATH.findall(text) if not (ROOT / path).exists()]
    gone += [link for link in _LINK.findall(text) if not (PAGE.parent / link).exists()]
    gone += [f"{path}::{name}" for path, name in _TEST.findall(text) if name and not _defines(ROOT / path, name)]
    assert gone == []


def _defines(path, name):
    return path.is_file() and re.search(rf"^def {name}\(", path.read_text(encoding="utf-8"), re.MULTILINE) is not None


@cache
def _marked(path):
    """The tests of a file: name to the lines of the strategy that its marker names, and whether it asserts anything."""
    found = {}
    for node in ast.parse((ROOT / path).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            lines = {
                argument.value
                for decorator in node.decorator_list
                if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.strategy"
                for argument in decorator.args
            }
            found[node.name] = lines, _asserts(node)
    return found


def _asserts(test):
    """Whether a test has an assertion of its own, or one in a function that it calls: a name that says so."""
    for node in ast.walk(test):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call) and re.search(r"raises|check|assert|validate|verify", ast.unparse(node.func)):
            return True
    return False


HELD = [row for row in rows() if _TEST.fullmatch(row[4])]


@pytest.mark.parametrize("row", HELD, ids=lambda row: f"{row[1]}: {row[2]}")
def test_the_test_of_a_line_names_the_line_and_asserts(row):
    path, name = _TEST.fullmatch(row[4]).groups()
    line = f"{row[1]}: {row[2]}"
    tests = _marked(path)
    named = [tests[name]] if name else [one for one in tests.values() if line in one[0]]
    assert named, f"mark a test of {path}: @pytest.mark.strategy({line!r})"
    assert all(line in lines for lines, _ in named), f"mark it: @pytest.mark.strategy({line!r})"
    assert any(asserts for _, asserts in named)


def test_a_marker_names_no_line_that_the_page_does_not_give_to_its_test():
    on_page = {(path, f"{row[1]}: {row[2]}") for row in HELD for path in [_TEST.fullmatch(row[4])[1]]}
    files = [
        path for path in (ROOT / "tests").rglob("test_*.py") if "mark.strategy(" in path.read_text(encoding="utf-8")
    ]
    marked = {
        (str(path.relative_to(ROOT)), line)
        for path in files
        for lines, _ in _marked(str(path.relative_to(ROOT))).values()
        for line in lines
    }
    assert marked == on_page
