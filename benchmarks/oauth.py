"""CPU time of a token request compared with Authlib's Flask server, both in this process, in alternating rounds.

Our side is the Lambda handler with an API Gateway event: routing, form, client, decoding of stored items, signature,
response and one JSON log line. The peer is the WSGI application (benchmarks/authlib_server.py) with a WSGI environment.
Neither uses a socket, and both have an in-memory store that costs a dictionary lookup.

With JWTs both sign with ES256; ours uses a KMS stub that signs locally, because KMS itself costs only waiting. With
opaque tokens neither signs. The service issues JWTs; opaque tokens are measured to compare everything except the
signature. Every request is prepared beforehand and has its own grant.
"""

from __future__ import annotations

import gc
import json
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlencode

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from benchmarks import Line, report
from benchmarks.authlib_server import REDIRECT, Peer, environ
from service import settings
from service.endpoints import public, token
from service.http.app import HttpFunction
from service.keys.key_ring import KeyRing
from service.keys.kms import PublicKeys, Signer, Vault
from service.oauth import codes, credentials, pkce
from service.oauth.codes import Code
from service.oauth.openid.id_tokens import IdToken
from service.oauth.token_request import CodeGrant
from service.oauth.tokens import AccessToken
from service.storage import item_codec
from service.storage.revocations import RevokingStore
from service.token_issuance import Issuance

REQUESTS, ROUNDS = 250, 20
OPAQUE_SHARE, JWT_SHARE = 1 / 4, 1 / 3
VERIFIER = "v" * 43
VARIABLES = {
    "ENVIRONMENT": "prod",
    "ISSUER": "https://auth.example",
    "STATE_TABLE": "state",
    "TOKENS_TABLE": "tokens",
    "CLIENTS": json.dumps(
        [{"client_id": "native", "name": "Native", "redirect_uris": [REDIRECT], "scopes": ["profile", "email"]}],
        allow_nan=False,
    ),
    "RELEASE": json.dumps({"commit": "abc123", "build": "7", "configuration": "sha256:0"}, allow_nan=False),
    "SOURCE_REQUESTS_PER_SECOND": "1000000",
    "SOURCE_BURST_REQUESTS": "1000000",
}  # fmt: skip
Request = Callable[[], Any]


class Tables:
    """A DynamoDB client over dictionaries. It ignores conditions, which always hold here; the races test them."""

    def __init__(self) -> None:
        self._items: dict[str, dict[str, Any]] = {}

    def batch_get_item(self, *, RequestItems: dict[str, Any]) -> dict[str, Any]:  # noqa: N803 - botocore's
        """Return the items of some keys."""
        return {
            "Responses": {
                table: [self._items[key["pk"]["S"]] for key in request["Keys"] if key["pk"]["S"] in self._items]
                for table, request in RequestItems.items()
            },
            "UnprocessedKeys": {},
        }

    def get_item(self, *, Key: dict[str, Any], **_: Any) -> dict[str, Any]:  # noqa: N803
        """Return the item of a key, if it exists."""
        item = self._items.get(Key["pk"]["S"])
        return {} if item is None else {"Item": item}

    def put_item(self, *, Item: dict[str, Any], **_: Any) -> dict[str, Any]:  # noqa: N803
        """Store an item."""
        self._items[Item["pk"]["S"]] = Item
        return {}

    def update_item(
        self, *, Key: dict[str, Any], UpdateExpression: str, ExpressionAttributeValues: dict[str, Any], **_: Any  # noqa: N803
    ) -> dict[str, Any]:  # fmt: skip
        """Set the attributes that an expression sets to a value."""
        item = self._items[Key["pk"]["S"]]
        for name, value in _assignments(UpdateExpression):
            item[name] = ExpressionAttributeValues[value]
        return {}


class Kms:
    """A KMS stub with one local key."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._algorithm = ec.ECDSA(hashes.SHA256())

    def get_public_key(self, **_: Any) -> dict[str, Any]:
        """Return the public key."""
        public_key = self._key.public_key()
        der = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        return {"PublicKey": public_key.public_bytes(*der)}

    def sign(self, *, Message: bytes, **_: Any) -> dict[str, Any]:  # noqa: N803
        """Sign a message."""
        return {"Signature": self._key.sign(Message, self._algorithm)}


class Opaque:
    """A replacement for the signer that issues opaque access tokens, like the peer without JWTs."""

    def sign(self, token: AccessToken) -> str:
        """Return the token's id, which is generated for each token."""
        return token.token_id

    def sign_id_token(self, token: IdToken) -> str:
        """Return the token's subject: no benchmark asks for an ID token."""
        return token.subject


class Ours:
    """The functions `token` and `public`, with grants. `jwt`: whether access tokens are signed JWTs or opaque."""

    def __init__(self, *, jwt: bool = True) -> None:
        tables: Any = Tables()
        kms: Any = Kms()
        self._store = RevokingStore(tables, "state", "tokens", "revocations")
        self._tables, self._kms = tables, kms
        ring = KeyRing(tables, "keys", "key")
        signer = Signer(kms, ring) if jwt else Opaque()
        self._settings = settings.load(VARIABLES, "token")
        self._issuance = Issuance(self._settings.issuer, self._store, signer, os.urandom)
        keys = PublicKeys(kms, ring)
        self._token = token.build(self._settings, self._store, signer, keys)
        self._public = public.build(
            replace(self._settings, function="public"),
            self._store,
            keys,
            Vault(kms, "key", "prod"),
        )

    def refresh(self) -> Request:
        """Return a prepared refresh request."""
        issued = self._issuance.redeem(*self._grant())
        form = {"grant_type": "refresh_token", "client_id": "native", "refresh_token": issued.refresh_token}
        return _sent(self._token, "POST", "/token", form=form)

    def redeem(self) -> Request:
        """Return a prepared code redemption."""
        grant = self._grant()[0]
        form = {"grant_type": "authorization_code", "client_id": "native", "code": grant.code, "redirect_uri": REDIRECT}
        return _sent(self._token, "POST", "/token", form={**form, "code_verifier": VERIFIER})

    def signature(self) -> Request:
        """Return a signature alone, of as many octets as an access token has."""
        return partial(self._kms.sign, Message=bytes(400))

    def userinfo(self) -> Request:
        """Return a userinfo request, ready to be sent."""
        issued = self._issuance.redeem(*self._grant())
        return _sent(self._public, "GET", "/userinfo", authorization=f"Bearer {issued.access_token}")

    def _grant(self) -> tuple[CodeGrant, Any, int]:
        now = int(time.time())
        credential = credentials.mint(credentials.Kind.CODE, os.urandom(32), synthetic=False)
        code = Code(
            digest=credential.digest, synthetic=False, client_id="native", redirect_uri=REDIRECT, scope=("profile", "email"),
            audience=self._settings.issuer, subject="demo:ada", code_challenge=pkce.challenge_of(VERIFIER), session=None,
            session_expires_at=now + 3600, epoch=0, expires_at=now + codes.LIFETIME_SECONDS,
        )  # fmt: skip
        self._tables.put_item(Item=item_codec.encode_code(code))
        return CodeGrant(credential.text, REDIRECT, VERIFIER), self._settings.clients["native"], now


class Theirs:
    """The peer, and grants to ask it about."""

    def __init__(self, *, jwt: bool) -> None:
        self._peer = Peer(jwt=jwt)

    def refresh(self) -> Request:
        """Return a prepared refresh request."""
        return self._sent(grant_type="refresh_token", refresh_token=self._peer.keep_refresh_token())

    def redeem(self) -> Request:
        """Return a prepared code redemption."""
        code = self._peer.keep_code(pkce.challenge_of(VERIFIER))
        return self._sent(grant_type="authorization_code", code=code, redirect_uri=REDIRECT, code_verifier=VERIFIER)

    def _sent(self, **form: str) -> Request:
        prepared = environ(urlencode({"client_id": "native", **form}).encode())

        def send() -> None:
            status, _ = self._peer(prepared)
            assert status == "200 OK"

        return send


def microseconds(
    kinds: Sequence[Callable[[], Request]], *, requests: int = REQUESTS, rounds: int = ROUNDS
) -> list[float]:
    """Return the CPU time of one request of each kind: the median of the rounds, in which the kinds take turns."""
    measured: list[list[float]] = [[] for _ in kinds]
    with Path(os.devnull).open("w") as nowhere:
        for _ in range(rounds):
            for kind, into in zip(kinds, measured, strict=True):
                prepared = [kind() for _ in range(requests)]
                gc.collect()
                gc.freeze()  # prepared objects must not count as a request's garbage
                with redirect_stdout(nowhere):
                    started = time.process_time()
                    for send in prepared:
                        send()
                    into.append((time.process_time() - started) / requests * 1e6)
                gc.unfreeze()
    return [median(times) for times in measured]


def measure(*, requests: int = REQUESTS, rounds: int = ROUNDS) -> tuple[list[Line], list[str]]:
    """Measure our code and the peer's; return the lines and notes."""
    ours, ours_opaque, opaque, jwt = Ours(), Ours(jwt=False), Theirs(jwt=False), Theirs(jwt=True)
    kinds = [
        ours.refresh,
        ours_opaque.refresh,
        opaque.refresh,
        jwt.refresh,
        ours.redeem,
        opaque.redeem,
        jwt.redeem,
        ours.userinfo,
        ours.signature,
    ]
    mine, mine_opaque, their_opaque, their_jwt, redeem, opaque_redeem, jwt_redeem, userinfo, signature = microseconds(
        kinds, requests=requests, rounds=rounds
    )
    lines = [
        Line(
            "refresh with an opaque token, CPU",
            mine_opaque,
            "µs",
            their_opaque * OPAQUE_SHARE,
            f"1/4 of Authlib's {their_opaque:.0f}",
        ),
        Line("refresh with an ES256 JWT, CPU", mine, "µs", their_jwt * JWT_SHARE, f"1/3 of Authlib's {their_jwt:.0f}"),
    ]
    notes = [
        (
            f"refreshes per second on one CPU: ours {1e6 / mine:.0f}, Authlib's {1e6 / their_opaque:.0f} opaque and "
            f"{1e6 / their_jwt:.0f} JWT"
        ),
        (
            f"code redemption: ours {redeem:.0f} µs, Authlib's {opaque_redeem:.0f} µs opaque and {jwt_redeem:.0f} µs JWT; "
            "ours makes one additional write (the family)"
        ),
        (
            f"a signature alone takes {signature:.0f} µs, which KMS does in an account; ours with a JWT takes "
            f"{mine / their_opaque:.2f} of Authlib's time with an opaque token"
        ),
        f"userinfo, with signature verification and a read of the family: {userinfo:.0f} µs",
        f"medians of {rounds} alternating rounds of {requests} requests of each kind; JWTs are really signed",
    ]
    return lines, notes


def main() -> int:
    """Measure and print the report."""
    lines, notes = measure()
    return report("oauth", lines, notes)


@cache
def _assignments(expression: str) -> list[tuple[str, str]]:
    return re.findall(r"(\w+) = (:\w+)", expression)


def _sent(edge: HttpFunction, method: str, path: str, *, form: dict[str, str] | None = None, **headers: str) -> Request:
    sent = {
        "Host": "auth.example", "Accept": "application/json", "User-Agent": "benchmark", "X-Forwarded-For": "192.0.2.1",
        "X-Forwarded-Proto": "https", "Content-Type": "application/x-www-form-urlencoded", **headers,
    }  # fmt: skip
    event = {
        "resource": path,
        "path": path,
        "httpMethod": method,
        "headers": sent,
        "multiValueHeaders": {name: [value] for name, value in sent.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "requestContext": {"stage": "live", "requestId": "request", "identity": {"sourceIp": "192.0.2.1"}},
        "body": None if form is None else urlencode(form),
        "isBase64Encoded": False,
    }

    def send() -> None:
        response = edge(event, None)
        assert response["statusCode"] == 200, response["body"]

    return send


if __name__ == "__main__":
    sys.exit(main())
