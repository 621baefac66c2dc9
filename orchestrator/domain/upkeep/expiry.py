"""Checks of keys and certificates: near their expiry, or rotated late."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.domain.signing_keys import SigningKeyRing, next_rotation_step
from orchestrator.domain.upkeep.finding import Finding, Owner, Severity
from orchestrator.domain.upkeep.result import CheckResult, found, not_applicable, not_checked

KEYS, CERTIFICATES = "keys", "certificates"
WARN_BEFORE, HIGH_BEFORE = timedelta(days=45), timedelta(days=15)
"""AWS renews a certificate that it validates by DNS 60 days before its expiry: at 45 days a renewal has failed.
https://docs.aws.amazon.com/acm/latest/userguide/managed-renewal.html"""
LATE_ROTATION = timedelta(days=1)
"""The rotation runs each hour; a step that is due for a day was not taken."""


@dataclass(frozen=True)
class CertificateReading:
    """A certificate of ACM. `expires_at`: None if it was never issued."""

    domain: str
    arn: str
    expires_at: datetime | None


def check_certificates(certificates: Sequence[CertificateReading], domain: str | None, now: datetime) -> CheckResult:
    """Check that the certificate of the API's domain is valid for some time.

    Args:
        certificates: those of the domain.
        domain: of the settings; None if clients use the API's own address.
        now: aware.
    """
    if domain is None:
        return not_applicable(CERTIFICATES, "no domain: AWS renews the certificate of the API's own address")
    issued = [(one, one.expires_at) for one in certificates if one.expires_at is not None]
    if not issued:
        return not_checked(
            CERTIFICATES, f"ACM has no certificate of {domain}", "orchestrator doctor, then npx cdk deploy"
        )
    # A renewed or replaced certificate is in addition to the old one: the longest counts.
    longest, expires_at = max(issued, key=lambda pair: pair[1])
    left = expires_at - now
    findings = [_certificate(longest, expires_at, left)] if left < WARN_BEFORE else []
    return found(CERTIFICATES, findings, f"{domain} until {expires_at:%Y-%m-%d}, {left.days} days left")


def _certificate(certificate: CertificateReading, expires_at: datetime, left: timedelta) -> Finding:
    severity = Severity.HIGH if left < HIGH_BEFORE else Severity.MEDIUM
    if left <= timedelta():
        severity = Severity.CRITICAL
    return Finding(
        CERTIFICATES,
        certificate.domain,
        severity,
        Owner.OPERATORS,
        f"the certificate of {certificate.domain} expires at {expires_at:%Y-%m-%d %H:%M} UTC",
        {"days_left": left.days, "arn": certificate.arn},
        f"aws acm describe-certificate --certificate-arn {certificate.arn} (its renewal names the missing DNS record)",
        since=expires_at - WARN_BEFORE,
    )


def check_keys(ring: SigningKeyRing, rotation: timedelta, now: datetime, env: str) -> CheckResult:
    """Check that every step of the signing keys' rotation was taken in time.

    Args:
        ring: the signing keys.
        rotation: how long a key signs.
        now: aware.
        env: the environment's name.
    """
    step = next_rotation_step(ring, rotation)
    late = now - step.due_at
    signing = ring.signing
    reason = f"{signing.kid} signs since {signing.since:%Y-%m-%d}; next is {step.action} at {step.due_at:%Y-%m-%d}"
    if late <= LATE_ROTATION:
        return found(KEYS, (), reason)
    finding = Finding(
        KEYS,
        step.kid,
        Severity.HIGH,
        Owner.SECURITY,
        f"the step {step.action} of the signing keys' rotation is late",
        {"late_days": late.days, "key_age_days": (now - signing.since).days, "rotation_days": rotation.days},
        f"orchestrator keys rotate --env {env}, and docs/runbooks/rotate-signing-keys.md",
        since=step.due_at,
    )
    return found(KEYS, (finding,), reason)
