"""Each test module of the OpenID Foundation's Basic and Config profiles has controls, or the reason why it has none."""

from __future__ import annotations

import pytest

from orchestrator.domain.compliance.catalogue.controls import CONTROLS
from orchestrator.domain.compliance.control import Framework
from tests.openid_conformance import TESTS, Profile

MODULES = [
    "oidcc-server",
    "oidcc-response-type-missing",
    "oidcc-idtoken-signature",
    "oidcc-idtoken-unsigned",
    "oidcc-userinfo-get",
    "oidcc-userinfo-post-header",
    "oidcc-userinfo-post-body",
    "oidcc-ensure-request-without-nonce-succeeds-for-code-flow",
    "oidcc-scope-profile",
    "oidcc-scope-email",
    "oidcc-scope-address",
    "oidcc-scope-phone",
    "oidcc-scope-all",
    "oidcc-alternate-happy-flow",
    "oidcc-display-page",
    "oidcc-display-popup",
    "oidcc-prompt-login",
    "oidcc-prompt-none-not-logged-in",
    "oidcc-prompt-none-logged-in",
    "oidcc-max-age-1",
    "oidcc-max-age-10000",
    "oidcc-ensure-request-with-unknown-parameter-succeeds",
    "oidcc-id-token-hint",
    "oidcc-login-hint",
    "oidcc-ui-locales",
    "oidcc-claims-locales",
    "oidcc-ensure-request-with-acr-values-succeeds",
    "oidcc-codereuse",
    "oidcc-codereuse-30seconds",
    "oidcc-ensure-registered-redirect-uri",
    "oidcc-ensure-post-request-succeeds",
    "oidcc-server-client-secret-post",
    "oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported",
    "oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported",
    "oidcc-claims-essential",
    "oidcc-ensure-request-object-with-redirect-uri",
    "oidcc-refresh-token",
    "oidcc-ensure-request-with-valid-pkce-succeeds",
    "oidcc-discovery-endpoint-verification",
]
"""Transcribed from OIDCCBasicTestPlan and OIDCCConfigTestPlan of the conformance suite, in their order."""

BY_NAME = {one.name: one for one in TESTS}


def test_the_map_has_every_module_of_both_profiles_in_their_order():
    assert [one.name for one in TESTS] == MODULES
    assert [one.name for one in TESTS if one.profile is Profile.CONFIG] == MODULES[-1:]


@pytest.mark.parametrize("name", MODULES)
def test_a_module_has_existing_controls_or_a_reason(name):
    one = BY_NAME[name]
    known = {control.id for control in CONTROLS if control.framework is Framework.OAUTH}
    assert set(one.controls) <= known
    assert len(set(one.controls)) == len(one.controls)
    assert one.controls or one.reason


def test_a_control_that_reports_an_accepted_deviation_is_named_with_its_reason():
    """`oauth-openid-metadata-rs256` is not applicable here: no module that rests on it is covered whole."""
    resting = [one for one in TESTS if "oauth-openid-metadata-rs256" in one.controls]
    assert len(resting) == 2
    assert all("ADR 30" in one.reason for one in resting)
