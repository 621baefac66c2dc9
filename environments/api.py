"""How the API is reached and what keeps it from harm: its domain, its limits, its web ACL, and who has a key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from environments.tables import EnvironmentRefused, Table

# A rate-based rule of WAF counts within five minutes and knows these limits (RateBasedStatement).
SOURCE_REQUESTS = (10, 2_000_000_000)
# What WAF sees of a body at a REST API unless more is paid for, and what API Gateway takes at most of query and headers.
BODY_BYTES = (1024, 16_384)
QUERY_BYTES = (512, 8192)
REQUESTS = (1, 10_000)
REQUESTS_A_DAY = (1, 1_000_000_000)

_HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")
_ZONE_ID = re.compile(r"Z[A-Z0-9]{1,31}")
_CERTIFICATE = re.compile(r"arn:aws[a-z-]*:acm:[a-z0-9-]+:[0-9]{12}:certificate/[a-z0-9-]+")
_ROUTE = re.compile(r"(GET|POST) /[A-Za-z0-9._/-]*")
_WORD = re.compile(r"[a-z][a-z0-9-]{0,63}")


@dataclass(frozen=True)
class DomainSettings:
    """The host at which the API is served, at the root of its paths.

    Attributes:
        hosted_zone_id, hosted_zone: of Route 53, where the domain's record is made; without them somebody makes it by hand.
        certificate_arn: a certificate of the API's region; without it one is made and validated in the hosted zone.
    """

    name: str
    hosted_zone_id: str | None
    hosted_zone: str | None
    certificate_arn: str | None


@dataclass(frozen=True)
class ThrottleSettings:
    """What API Gateway lets through before it answers 429."""

    requests_per_second: int
    burst_requests: int


@dataclass(frozen=True)
class UsagePlanSettings:
    """What each holder of a key may ask of the endpoints that want one.

    Attributes:
        keys: names of the holders, one key each.
    """

    requests_per_second: int
    burst_requests: int
    requests_per_day: int
    keys: tuple[str, ...]


@dataclass(frozen=True)
class FirewallSettings:
    """The web ACL.

    Attributes:
        blocks: whether AWS's managed rules block; counting only is how one finds out whom they would hit.
        source_requests_per_five_minutes: of one address, above which it is blocked.
    """

    blocks: bool
    source_requests_per_five_minutes: int
    largest_body_bytes: int
    largest_query_bytes: int


@dataclass(frozen=True)
class ApiSettings:
    """The API of one environment.

    Attributes:
        domain: None where the API is served at its stage's address.
        throttles: by route, such as ``POST /token``, within what the stage lets through.
        usage_plans: by name; without any, no endpoint wants a key.
    """

    domain: DomainSettings | None
    throttles: Mapping[str, ThrottleSettings]
    usage_plans: Mapping[str, UsagePlanSettings]
    firewall: FirewallSettings


def read_api(table: Table) -> ApiSettings:
    """Take what is said of the API."""
    api = ApiSettings(
        domain=_domain(table.table("domain")) if "domain" in table else None,
        throttles=_throttles(table.table("throttles")),
        usage_plans=_usage_plans(table.table("usage_plans")),
        firewall=_firewall(table.table("firewall")),
    )
    table.end()
    return api


def _domain(table: Table) -> DomainSettings:
    domain = DomainSettings(
        name=table.text("name", matching=_HOST, remedy="give a host name, in lower case"),
        hosted_zone_id=table.optional_text("hosted_zone_id", matching=_ZONE_ID, remedy="give the id of a hosted zone"),
        hosted_zone=table.optional_text("hosted_zone", matching=_HOST, remedy="give the name of the hosted zone"),
        certificate_arn=table.optional_text(
            "certificate_arn", matching=_CERTIFICATE, remedy="give the ARN of a certificate of ACM in the API's region"
        ),
    )
    table.end()
    if (domain.hosted_zone_id is None) != (domain.hosted_zone is None):
        missing = "hosted_zone_id" if domain.hosted_zone_id is None else "hosted_zone"
        raise EnvironmentRefused(table.field(missing), None, "give hosted_zone and hosted_zone_id together, or neither")
    if domain.hosted_zone is None and domain.certificate_arn is None:
        remedy = "give a certificate, or the hosted zone in which one can be validated"
        raise EnvironmentRefused(table.field("certificate_arn"), None, remedy)
    if domain.hosted_zone is not None and not f".{domain.name}".endswith(f".{domain.hosted_zone}"):
        raise EnvironmentRefused(
            table.field("hosted_zone"), domain.hosted_zone, f"give a zone that {domain.name} is in"
        )
    return domain


def _throttles(table: Table) -> Mapping[str, ThrottleSettings]:
    throttles = {}
    for route, own in table.children().items():
        if not _ROUTE.fullmatch(route):
            raise EnvironmentRefused(own.path, route, "name a method and a path, such as POST /token")
        throttles[route] = _throttle(own)
        own.end()
    return throttles


def _throttle(own: Table) -> ThrottleSettings:
    return ThrottleSettings(own.whole("requests_per_second", *REQUESTS), own.whole("burst_requests", *REQUESTS))


def _usage_plans(table: Table) -> Mapping[str, UsagePlanSettings]:
    plans: dict[str, UsagePlanSettings] = {}
    holders: list[str] = []
    for name, own in table.children().items():
        throttle = _throttle(own)
        plans[name] = UsagePlanSettings(
            throttle.requests_per_second,
            throttle.burst_requests,
            own.whole("requests_per_day", *REQUESTS_A_DAY),
            own.texts("keys", at_least=1),
        )
        own.end()
        for word in (name, *plans[name].keys):
            if not _WORD.fullmatch(word):
                raise EnvironmentRefused(own.path, word, "name plans and holders by short lower-case words")
        holders += plans[name].keys
    if len(set(holders)) != len(holders):
        raise EnvironmentRefused(table.path, holders, "give each holder one key, in one plan")
    return plans


def _firewall(table: Table) -> FirewallSettings:
    firewall = FirewallSettings(
        blocks=table.flag("blocks"),
        source_requests_per_five_minutes=table.whole("source_requests_per_five_minutes", *SOURCE_REQUESTS),
        largest_body_bytes=table.whole("largest_body_bytes", *BODY_BYTES),
        largest_query_bytes=table.whole("largest_query_bytes", *QUERY_BYTES),
    )
    table.end()
    return firewall
