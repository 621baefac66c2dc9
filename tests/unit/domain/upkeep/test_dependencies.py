"""Vulnerable and old lock files: each is named, and data that are not about a pin are no pass."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.domain.errors import Refused
from orchestrator.domain.upkeep.advisories import normalized, read_advisories
from orchestrator.domain.upkeep.dependencies import (
    LOCK_AGE,
    OLD_LOCK_AGE,
    Lock,
    check_locks,
    check_vulnerabilities,
    read_pins,
)
from orchestrator.domain.upkeep.finding import Severity
from orchestrator.domain.upkeep.python_versions import order_of
from orchestrator.domain.upkeep.result import Status

NOW = datetime(2026, 11, 30, 6, tzinfo=UTC)
LOCKED = """\
cryptography==50.0.2 \\
    --hash=sha256:aa
    # via -r requirements.in
Foo_Bar[extra]==1.2.0 ; sys_platform == 'win32' \\
    --hash=sha256:bb
"""
DEPLOYED = Lock("packaging/lambda-service.lock", True, read_pins(LOCKED), NOW)
TOOLS = Lock("requirements/dev.lock", False, read_pins(LOCKED), NOW)
GOOD = {"name": "cryptography", "version": "50.0.2", "vulns": []}
BAD = {
    **GOOD,
    "vulns": [{"id": "PYSEC-2026-9", "fix_versions": ["50.0.3"], "aliases": [], "description": "…"}],
}


def audited(*dependencies, age=timedelta(hours=3), source="dev.json"):
    return read_advisories({"dependencies": list(dependencies), "fixes": []}, source, NOW - age)


def osv(*, name="cryptography", severity=None, events=(), versions=(), whole=True, **more):
    entry = {
        "id": "GHSA-1",
        "affected": [
            {
                "package": {"ecosystem": "PyPI", "name": name},
                "ranges": [{"type": "ECOSYSTEM", "events": list(events)}, {"type": "GIT", "events": [{"x": "y"}]}],
                "versions": list(versions),
            },
            {"package": {"ecosystem": "npm", "name": name}, "versions": ["50.0.2"]},
        ],
        **({"database_specific": {"severity": severity}} if severity else {}),
        **more,
    }
    return read_advisories([entry], "all.zip", NOW, whole_database=whole)


def test_pins_are_read_with_their_extras_and_markers():
    assert [(pin.package, pin.version, pin.conditional) for pin in DEPLOYED.pins] == [
        ("cryptography", "50.0.2", False),
        ("foo-bar", "1.2.0", True),
    ]
    assert normalized("Foo__Bar.baz") == "foo-bar-baz"


@pytest.mark.strategy("Regular Updates: Security patches")
def test_a_vulnerable_lock_is_found_and_named():
    result = check_vulnerabilities([DEPLOYED, TOOLS], [audited(BAD)], NOW)
    deployed, tool = result.findings
    assert result.status is Status.FINDINGS
    assert (deployed.subject, deployed.severity) == (
        "packaging/lambda-service.lock cryptography 50.0.2",
        Severity.HIGH,
    )
    assert "PYSEC-2026-9" in deployed.summary
    assert deployed.evidence == {"advisories": 1, "fixed_in": "50.0.3"}
    assert deployed.remedy.startswith("make lock")
    assert tool.severity is Severity.MEDIUM


def test_the_age_of_the_data_is_said_and_pins_of_other_platforms_are_counted():
    result = check_vulnerabilities([DEPLOYED], [audited(GOOD, age=timedelta(days=2))], NOW)
    assert result.status is Status.CLEAR
    assert result.reason == (
        "2 locked versions against dev.json of 2 d ago; 1 pins of other platforms are not in the data"
    )
    whole = check_vulnerabilities([DEPLOYED], [osv(name="other", versions=["1"])], NOW)
    assert whole.reason == "2 locked versions against all.zip of 0 h ago"


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ([], "no advisories were given"),
        ([audited(GOOD, age=timedelta(days=8))], "older than 7 days: dev.json (dev.json of 8 d ago)"),
        ([audited({"name": "cryptography", "skip_reason": "not on PyPI"})], "not about cryptography 50.0.2"),
        ([audited({**GOOD, "version": "50.0.1"})], "not about cryptography 50.0.2"),
        ([osv(name="other", versions=["1"], whole=False)], "not about cryptography 50.0.2"),
    ],
)
def test_without_data_about_every_pin_it_is_not_checked(files, reason):
    result = check_vulnerabilities([DEPLOYED], files, NOW)
    assert result.status is Status.NOT_CHECKED
    assert reason in result.reason
    assert result.remedy.startswith("make advisories")


def test_findings_of_old_or_partial_data_are_kept():
    assert check_vulnerabilities([DEPLOYED], [audited(BAD, age=timedelta(days=8))], NOW).findings
    other = Lock("x.lock", False, read_pins("other==1\n"), NOW)
    partial = check_vulnerabilities([DEPLOYED, other], [audited(BAD)], NOW)
    assert (partial.status, len(partial.findings)) == (Status.NOT_CHECKED, 1)


@pytest.mark.parametrize(
    ("severity", "deployed", "tool"),
    [
        ("CRITICAL", Severity.CRITICAL, Severity.MEDIUM),
        ("MODERATE", Severity.HIGH, Severity.MEDIUM),
        ("LOW", Severity.HIGH, Severity.LOW),
        ("?", Severity.HIGH, Severity.MEDIUM),
        (None, Severity.HIGH, Severity.MEDIUM),
    ],
)
def test_the_severity_is_of_the_advisory_and_of_where_the_package_is(severity, deployed, tool):
    data = osv(severity=severity, versions=["50.0.2"])
    found = check_vulnerabilities([DEPLOYED, TOOLS], [data], NOW).findings
    assert [one.severity for one in found] == [deployed, tool]
    assert found[0].evidence["fixed_in"] == "no version yet"
    assert found[0].remedy == "assess GHSA-1: no version has the fix"


@pytest.mark.parametrize(
    ("events", "affected"),
    [
        ([{"introduced": "0"}, {"fixed": "50.0.3"}], True),
        ([{"introduced": "0"}, {"fixed": "50.0.2"}], False),
        ([{"introduced": "50.0.3"}], False),
        ([{"introduced": "0"}, {"last_affected": "50.0.2"}], True),
        ([{"introduced": "0"}, {"last_affected": "50.0.1"}], False),
        ([{"introduced": "0"}, {"fixed": "1"}, {"introduced": "50"}], True),
        ([{"introduced": "0"}, {"limit": "1"}, {"fixed": "2"}], False),
        ([{"fixed": "60"}], False),
        ([{"introduced": "not a version"}, {"fixed": "1"}], True),
    ],
)
def test_a_range_has_its_first_version_and_not_the_fixed_one(events, affected):
    result = check_vulnerabilities([DEPLOYED], [osv(events=events)], NOW)
    assert bool(result.findings) is affected


def test_a_pin_that_is_no_version_is_taken_for_affected():
    lock = Lock("x.lock", False, read_pins("cryptography==1!x\n"), NOW)
    assert check_vulnerabilities([lock], [osv(events=[{"introduced": "0"}])], NOW).findings


def test_a_withdrawn_entry_says_nothing():
    assert not check_vulnerabilities(
        [DEPLOYED], [osv(versions=["50.0.2"], withdrawn="2026-01-01T00:00:00Z")], NOW
    ).findings


def test_one_entry_and_an_answer_of_the_api_are_read():
    entry = {"id": "A", "affected": [{"package": {"ecosystem": "PyPI", "name": "a"}, "versions": ["1"]}]}
    assert read_advisories(entry, "a", NOW).advisories == read_advisories({"vulns": [entry]}, "a", NOW).advisories


@pytest.mark.parametrize(
    "content", [[], {}, "text", 7, None, [7], [{"id": "x", "affected": [{}]}], {"dependencies": [{"name": "x"}]}]
)
def test_a_file_of_another_form_is_refused(content):
    with pytest.raises(Refused, match=r"--advisories: 'f\.json' is refused: give the file of `pip-audit"):
        read_advisories(content, "f.json", NOW)


def test_versions_are_ordered_as_pep_440_does():
    ordered = [
        "1.dev3",
        "1.0a1.dev1",
        "1.0a1",
        "1.0b2",
        "1.0rc1",
        "1.0.dev",
        "1.0",
        "1.0.post1",
        "1.0.1",
        "1.10",
        "2!0.1",
    ]
    ordered.remove("1.0.dev")
    assert [order_of(version) for version in ordered] == sorted(map(order_of, ordered))
    assert order_of("1.0") == order_of("v1.0.0+local.1")
    assert order_of("x") is None
    assert order_of("0") < order_of("0.1")


def test_an_outdated_lock_is_found_since_it_is_outdated():
    changed = NOW - LOCK_AGE - timedelta(days=1)
    young = Lock("b.lock", False, (), NOW - timedelta(days=3))
    old, older = Lock("a.lock", True, DEPLOYED.pins, changed), Lock("c.lock", True, (), NOW - 2 * OLD_LOCK_AGE)
    result = check_locks([old, young, older], NOW, "")
    assert [(one.subject, one.severity, one.since) for one in result.findings] == [
        ("a.lock", Severity.LOW, changed + LOCK_AGE),
        ("c.lock", Severity.MEDIUM, NOW - 2 * OLD_LOCK_AGE + LOCK_AGE),
    ]
    assert result.findings[0].evidence == {"age_days": 46, "pins": 2}
    assert check_locks([young], NOW, "").reason == "1 lock files, the oldest of 3 days ago"


def test_a_lock_of_unknown_age_is_not_checked():
    result = check_locks([Lock("a.lock", True, (), None)], NOW, "this is no clone")
    assert (result.status, result.reason) == (
        Status.NOT_CHECKED,
        "when a.lock changed is unknown: this is no clone",
    )
    assert check_locks([], NOW, "this is no clone").status is Status.NOT_CHECKED
