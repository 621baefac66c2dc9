"""Why a client cannot log in: findings from its configuration, its usage and a redirect URI that it sends.

A finding names the cause, and what the client's developer or the operator does about it. No finding has a secret or a
hash of one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.domain.clients.client import ManagedClient, Status
from orchestrator.domain.clients.redirects import allows, explain_mismatch
from orchestrator.domain.clients.usage import SERVER_ERROR, Usage

REDIRECT_MISMATCH, UNKNOWN_CLIENT, INVALID_CLIENT = "redirect_mismatch", "unknown_client", "invalid_client"
OVERLAP_ENDED_WITHIN = timedelta(days=7)
"""For so long after an overlap, failed authentications are probably those of the earlier secret."""


@dataclass(frozen=True)
class Configuration:
    """A client as the service knows it, without its secrets.

    Attributes:
        kind: ``configured`` in environments.toml, or ``managed`` by `orchestrator clients`.
        public: it has no secret.
        managed: the ledger's record; None for a configured client.
    """

    client_id: str
    kind: str
    name: str
    redirect_uris: tuple[str, ...]
    scopes: tuple[str, ...]
    resources: tuple[str, ...]
    public: bool
    managed: ManagedClient | None = None


@dataclass(frozen=True)
class InEffect:
    """What the service reads.

    Attributes:
        switched_on: the environment has `managed_clients = true`.
        revision: of the item in the tokens table; None if there is no item.
    """

    switched_on: bool
    revision: int | None


@dataclass(frozen=True)
class Finding:
    """One possible cause, and what to do about it."""

    problem: str
    remedy: str


_OF_CODES: Mapping[str, tuple[str, str]] = {
    UNKNOWN_CLIENT: (
        "the service did not know the client",
        "compare the client id that the application sends, and the environment's address",
    ),
    "invalid_grant": (
        "codes or refresh tokens were refused: expired, used twice, revoked, or with another redirect URI or verifier",
        "redeem each code once, at once, and unchanged; if a refresh token is refused, start a new login",
    ),
    "invalid_scope": ("a scope was requested that the client does not have", "request only the scopes listed above"),
    "invalid_target": ("a resource was requested that the client does not have", "request only the resources above"),
    "invalid_request": (
        "requests were malformed: a parameter is missing or repeated, often code_challenge (PKCE, S256)",
        "read the error_description that the application got, and docs/guides/integration.md",
    ),
    "unsupported_grant_type": (
        "a grant type was used that does not exist here",
        "use authorization_code and refresh_token",
    ),
    "unsupported_response_type": ("a response type was used that does not exist here", "use response_type=code"),
    "login_required": ("prompt=none was requested, and users always see a page here", "leave prompt=none out"),
    SERVER_ERROR: (
        "the service failed: this is ours, not the client's",
        "orchestrator status, then docs/runbooks/alarms.md",
    ),
}


def diagnose_client(
    client: Configuration, effect: InEffect, usage: Usage, now: datetime, requested_redirect: str | None = None
) -> tuple[Finding, ...]:
    """Return the findings, the most certain first; empty if nothing is wrong.

    Args:
        client: its configuration.
        effect: what the service reads of a managed client.
        usage: of the examined time.
        now: aware.
        requested_redirect: the redirect URI that the application sends, as its developer reports it.
    """
    findings = [*_of_state(client, effect), *_of_redirects(client, usage, requested_redirect)]
    if INVALID_CLIENT in usage.errors:
        findings.append(_of_authentication(client, usage, now))
    for code, count in usage.errors.items():
        if code in _OF_CODES:
            meaning, remedy = _OF_CODES[code]
            findings.append(Finding(f"{code} ({count}): {meaning}", remedy))
    findings += _of_usage(client, usage, now)
    return tuple(findings)


def _of_state(client: Configuration, effect: InEffect) -> Iterator[Finding]:
    managed, name = client.managed, client.client_id
    if managed is None:
        return
    if not effect.switched_on:
        yield Finding(
            "the environment has no managed clients: the service does not know this one",
            "set service.managed_clients = true in environments.toml, npx cdk deploy, orchestrator deploy",
        )
    if managed.status is not Status.ENABLED:
        change = managed.changed
        yield Finding(
            f"it is {managed.status}; last change {managed.action} by {change.by} at {change.at:%Y-%m-%d %H:%M} UTC: "
            f"{change.reason}",
            f"orchestrator clients enable {name} --reason …, once its cause is solved"
            if managed.status is Status.DISABLED
            else "orchestrator clients add, with another id",
        )
    expected = None if managed.removed else managed.revision
    if effect.revision != expected:
        yield Finding(
            f"the service reads revision {effect.revision}, and the ledger has {expected}: a change did not arrive, or "
            "a restore brought an older item back",
            "orchestrator clients reapply --reason …",
        )


def _of_redirects(client: Configuration, usage: Usage, requested: str | None) -> Iterator[Finding]:
    if requested is not None and not allows(client.redirect_uris, requested):
        yield Finding(
            f"{requested} is not registered: {explain_mismatch(client.redirect_uris, requested)}",
            "send a registered URI, or register this one",
        )
    count = usage.errors.get(REDIRECT_MISMATCH, 0)
    if count:
        yield Finding(
            f"{REDIRECT_MISMATCH} ({count}): a redirect URI was sent that is not registered (the log does not have it)",
            f"registered: {', '.join(client.redirect_uris) or 'none'}; compare one with --redirect-uri URI",
        )


def _of_authentication(client: Configuration, usage: Usage, now: datetime) -> Finding:
    problem = f"{INVALID_CLIENT} ({usage.errors[INVALID_CLIENT]}): "
    managed = client.managed
    if managed is not None and managed.status is not Status.ENABLED:
        return Finding(f"{problem}the client is {managed.status}", "see above")
    if client.public:
        return Finding(f"{problem}it is public, and sent a secret", "send client_id only, without a secret")
    until = managed.earlier_secret_until if managed else None
    if until is not None and until <= now < until + OVERLAP_ENDED_WITHIN:
        return Finding(
            f"{problem}the earlier secret ended at {until:%Y-%m-%d %H:%M} UTC, and it is probably still in use",
            "use the new secret, or orchestrator clients rotate-secret if it was lost",
        )
    return Finding(
        f"{problem}the secret was wrong or missing, or another party states this client's id",
        "compare where the application reads its secret; HTTP Basic needs id and secret form-encoded (RFC 6749 §2.3.1)",
    )


def _of_usage(client: Configuration, usage: Usage, now: datetime) -> Iterator[Finding]:
    managed = client.managed
    if managed is not None and managed.overlaps(now) and usage.earlier_secret_requests:
        yield Finding(
            f"{usage.earlier_secret_requests} requests used the earlier secret, which ends at "
            f"{managed.earlier_secret_until:%Y-%m-%d %H:%M} UTC",
            "move every instance of the application to the new secret before then",
        )
    if not usage.requests and not usage.errors:
        yield Finding(
            "no request of this client is in the log of this time",
            "compare the issuer that the application uses, its DNS and its network; look further back with --since",
        )
    elif usage.by_route.get("GET /authorize") and not usage.by_route.get("POST /token"):
        yield Finding(
            "logins began, and no token request followed",
            "users did not complete the login, or the application does not redeem its codes: follow one login with "
            "its developer",
        )
