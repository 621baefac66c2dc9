"""Checks of the metadata documents, the key set and the transport."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from orchestrator.domain.analysis.observations import HttpRequest, HttpResponse
from orchestrator.domain.compliance.result import NotApplicable, NotChecked
from orchestrator.domain.untrusted_json import quoted
from orchestrator.probes.conformance.registry import Registry, joined, other_status
from orchestrator.probes.conformance.session import Session
from orchestrator.probes.security import CERTIFICATE_WARNING, HSTS_SECONDS, MODERN_TLS
from orchestrator.probes.synthetic_client import json_object

registry = Registry()

SERVER = "/.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"
RESOURCE = "/.well-known/oauth-protected-resource"
KEYS = "/.well-known/jwks.json"
ENDPOINTS = (
    "authorization_endpoint",
    "token_endpoint",
    "revocation_endpoint",
    "introspection_endpoint",
    "userinfo_endpoint",
    "registration_endpoint",
    "jwks_uri",
)
METHODS = frozenset({"none", "client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt"})
PRIVATE_MEMBERS = ("d", "p", "q", "dp", "dq", "qi", "oth", "k")
FORGED_HOST = "forwarded.invalid"
ELSEWHERE = "https://elsewhere.invalid"


def _served(response: HttpResponse) -> str:
    content_type = response.header("content-type").partition(";")[0].strip().lower()
    return (
        other_status(response, HTTPStatus.OK)
        or ("" if content_type == "application/json" else f"its Content-Type is {quoted(content_type)}")
        or ("" if json_object(response) else "it is no JSON object")
    )


registry.add("oauth-metadata-served", lambda session: _served(session.get(SERVER)))
registry.add("oauth-openid-metadata-served", lambda session: _served(session.get(OPENID)))
registry.add("oauth-resource-metadata-served", lambda session: _served(session.get(f"{RESOURCE}/userinfo")))


@registry.control("oauth-metadata-address")
def _address(session: Session) -> str:
    path = urlsplit(session.issuer).path.strip("/")
    if path and not session.has_domain:
        raise NotApplicable("the issuer is a stage of API Gateway, whose host has no addresses of its own")
    return f"the issuer has the path /{path}: its metadata would be before that path" if path else ""


@registry.control("oauth-metadata-issuer")
def _issuer(session: Session) -> str:
    return _is_issuer(session, session.metadata)


@registry.control("oauth-openid-metadata-issuer")
def _openid_issuer(session: Session) -> str:
    return _is_issuer(session, session.openid_metadata)


def _is_issuer(session: Session, document: Mapping[str, Any]) -> str:
    named = document.get("issuer")
    return "" if named == session.issuer else f"it names {quoted(named)} instead of {session.issuer}"


@registry.control("oauth-metadata-issuer-form")
def _issuer_form(session: Session) -> str:
    split = urlsplit(str(session.metadata.get("issuer", "")))
    if _is_loopback(session):
        raise NotApplicable("the local cloud serves http on loopback")
    problem = "" if split.scheme == "https" and split.hostname else "it is no https address"
    return joined(problem, "it has a query or a fragment" if split.query or split.fragment else "")


@registry.control("oauth-metadata-issuer-not-from-request")
def _issuer_not_from_request(session: Session) -> str:
    headers = {"X-Forwarded-Host": FORGED_HOST, "Forwarded": f"host={FORGED_HOST}"}
    response = session.send(HttpRequest("GET", SERVER, headers=headers))
    if problem := _served(response):
        raise NotChecked(f"the metadata {problem}", "solve oauth-metadata-served first")
    return "the metadata names a host from the request" if FORGED_HOST in response.body else ""


@registry.control("oauth-metadata-endpoints-own")
def _endpoints_own(session: Session) -> str:
    documents = (session.metadata, session.openid_metadata)
    foreign = {
        name
        for document in documents
        for name in ENDPOINTS
        if name in document and not str(document[name]).startswith(f"{session.issuer}/")
    }
    return f"not below {session.issuer}: {', '.join(sorted(foreign))}" if foreign else ""


@registry.control("oauth-metadata-endpoints-answer")
def _endpoints_answer(session: Session) -> str:
    absent = []
    for name in ENDPOINTS:
        address = str(session.metadata.get(name, ""))
        if not address.startswith(f"{session.issuer}/"):
            continue  # another control reports it
        path = address.removeprefix(session.issuer)
        posted = name not in {"jwks_uri", "authorization_endpoint", "userinfo_endpoint"}
        if not posted:
            response = session.get(path)
        else:
            response = session.send(HttpRequest("POST", path, form={}), may_be_unrouted=True)
        unrouted = response.status == HTTPStatus.FORBIDDEN and "missingauthentication" in response.body.lower().replace(
            " ", ""
        )
        if response.status in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED} or unrouted:
            absent.append(f"{name} returned {response.status}")
    return ", ".join(absent)


def _missing(document: Mapping[str, Any], *names: str) -> str:
    absent = [name for name in names if not document.get(name)]
    return f"without {', '.join(absent)}" if absent else ""


@registry.control("oauth-metadata-required-members")
def _required(session: Session) -> str:
    names = ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri", "response_types_supported")
    return _missing(session.metadata, *names)


@registry.control("oauth-openid-metadata-required-members")
def _openid_required(session: Session) -> str:
    return _missing(
        session.openid_metadata,
        "issuer",
        "authorization_endpoint",
        "token_endpoint",
        "jwks_uri",
        "response_types_supported",
        "subject_types_supported",
        "id_token_signing_alg_values_supported",
    )


@registry.control("oauth-metadata-no-empty-lists")
def _no_empty_lists(session: Session) -> str:
    empty = sorted({name for document in (session.metadata, session.openid_metadata) for name in _empty(document)})
    return f"empty: {', '.join(empty)}" if empty else ""


def _empty(document: Mapping[str, Any]) -> list[str]:
    return [str(name) for name, value in document.items() if value in ([], "", None)]


def _list(document: Mapping[str, Any], name: str) -> list[Any]:
    value = document.get(name)
    return value if isinstance(value, list) else []


@registry.control("oauth-metadata-response-types")
def _response_types(session: Session) -> str:
    offered = session.metadata.get("response_types_supported")
    return "" if offered == ["code"] else f"it offers {quoted(offered)}"


def _offers_grant(session: Session, grant: str) -> str:
    # Without the member, RFC 8414 §2 reads it as authorization_code and implicit.
    offered = session.metadata.get("grant_types_supported", ["authorization_code", "implicit"])
    return f"it offers {quoted(offered)}" if not isinstance(offered, list) or grant in offered else ""


registry.add("oauth-metadata-no-password-grant", lambda session: _offers_grant(session, "password"))
registry.add("oauth-metadata-no-implicit-grant", lambda session: _offers_grant(session, "implicit"))


@registry.control("oauth-metadata-pkce")
def _pkce(session: Session) -> str:
    offered = session.metadata.get("code_challenge_methods_supported")
    return "" if offered == ["S256"] else f"it offers {quoted(offered)}"


@registry.control("oauth-metadata-iss-parameter")
def _iss_parameter(session: Session) -> str:
    announced = session.metadata.get("authorization_response_iss_parameter_supported")
    return "" if announced is True else "authorization_response_iss_parameter_supported is not true"


@registry.control("oauth-metadata-token-methods")
def _token_methods(session: Session) -> str:
    offered = _list(session.metadata, "token_endpoint_auth_methods_supported")
    unknown = [method for method in offered if method not in METHODS]
    return f"it offers {quoted(offered)}" if unknown or not offered else ""


@registry.control("oauth-metadata-revocation")
def _revocation(session: Session) -> str:
    return _missing(session.metadata, "revocation_endpoint", "revocation_endpoint_auth_methods_supported")


@registry.control("oauth-metadata-introspection-methods")
def _introspection(session: Session) -> str:
    if "introspection_endpoint" not in session.metadata:
        raise NotApplicable("the metadata announces no introspection endpoint")
    offered = _list(session.metadata, "introspection_endpoint_auth_methods_supported")
    return f"it offers {quoted(offered)}" if not offered or "none" in offered else ""


@registry.control("oauth-metadata-protected-resources")
def _protected_resources(session: Session) -> str:
    named = _list(session.metadata, "protected_resources")
    resource = f"{session.issuer}/userinfo"
    return "" if resource in named else f"it does not name {resource}"


@registry.control("oauth-openid-metadata-agrees")
def _agrees(session: Session) -> str:
    first, second = session.metadata, session.openid_metadata
    differing = sorted(name for name in first.keys() & second.keys() if first[name] != second[name])
    return f"they differ in {', '.join(differing)}" if differing else ""


@registry.control("oauth-openid-metadata-scope")
def _openid_scope(session: Session) -> str:
    return "" if "openid" in _list(session.openid_metadata, "scopes_supported") else "openid is not announced"


@registry.control("oauth-openid-metadata-algorithms")
def _algorithms(session: Session) -> str:
    offered = _list(session.openid_metadata, "id_token_signing_alg_values_supported")
    weak = [name for name in offered if str(name).lower() == "none" or str(name).upper().startswith("HS")]
    return f"it offers {quoted(weak or offered)}" if weak or not offered else ""


@registry.control("oauth-openid-metadata-rs256")
def _rs256(session: Session) -> str:
    offered = _list(session.openid_metadata, "id_token_signing_alg_values_supported")
    if offered == ["ES256"]:
        raise NotApplicable("an accepted deviation: every signature is ES256, by a key that stays in KMS (ADR 30)")
    return "" if "RS256" in offered else f"it offers {quoted(offered)}"


@registry.control("oauth-openid-metadata-request-uri")
def _request_uri(session: Session) -> str:
    announced = session.openid_metadata.get("request_uri_parameter_supported", True)
    return "" if announced is False else "it announces request_uri, which the service refuses"


@registry.control("oauth-resource-metadata-resource")
def _resource(session: Session) -> str:
    wrong = []
    for path in ("/userinfo", ""):
        named = json_object(session.get(f"{RESOURCE}{path}")).get("resource")
        if named != f"{session.issuer}{path}":
            wrong.append(f"{RESOURCE}{path} names {quoted(named)}")
    return ", ".join(wrong)


@registry.control("oauth-resource-metadata-servers")
def _servers(session: Session) -> str:
    named = json_object(session.get(f"{RESOURCE}/userinfo")).get("authorization_servers")
    return "" if named == [session.issuer] else f"it names {quoted(named)}"


@registry.control("oauth-resource-metadata-header-only")
def _header_only(session: Session) -> str:
    offered = json_object(session.get(f"{RESOURCE}/userinfo")).get("bearer_methods_supported")
    return "" if offered == ["header"] else f"it offers {quoted(offered)}"


@registry.control("oauth-keys-served")
def _keys_served(session: Session) -> str:
    return _served(session.get(KEYS)) or ("" if session.keys else "it has no keys")


@registry.control("oauth-keys-public")
def _keys_public(session: Session) -> str:
    private = sorted({name for key in session.keys for name in PRIVATE_MEMBERS if name in key})
    symmetric = any(key.get("kty") == "oct" for key in session.keys)
    return joined(
        f"it has the private members {', '.join(private)}" if private else "",
        "it has a symmetric key" if symmetric else "",
        "" if session.keys else "it has no keys",
    )


@registry.control("oauth-keys-unique")
def _keys_unique(session: Session) -> str:
    kids = [key.get("kid") for key in session.keys]
    return "" if kids and all(kids) and len(set(map(str, kids))) == len(kids) else "a kid is missing or repeated"


@registry.control("oauth-keys-use")
def _keys_use(session: Session) -> str:
    wrong = [key for key in session.keys if key.get("use") != "sig" or not key.get("alg")]
    return "a key has no use sig or no alg" if wrong or not session.keys else ""


def _is_loopback(session: Session) -> bool:
    split = urlsplit(session.issuer)
    return split.scheme == "http" and split.hostname in {"127.0.0.1", "localhost", "::1"}


@registry.control("oauth-tls")
def _tls(session: Session) -> str:
    if _is_loopback(session):
        raise NotApplicable("the local cloud serves http on loopback")
    if urlsplit(session.issuer).scheme != "https":
        return "the issuer is no https address"
    protocol = session.http.certificate(session.issuer).protocol
    return "" if protocol in MODERN_TLS else f"the issuer agreed on {quoted(protocol)}"


@registry.control("oauth-tls-certificate")
def _certificate(session: Session) -> str:
    if _is_loopback(session):
        raise NotApplicable("the local cloud serves http on loopback")
    if urlsplit(session.issuer).scheme != "https":
        raise NotChecked("the issuer is no https address")
    remaining = session.http.certificate(session.issuer).expires_at - datetime.now(UTC)
    return f"it expires in {remaining.days} days" if remaining < CERTIFICATE_WARNING else ""


@registry.control("oauth-tls-hsts")
def _hsts(session: Session) -> str:
    value = session.login_page.header("strict-transport-security").lower().replace(" ", "")
    age = next((part[8:] for part in value.split(";") if part.startswith("max-age=")), "")
    return "" if age.isdigit() and int(age) >= HSTS_SECONDS else f"Strict-Transport-Security is {quoted(value)}"
