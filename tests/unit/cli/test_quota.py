"""`orchestrator check-quotas` asks Lambda, counts, and says so before anything is deployed."""

from __future__ import annotations

import json

import pytest

from orchestrator import environments
from orchestrator.cli.actions import quotas
from orchestrator.cli.context import Context
from orchestrator.domain.errors import Refused
from tests.fakes.errors import client_error

WANTED = {name: one.reserved_concurrency for name, one in environments.load("prod").service.functions.items()}


class _Lambda:
    def __init__(self, unreserved, **reserved):
        self.unreserved, self.reserved = unreserved, reserved

    def get_account_settings(self):
        return {"AccountLimit": {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": self.unreserved}}

    def get_function_concurrency(self, *, FunctionName):  # noqa: N803 - botocore's
        name = FunctionName.removeprefix("ib-oauth-").removesuffix("-prod")
        if name not in self.reserved:
            raise client_error("ResourceNotFoundException", "no such function")
        found = self.reserved[name]
        return {"ReservedConcurrentExecutions": found} if found else {}


def context(plane):
    return Context(environments.load("prod"), lambda _service: plane)


def test_an_account_in_which_nothing_is_deployed_yet(capsys):
    quotas.check_quotas(context(_Lambda(1000)), json=True)
    printed = json.loads(capsys.readouterr().out)
    assert printed["wanted"] == WANTED
    assert printed["left_unreserved"] == 1000 - sum(WANTED.values())


def test_what_is_reserved_already_is_known(capsys):
    has = dict(WANTED, public=0)
    quotas.check_quotas(context(_Lambda(1000 - sum(has.values()), **has)), json=False)
    assert (
        f"reserves {sum(WANTED.values())} of the account's 1000 concurrent executions; {1000 - sum(WANTED.values())} remain"
        in capsys.readouterr().out
    )


def test_what_does_not_fit_is_refused():
    with pytest.raises(Refused, match="have the quota raised by"):
        quotas.check_quotas(context(_Lambda(150)), json=False)


def test_another_trouble_is_not_taken_for_nothing_reserved():
    plane = _Lambda(1000)
    plane.get_function_concurrency = lambda **_: (_ for _ in ()).throw(client_error("AccessDeniedException", "no"))
    with pytest.raises(Exception, match="AccessDenied"):
        quotas.check_quotas(context(plane), json=False)
