"""The challenge of a verifier is the standard's."""

from __future__ import annotations

from orchestrator.domain.sign_in.pkce import code_challenge


def test_the_vector_of_rfc_7636_appendix_b():
    challenge = code_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")

    assert challenge == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
