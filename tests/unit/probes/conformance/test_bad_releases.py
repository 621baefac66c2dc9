"""Releases that break a rule in their source: each is built, run, found, and the rule is named."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]

RELEASES = {
    "PKCE is not required": (
        [
            ("oauth/authorization.py", "!= pkce.METHOD:", "not in {pkce.METHOD, None}:"),
            (
                "oauth/authorization.py",
                'parameters.required("code_challenge")',
                'parameters.optional("code_challenge") or "A" * 43',
            ),
        ],
        {"oauth-pkce-required", "oauth-pkce-method-default"},
    ),
    "PKCE's method plain is accepted": (
        [("oauth/authorization.py", "!= pkce.METHOD:", 'not in {pkce.METHOD, "plain"}:')],
        {"oauth-pkce-plain"},
    ),
    "redirect URIs match by prefix": (
        [("oauth/clients.py", "any(uri == registered or", "any(uri.startswith(registered) or")],
        {
            "oauth-redirect-longer-path",
            "oauth-redirect-traversal",
            "oauth-redirect-other-query",
            "oauth-redirect-fragment",
        },
    ),
    "the answer does not name the issuer": (
        [("oauth/authorization.py", '{"code": code, "iss": issuer}', '{"code": code}')],
        {"oauth-code-iss"},
    ),
    "the verifier of a code is not compared": (
        [
            (
                "oauth/codes.py",
                "proven = pkce.matches_challenge(redemption.verifier, code.code_challenge)",
                "proven = True",
            )
        ],
        {"oauth-code-wrong-verifier"},
    ),
    "a replayed code revokes nothing": (
        [
            (
                "oauth/codes.py",
                "(Phase.REDEEMED, Presented.RIGHTLY): (Phase.REDEEMED, Effect.REVOKE_FAMILY)",
                "(Phase.REDEEMED, Presented.RIGHTLY): (Phase.REDEEMED, Effect.REFUSE)",
            )
        ],
        {"oauth-code-replay-revokes-access", "oauth-code-replay-revokes-refresh"},
    ),
    "a used refresh token can be used again": (
        [
            (
                "oauth/families.py",
                "(Phase.LIVE, Presented.EARLIER): (Phase.REVOKED, Effect.REVOKE)",
                "(Phase.LIVE, Presented.EARLIER): (Phase.LIVE, Effect.REFUSE)",
            )
        ],
        {"oauth-refresh-reuse-revokes"},
    ),
    "tokens may be stored by caches": (
        [("http/app.py", '_NO_STORE: Final = "no-store"', '_NO_STORE: Final = "private"')],
        {
            "oauth-page-not-stored",
            "oauth-token-no-store",
            "oauth-token-error-no-store",
            "oauth-userinfo-no-store",
            "oauth-introspection-no-store",
        },
    ),
    "the challenge has another scheme": (
        [("oauth/bearer.py", 'return "Bearer "', 'return "Token "')],
        {"oauth-bearer-challenge"},
    ),
    "a token in the query is accepted": (
        [
            (
                "endpoints/userinfo.py",
                'bearer.extract_token(self.function.header("authorization"), in_query=in_query)',
                (
                    'self.function.query().optional("access_token") or '
                    'bearer.extract_token(self.function.header("authorization"), in_query=in_query)'
                ),
            )
        ],
        {"oauth-bearer-query"},
    ),
    "the metadata names an endpoint that does not exist": (
        [("oauth/metadata.py", 'f"{issuer}/token"', 'f"{issuer}/oauth/token"')],
        {"oauth-metadata-endpoints-answer"},
    ),
    "a revocation revokes nothing": (
        [("endpoints/grants.py", "if family_id is not None:", "if family_id is ...:")],
        {"oauth-revocation-refresh", "oauth-revocation-access"},
    ),
    "public clients may introspect": (
        [("oauth/introspection.py", "if client.secret_sha256 is None:", "if client.secret_sha256 is ...:")],
        {"oauth-introspection-public-client"},
    ),
    "the login can be framed": (
        [("endpoints/authorize.py", '"X-Frame-Options": "DENY"', '"X-Frame-Options": "ALLOWALL"')],
        {"oauth-page-not-framed"},
    ),
}
"""What is wrong with a release; its files with the text that is replaced; and the controls that fail, no others."""


def build(folder: Path, changes: list[tuple[str, str, str]]) -> Path:
    """Return a folder with the service as a release has it."""
    shutil.copytree(ROOT / "service", folder / "service", ignore=shutil.ignore_patterns("__pycache__"))
    for name, old, new in changes:
        file = folder / "service" / name
        text = file.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{name} has {text.count(old)} times: {old}"
        file.write_text(text.replace(old, new), encoding="utf-8")
    return folder


@pytest.mark.parametrize("wrong", RELEASES)
def test_a_bad_release_is_found_and_its_violation_is_named(wrong, tmp_path):
    changes, controls = RELEASES[wrong]
    release = build(tmp_path, changes)
    environ = {**os.environ, "PYTHONPATH": f"{release}{os.pathsep}{ROOT}", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-P", "-m", "tests.unit.probes.conformance.bad_release"]

    ended = subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, check=True)
    found = json.loads(ended.stdout)

    assert found["service"].startswith(str(release))
    assert set(found["failing"]) == controls
    assert all(found["failing"].values())
