"""The local cloud answers as AWS did when LocalStack's makers recorded it; docs/reference/parity.md lists the rest.

A case that the page calls a difference of stock MiniStack has to fail there (strict xfail), as every patch's test.
"""

from __future__ import annotations

import pytest

from tests.contract.parity.case import Case, run
from tests.contract.parity.cases import CASES
from tests.contract.parity.emulators import Emulator
from tests.contract.parity.page import AGREE, PAGE, case_key, read

VERDICTS = {row.key: row.verdicts for row in read(PAGE.read_text(encoding="utf-8"))}


@pytest.fixture(scope="session")
def emulator(cloud):
    return Emulator("under test", cloud.endpoint_url, cloud.local.api_url, prefix="test-")


def cases(*, ours: bool, stock: bool | None = None) -> list:
    """The cases with these verdicts on the page."""
    found: list[Case] = []
    for case in CASES:
        verdicts = VERDICTS.get(case_key(case), {"ours": AGREE, "stock": AGREE})  # the page's own test finds this
        if (verdicts["ours"] == AGREE) == ours and stock in {None, verdicts["stock"] == AGREE}:
            found.append(case)
    return [pytest.param(case, id=case_key(case)) for case in found]


@pytest.mark.parametrize("case", cases(ours=True, stock=False))
def test_a_patch_makes_the_answer_the_recorded_one(emulator, case):
    assert run(case, emulator).verdict == AGREE


@pytest.mark.both
@pytest.mark.parametrize("case", cases(ours=True, stock=True))
def test_the_answer_is_the_recorded_one(emulator, case):
    assert run(case, emulator).verdict == AGREE


@pytest.mark.both
@pytest.mark.parametrize("case", cases(ours=False))
def test_a_difference_on_the_page_is_still_one(request, emulator, case):
    if "patched" not in request.node.callspec.id:
        pytest.skip("the page's differences are the local cloud's")
    outcome = run(case, emulator)
    assert outcome.verdict != AGREE, "the local cloud agrees now: run python -m tests.contract.parity"
