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

from tests.browser import press_until_gone, wait

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


class _Button:
    """A button that the first key does not reach."""

    def __init__(self, lost: int) -> None:
        self.lost, self.pressed = lost, 0

    def find_elements(self, *_where: str) -> list[_Button]:
        return [] if self.pressed > self.lost else [self]

    def find_element(self, *_where: str) -> _Button:
        return self

    def send_keys(self, _key: str) -> None:
        self.pressed += 1


@pytest.mark.parametrize("lost", [0, 1])
def test_a_key_that_was_lost_is_pressed_once_more(monkeypatch, lost):
    monkeypatch.setattr("tests.browser.WAIT_SECONDS", 0.4)
    button = _Button(lost)
    press_until_gone(button, "css", "[value=ada]")
    assert button.pressed == lost + 1


def test_a_button_that_stays_is_an_error(monkeypatch):
    monkeypatch.setattr("tests.browser.WAIT_SECONDS", 0.4)
    with pytest.raises(AssertionError, match="pressed twice"):
        press_until_gone(_Button(9), "css", "[value=ada]")


def test_a_fault_of_the_test_itself_is_not_waited_for():
    with pytest.raises(ZeroDivisionError):
        wait(None, lambda: 1 / 0)


def test_no_test_waits_in_another_way():
    own = {TESTS / "browser.py", Path(__file__)}
    found = [path for path in TESTS.rglob("*.py") if path not in own and "WebDriverWait" in path.read_text("utf-8")]
    assert found == []
