"""Settings of the API: domain, throttles, usage plans and web ACL."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.domain.schema import EnvironmentRefused, SettingsReader

# The limits of a rate-based rule of WAF within five minutes (RateBasedStatement).
SOURCE_REQUESTS = (10, 2_000_000_000)
# WAF's default inspection limit for bodies of a REST API, and API Gateway's limit for the query and headers.
BODY_BYTES = (1024, 16_384)
QUERY_BYTES = (512, 8192)
REQUESTS = (1, 10_000)
REQUESTS_A_DAY = (1, 1_000_000_000)

_HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")
_ZONE_ID = re.compile(r"Z[A-Z0-9]{1,31}")
_CERTIFICATE = re.compile(r"arn:aws:acm:[a-z0-9-]+:[0-9]{12}:certificate/[a-z0-9-]+")
_ROUTE = re.compile(r"(GET|POST) /[A-Za-z0-9._/-]*")
_WORD = re.compile(r"[a-z][a-z0-9-]{0,63}")


@dataclass(frozen=True)
class DomainSettings:
    """The custom domain of the API, with the API at its root path.

    Attributes:
        hosted_zone_id, hosted_zone: the Route 53 zone of the DNS record; without them the operator creates the record.
        certificate_arn: a certificate in the API's region; without it the stack creates one and validates it in the
            zone.
    """

    name: str
    hosted_zone_id: str | None
    hosted_zone: str | None
    certificate_arn: str | None


@dataclass(frozen=True)
class ThrottleSettings:
    """The request rate above which API Gateway returns 429."""

    requests_per_second: int
    burst_requests: int


@dataclass(frozen=True)
class UsagePlanSettings:
    """Limits for each holder of an API key, on the endpoints that require a key.

    Attributes:
        keys: the names of the holders, who have one key each.
    """

    requests_per_second: int
    burst_requests: int
    requests_per_day: int
    keys: tuple[str, ...]


@dataclass(frozen=True)
class FirewallSettings:
    """The web ACL.

    Attributes:
        blocks: whether AWS's managed rules block; otherwise they only count, to find affected clients.
        source_requests_per_five_minutes: the number of requests of one address above which it is blocked.
    """

    blocks: bool
    source_requests_per_five_minutes: int
    largest_body_bytes: int
    largest_query_bytes: int


@dataclass(frozen=True)
class ApiSettings:
    """The API of one environment.

    Attributes:
        domain: None if clients use the stage's address.
        throttles: by route, such as ``POST /token``, within the stage's throttle.
        usage_plans: by name; without any, no endpoint requires a key.
    """

    domain: DomainSettings | None
    throttles: Mapping[str, ThrottleSettings]
    usage_plans: Mapping[str, UsagePlanSettings]
    firewall: FirewallSettings


def read_api(table: SettingsReader) -> ApiSettings:
    """Read the table ``[….api]``.

    Raises:
        EnvironmentRefused: a setting is missing, unknown or out of range.
    """
    api = ApiSettings(
        domain=_domain(table.table("domain")) if "domain" in table else None,
        throttles=_throttles(table.table("throttles")),
        usage_plans=_usage_plans(table.table("usage_plans")),
        firewall=_firewall(table.table("firewall")),
    )
    table.refuse_unknown_keys()
    return api


def _domain(table: SettingsReader) -> DomainSettings:
    domain = DomainSettings(
        name=table.text("name", matching=_HOST, remedy="give a host name, in lower case"),
        hosted_zone_id=table.optional_text("hosted_zone_id", matching=_ZONE_ID, remedy="give the id of a hosted zone"),
        hosted_zone=table.optional_text("hosted_zone", matching=_HOST, remedy="give the name of the hosted zone"),
        certificate_arn=table.optional_text(
            "certificate_arn", matching=_CERTIFICATE, remedy="give the ARN of an ACM certificate in the API's region"
        ),
    )
    table.refuse_unknown_keys()
    if (domain.hosted_zone_id is None) != (domain.hosted_zone is None):
        missing = "hosted_zone_id" if domain.hosted_zone_id is None else "hosted_zone"
        raise EnvironmentRefused(table.field(missing), None, "give hosted_zone and hosted_zone_id together, or neither")
    if domain.hosted_zone is None and domain.certificate_arn is None:
        remedy = "give a certificate, or a hosted zone to validate one"
        raise EnvironmentRefused(table.field("certificate_arn"), None, remedy)
    if domain.hosted_zone is not None and not f".{domain.name}".endswith(f".{domain.hosted_zone}"):
        raise EnvironmentRefused(
            table.field("hosted_zone"), domain.hosted_zone, f"give a zone that contains {domain.name}"
        )
    return domain


def _throttles(table: SettingsReader) -> Mapping[str, ThrottleSettings]:
    throttles = {}
    for route, own in table.children().items():
        if not _ROUTE.fullmatch(route):
            raise EnvironmentRefused(own.path, route, "give a method and a path, such as POST /token")
        throttles[route] = _throttle(own)
        own.refuse_unknown_keys()
    return throttles


def _throttle(own: SettingsReader) -> ThrottleSettings:
    return ThrottleSettings(
        own.whole_number("requests_per_second", *REQUESTS), own.whole_number("burst_requests", *REQUESTS)
    )


def _usage_plans(table: SettingsReader) -> Mapping[str, UsagePlanSettings]:
    plans: dict[str, UsagePlanSettings] = {}
    holders: list[str] = []
    for name, own in table.children().items():
        throttle = _throttle(own)
        plans[name] = UsagePlanSettings(
            throttle.requests_per_second,
            throttle.burst_requests,
            own.whole_number("requests_per_day", *REQUESTS_A_DAY),
            own.texts("keys", at_least=1),
        )
        own.refuse_unknown_keys()
        for word in (name, *plans[name].keys):
            if not _WORD.fullmatch(word):
                raise EnvironmentRefused(own.path, word, "use short lower-case names for plans and holders")
        holders += plans[name].keys
    if len(set(holders)) != len(holders):
        raise EnvironmentRefused(table.path, holders, "list each holder once")
    return plans


def _firewall(table: SettingsReader) -> FirewallSettings:
    firewall = FirewallSettings(
        blocks=table.flag("blocks"),
        source_requests_per_five_minutes=table.whole_number("source_requests_per_five_minutes", *SOURCE_REQUESTS),
        largest_body_bytes=table.whole_number("largest_body_bytes", *BODY_BYTES),
        largest_query_bytes=table.whole_number("largest_query_bytes", *QUERY_BYTES),
    )
    table.refuse_unknown_keys()
    return firewall
