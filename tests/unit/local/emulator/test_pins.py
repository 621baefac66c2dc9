"""A pin that differs from the installed emulator is found before any patch is installed."""

import pytest

from orchestrator.local.emulator.pins import (
    MINISTACK_VERSION,
    PinMismatch,
    digest,
    digest_or_reason,
    verify,
    verify_version,
)

INTERNAL = "ministack.services.apigateway_v1._execute_in_scope"


def test_the_installed_sources_are_those_of_the_pins():
    verify([("apigateway", {INTERNAL: digest_or_reason(INTERNAL)})])
    verify_version()


@pytest.mark.parametrize("name", [INTERNAL, "ministack.services.apigateway_v1.absent", "absent.module"])
def test_every_difference_is_named_with_its_patch(name):
    with pytest.raises(PinMismatch, match=rf"{name} \(used by the patch apigateway\): expected {'0' * 16}, found "):
        verify([("apigateway", {name: "0" * 16})])


def test_another_version_is_refused():
    with pytest.raises(PinMismatch, match=f"expected version {MINISTACK_VERSION}, found 9.9"):
        verify_version(installed=lambda _package: "9.9")


def test_a_source_that_differs_in_one_character_has_another_digest():
    assert digest("return 1") != digest("return 2")
    assert len(digest("return 1")) == 16
