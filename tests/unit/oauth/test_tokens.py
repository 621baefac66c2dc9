"""Access tokens, signatures, bearer errors and metadata, held against independent implementations."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey

from service.oauth import bearer, metadata, signatures, tokens
from service.oauth.signatures import SignatureMalformed
from service.oauth.tokens import AccessToken, TokenInvalid

KEY = ec.generate_private_key(ec.SECP256R1())
SPKI = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
TOKEN = AccessToken(
    issuer="https://auth.example", audience="urn:api", subject="demo:1", client_id="c", scope=("profile", "email"),
    token_id="t", family="f", epoch=2, issued_at=1000, expires_at=1600,
)  # fmt: skip


def _signed(token=TOKEN, **header):
    jwk = tokens.parse_public_key(SPKI)
    signed = tokens.signing_input(token, jwk.thumbprint)
    if header:
        claims = signed.split(b".")[1]
        merged = {"alg": "ES256", "typ": "at+jwt", "kid": "k", **header}
        encoded = base64.urlsafe_b64encode(json.dumps(merged).encode()).rstrip(b"=")
        signed = encoded + b"." + claims
    return tokens.assemble(signed, signatures.to_jose(KEY.sign(signed, ec.ECDSA(SHA256()))))


@given(st.integers(1, 2**256 - 1), st.integers(1, 2**256 - 1))
def test_a_signature_goes_to_jose_and_back_as_an_independent_library_has_it(r, s):
    der = encode_dss_signature(r, s)
    jose = signatures.to_jose(der)
    assert jose == r.to_bytes(32) + s.to_bytes(32)
    assert signatures.to_der(jose) == der


@given(st.binary(max_size=80))
def test_octets_that_are_no_signature_are_refused_and_never_read_past_their_end(octets):
    try:
        jose = signatures.to_jose(octets)
    except SignatureMalformed:
        return
    assert decode_dss_signature(signatures.to_der(jose)) == (int.from_bytes(jose[:32]), int.from_bytes(jose[32:]))


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\x30",
        b"\x31\x06\x02\x01\x01\x02\x01\x01",
        b"\x30\x05\x02\x01\x01\x02\x01\x01",
        b"\x30\x07\x02\x01\x01\x02\x01\x01\x00",
        b"\x30\x03\x02\x01\x01",
        b"\x30\x06\x03\x01\x01\x02\x01\x01",
        b"\x30\x06\x02\x00\x02\x01\x01\x00",
        b"\x30\x06\x02\x05\x01\x02\x01\x01",
        b"\x30\x26\x02\x21\x01" + b"\x00" * 32 + b"\x02\x01\x01",
    ],
)
def test_malformed_der_is_refused(octets):
    with pytest.raises(SignatureMalformed):
        signatures.to_jose(octets)


def test_a_jose_signature_has_64_octets():
    with pytest.raises(SignatureMalformed, match="64"):
        signatures.to_der(b"\x01" * 63)


def test_the_key_and_its_thumbprint_are_what_an_independent_library_makes_of_them():
    jwk = tokens.parse_public_key(SPKI)
    independent = ECKey.import_key(jwk.to_json_object())
    assert independent.thumbprint() == jwk.thumbprint == jwk.to_json_object()["kid"]
    assert independent.as_dict()["x"] == ECKey.import_key(KEY).as_dict()["x"]


@pytest.mark.parametrize(
    "spki", [b"", SPKI[:-1], SPKI + b"\x00", b"\x31" + SPKI[1:]], ids=["empty", "cut", "longer", "another kind"]
)
def test_another_kind_of_key_is_refused(spki):
    with pytest.raises(ValueError, match="P-256"):
        tokens.parse_public_key(spki)


def test_a_token_is_verified_by_an_independent_library_and_says_what_rfc_9068_wants():
    decoded = jwt.decode(
        _signed(), ECKey.import_key(tokens.parse_public_key(SPKI).to_json_object()), algorithms=["ES256"]
    )
    assert decoded.header == {"alg": "ES256", "typ": "at+jwt", "kid": tokens.parse_public_key(SPKI).thumbprint}
    assert {"iss", "exp", "aud", "sub", "client_id", "iat", "jti", "scope"} <= set(decoded.claims)


def test_a_token_says_after_reading_what_it_said_before():
    signed = tokens.parse_unverified(_signed())
    assert signed.kid == tokens.parse_public_key(SPKI).thumbprint
    KEY.public_key().verify(signatures.to_der(signed.signature), signed.signing_input, ec.ECDSA(SHA256()))
    assert tokens.parse_claims(signed.claims, TOKEN.issuer, 1599) == TOKEN


@pytest.mark.parametrize(
    "header", [{"alg": "none"}, {"alg": "HS256"}, {"typ": "JWT"}, {"kid": None}, {"kid": 7}, {"crit": ["x"]}]
)
def test_a_header_that_is_not_ours_is_refused_whatever_the_signature(header):
    with pytest.raises(TokenInvalid, match="not an access token"):
        tokens.parse_unverified(_signed(**header))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.b",
        "a.b.c.d",
        "ü.b.c",
        "bm90IGpzb24.e30.AA",
        "W10.e30.AA",
        "e30.W10.AA",
        "e30.e30.A",
        "e31.e30.AA",
        "." * 3,
        "a" * 5000,
    ],
)
def test_what_is_no_token_is_refused(text):
    with pytest.raises(TokenInvalid):
        tokens.parse_unverified(text)


def test_deeply_nested_json_is_refused():
    nested = base64.urlsafe_b64encode(b"[" * 2900).rstrip(b"=").decode()
    with pytest.raises(TokenInvalid):
        tokens.parse_unverified(f"{nested}.e30.AA")


def _claims(**changes):
    claims = dict(tokens.parse_unverified(_signed()).claims) | changes
    return {name: value for name, value in claims.items() if value is not ...}


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://other.example"},
        {"exp": 1000},
        {"sub": ...},
        {"exp": "1600"},
        {"aud": ["urn:api"]},
        {"epoch": ...},
    ],
)
def test_claims_that_are_not_ours_or_not_any_more_are_refused(changes):
    with pytest.raises(TokenInvalid):
        tokens.parse_claims(_claims(**changes), TOKEN.issuer, 1000)


# Bearer errors


def test_a_bearer_token_is_taken_from_the_header():
    assert bearer.extract_token("Bearer abc.def-_~+/==", in_query=False) == "abc.def-_~+/=="
    assert bearer.extract_token("bearer abc", in_query=False) == "abc"


@pytest.mark.parametrize("authorization", [None, "Basic abc"])
def test_no_token_is_challenged_without_an_error(authorization):
    with pytest.raises(bearer.Challenge) as refusal:
        bearer.extract_token(authorization, in_query=False)
    assert (refusal.value.http_status, refusal.value.www_authenticate) == (401, 'Bearer realm="ib-oauth"')


@pytest.mark.parametrize(
    ("authorization", "in_query"),
    [("Bearer abc", True), (None, True), ("Bearer", False), ("Bearer a b", False), ("Bearer \u00fc", False)],
)
def test_a_token_in_the_query_or_malformed_is_an_invalid_request(authorization, in_query):
    with pytest.raises(bearer.Challenge) as refusal:
        bearer.extract_token(authorization, in_query=in_query)
    assert (refusal.value.http_status, refusal.value.code) == (400, "invalid_request")


def test_refusals_say_what_rfc_6750_has_them_say():
    assert bearer.invalid_token().http_status == 401
    assert 'error="invalid_token"' in bearer.invalid_token().www_authenticate
    assert bearer.Challenge(401).www_authenticate == 'Bearer realm="ib-oauth"'


def test_a_refusal_at_a_resource_says_where_its_metadata_are():
    refusal = bearer.invalid_token().with_resource_metadata("https://auth.example/metadata")
    assert (refusal.http_status, refusal.code) == (401, "invalid_token")
    assert refusal.www_authenticate.endswith(
        'error_description="the access token is not valid", resource_metadata="https://auth.example/metadata"'
    )
    assert (
        bearer.Challenge(401).with_resource_metadata("u").www_authenticate
        == 'Bearer realm="ib-oauth", resource_metadata="u"'
    )


# Metadata


def test_an_independent_library_finds_the_metadata_valid():
    from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
    from authlib.oidc.discovery import OpenIDProviderMetadata

    issuer = "https://auth.example"
    AuthorizationServerMetadata(metadata.authorization_server(issuer, {"profile"})).validate()
    document = metadata.openid_configuration(issuer, {"profile"})
    OpenIDProviderMetadata({**document, "jwks_uri": document["jwks_uri"]}).validate_issuer()
    for required in ("subject_types_supported", "id_token_signing_alg_values_supported", "jwks_uri"):
        assert document[required]
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert document["authorization_response_iss_parameter_supported"] is True


def test_what_protects_userinfo_is_published_and_where_tokens_are_checked():
    issuer = "https://auth.example"
    resource = metadata.protected_resource(issuer, {"profile"})
    server = metadata.authorization_server(issuer, {"profile"})
    assert resource["resource"] in server["protected_resources"]
    assert resource["authorization_servers"] == [server["issuer"]]
    assert resource["bearer_methods_supported"] == ["header"]
    assert metadata.protected_resource_address(issuer) == f"{issuer}/.well-known/oauth-protected-resource"
    assert "none" not in server["introspection_endpoint_auth_methods_supported"]
    assert "none" in server["revocation_endpoint_auth_methods_supported"]


def test_no_list_in_the_metadata_is_empty():
    for tell in (metadata.authorization_server, metadata.openid_configuration, metadata.protected_resource):
        assert tell("https://auth.example", ())["scopes_supported"] == ["openid"]
        assert [] not in tell("https://auth.example", ()).values()
