"""A test that waits for a page is not ended by the moment in which the driver has none."""

from __future__ import annotations

from pathlib import Path

import pytest
from selenium.common.exceptions import (
    JavascriptException,
    NoSuchElementException,
    StaleElementReferenceException,
    WebDriverException,
)

from tests.browser import wait

TESTS = Path(__file__).resolve().parents[1]
REFUSALS = {
    "stale": StaleElementReferenceException("stale element not found in the current frame"),
    "another document": WebDriverException(
        "unhandled inspector error: Node with given id does not belong to the document"
    ),
    "no element yet": NoSuchElementException("no such element"),
    "no context": JavascriptException("Cannot find context with specified id"),
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_condition_that_the_driver_refuses_is_tried_again(refusal):
    answers = iter([REFUSALS[refusal], False, REFUSALS[refusal], "there"])

    def condition():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert wait(None, condition) == "there"


def test_what_the_driver_refuses_until_the_end_is_in_the_error():
    def condition():
        raise REFUSALS["another document"]

    with pytest.raises(AssertionError, match=r"waited for a page.*does not belong to the document"):
        wait(None, condition, "waited for a page", seconds=0.1)


def test_a_fault_of_the_test_itself_is_not_waited_for():
    with pytest.raises(ZeroDivisionError):
        wait(None, lambda: 1 / 0)


def test_no_test_waits_in_another_way():
    own = {TESTS / "browser.py", Path(__file__)}
    found = [path for path in TESTS.rglob("*.py") if path not in own and "WebDriverWait" in path.read_text("utf-8")]
    assert found == []
