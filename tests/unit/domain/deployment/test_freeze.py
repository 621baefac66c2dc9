"""What a freeze refuses, and what it says."""

from dataclasses import replace

import pytest

from orchestrator.domain.deployment.freeze import Freeze, refuse_frozen, refuse_missing_reason
from orchestrator.domain.errors import Refused
from tests.samples import NOW

FREEZE = Freeze("ann", "the auditors are here", NOW)


def test_a_frozen_environment_refuses_and_says_who_since_when_why_and_what_ends_it():
    with pytest.raises(
        Refused,
        match=r"frozen by ann since 2026-11-23 03:00 UTC: the auditors are here.*orchestrator unfreeze --reason",
    ):
        refuse_frozen(FREEZE)


def test_what_an_operator_overrides_is_not_refused():
    refuse_frozen(FREEZE, override=True)


@pytest.mark.parametrize("freeze", [None, replace(FREEZE, unfrozen_by="bob", unfreeze_reason="gone", unfrozen_at=NOW)])
def test_an_environment_that_never_was_frozen_or_was_thawed_refuses_nothing(freeze):
    refuse_frozen(freeze)


@pytest.mark.parametrize("reason", ["", "  "])
def test_a_freeze_without_a_reason_is_refused(reason):
    with pytest.raises(Refused, match=r"--reason: .* give a reason"):
        refuse_missing_reason("--reason", reason)
    refuse_missing_reason("--reason", "because")


def test_a_reason_that_no_record_can_hold_is_refused():
    """A shell's argument that is not UTF-8 arrives with lone surrogates."""
    with pytest.raises(Refused, match=r"--reason: .*\\udcff.* remove the lone surrogates"):
        refuse_missing_reason("--reason", "because \udcff")
