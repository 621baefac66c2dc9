"""Runtimes, keys and certificates near their end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.domain.signing_keys import KeyPhase, SigningKey, SigningKeyRing
from orchestrator.domain.upkeep import runtimes
from orchestrator.domain.upkeep.expiry import CertificateReading, check_certificates, check_keys
from orchestrator.domain.upkeep.finding import Owner, Severity
from orchestrator.domain.upkeep.result import Status

NOW = datetime(2026, 11, 30, 6, tzinfo=UTC)
DAY = timedelta(days=1)
DOMAIN = "api.oauth.example.com"


def certificate(days, arn="arn:new"):
    return CertificateReading(DOMAIN, arn, None if days is None else NOW + timedelta(days=days))


@pytest.mark.parametrize(
    ("days", "severity"), [(44, Severity.MEDIUM), (14, Severity.HIGH), (0, Severity.CRITICAL), (-3, Severity.CRITICAL)]
)
def test_an_expiring_certificate_is_found_and_named(days, severity):
    result = check_certificates([certificate(days)], DOMAIN, NOW)
    (finding,) = result.findings
    assert (finding.subject, finding.severity) == (DOMAIN, severity)
    assert finding.evidence == {"days_left": days, "arn": "arn:new"}
    assert finding.since == NOW + timedelta(days=days - 45)
    assert "aws acm describe-certificate --certificate-arn arn:new" in finding.remedy


def test_the_longest_certificate_of_a_domain_counts():
    result = check_certificates([certificate(3, "arn:old"), certificate(300), certificate(None)], DOMAIN, NOW)
    assert (result.status, result.reason) == (Status.CLEAR, f"{DOMAIN} until 2027-09-26, 300 days left")


def test_without_a_domain_it_does_not_apply_and_without_a_certificate_it_is_not_checked():
    assert check_certificates([], None, NOW).status is Status.NOT_APPLICABLE
    assert check_certificates([certificate(None)], DOMAIN, NOW).status is Status.NOT_CHECKED


def ring(age):
    return SigningKeyRing(3, NOW - age, (SigningKey("arn:key", "kid", KeyPhase.SIGNING, NOW - age),))


def test_a_late_rotation_is_found():
    assert check_keys(ring(90 * DAY), 90 * DAY, NOW, "prod").status is Status.CLEAR
    result = check_keys(ring(95 * DAY), 90 * DAY, NOW, "prod")
    (finding,) = result.findings
    assert (finding.subject, finding.severity, finding.owner) == ("kid", Severity.HIGH, Owner.SECURITY)
    assert finding.evidence["key_age_days"] == 95
    assert finding.remedy.startswith("orchestrator keys rotate --env prod")


@pytest.mark.parametrize(
    ("runtime", "at", "severity"),
    [
        ("python3.11", datetime(2026, 11, 30, tzinfo=UTC), Severity.MEDIUM),
        ("python3.11", datetime(2027, 5, 1, tzinfo=UTC), Severity.HIGH),
        ("python3.10", datetime(2026, 11, 30, tzinfo=UTC), Severity.HIGH),
    ],
)
def test_a_runtime_near_its_end_is_found(runtime, at, severity):
    result = runtimes.check_runtimes({"ib-oauth-b-prod": runtime, "ib-oauth-a-prod": runtime}, at)
    (finding,) = result.findings
    assert (finding.subject, finding.severity) == (runtime, severity)
    assert (finding.evidence["functions"], finding.evidence["first"]) == (2, "ib-oauth-a-prod")


def test_a_supported_runtime_is_clear_and_the_date_of_the_table_is_said():
    result = runtimes.check_runtimes({"ib-oauth-a-prod": "python3.13"}, NOW)
    assert result.reason == f"1 functions: python3.13 until 2029-06-30 (table of {runtimes.AS_OF})"


@pytest.mark.parametrize("found", [{}, {"ib-oauth-a-prod": "cobol85"}])
def test_a_runtime_that_the_table_does_not_have_is_no_pass(found):
    result = runtimes.check_runtimes(found, NOW)
    assert result.status is Status.NOT_CHECKED
    assert runtimes.SOURCE in result.remedy
