"""The service answers the probes' checks alike however often they are repeated: nothing counts, locks or limits them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.domain.verdict import Outcome
from orchestrator.probes import health, security
from orchestrator.probes.checks import find_problem
from orchestrator.probes.context import before_traffic
from orchestrator.probes.ports import Pace
from tests import samples
from tests.unit.service.conftest import ISSUER
from tests.unit.service.test_secrets import Functions

REPETITIONS = 150
"""As many calls of one version as an episode sends to one function."""


class Versions(Functions):
    """Functions whose every version is the service, and says which one was called."""

    def invoke(self, function_name, qualifier, request):
        response = super().invoke(function_name, qualifier, request)
        return replace(response, headers={**response.headers, "x-ib-oauth-version": (qualifier,)})


@pytest.fixture
def context():
    deployment = samples.deployment(service=replace(samples.service(), issuer=ISSUER))
    return before_traffic(deployment, samples.NOW)


@pytest.mark.parametrize("probe", [health, security])
def test_every_check_passes_on_the_service_itself(service, context, probe):
    evidence = probe.run(context, Versions(service), None, Pace(sleep=lambda _: None), at_the_edge=False).evidence
    assert evidence.verdict.outcome is Outcome.PASS, evidence.verdict.reason
    assert "not proved" not in evidence.verdict.reason


@pytest.mark.parametrize("name", ["unknown code", "wrong secret", "unsigned token", "foreign redirect", "plain PKCE"])
def test_a_refusal_is_the_same_after_a_whole_episode(service, name):
    functions = Versions(service)
    check = next(one for one in security.checks_for(ISSUER) if one.name == name)
    problems = {
        find_problem(check, "2", functions.invoke(f"ib-oauth-{check.function}-test", "2", check.request))
        for _ in range(REPETITIONS)
    }
    assert problems == {""}
