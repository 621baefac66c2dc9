"""A browser's cookies: ours is found among any others, and nothing but what we made is read."""

from __future__ import annotations

import re

import pytest

from service.http.cookies import find_cookie

NAME = "__Host-ib-oauth-browser"
FORM = re.compile(r"[A-Za-z0-9_-]{43}")
OURS = "o" * 43
FOREIGN = [
    'consent={"analytics":true}', "a=b=c", "flag", "", "=", "=x", 'q="a;b"', "ü=ö", "x\x00y=\x01", "name[0]=1",
    "version=$1", "$Version=1", "domain=.example", "expires=Wed, 21 Oct 2026 07:28:00 GMT", "k=\\", 'k="', "a,b=c", "{}=1",
    f"x{NAME}={'x' * 43}", f"{NAME}x={'x' * 43}", f"{NAME.lower()}={'x' * 43}", "\ud800=\udfff", "k=" + "v" * 8000,
]  # fmt: skip
"""Cookies of other applications and proxies: all that a browser would send, and what no browser would."""
NOT_OURS = {
    "in quotes": f'"{OURS}"', "with an octal escape": '"\\015\\012X-Evil: 1"', "too short": "o" * 42, "too long": "o" * 44,
    "empty": "", "another alphabet": "o" * 42 + "+", "a line break": "o" * 42 + "\n", "a line break after it": OURS + "\n",
    "percent-encoded": "o" * 40 + "%6F", "not ASCII": "\u043e" * 43, "a surrogate": "o" * 42 + "\ud800", "NUL": "o" * 42 + "\x00",
}  # fmt: skip


@pytest.mark.parametrize("foreign", FOREIGN)
def test_ours_is_found_before_and_after_any_other(foreign):
    for header in (f"{foreign}; {NAME}={OURS}", f"{NAME}={OURS}; {foreign}", f"{foreign};{NAME}={OURS};{foreign}"):
        assert find_cookie([header], NAME, FORM) == OURS


@pytest.mark.parametrize("value", NOT_OURS.values(), ids=NOT_OURS)
def test_what_was_not_made_here_is_not_read(value):
    assert find_cookie([f"{NAME}={value}"], NAME, FORM) is None
    assert find_cookie([f"{NAME}={value}; {NAME}={OURS}"], NAME, FORM) == OURS


def test_it_may_stand_in_any_of_several_headers():
    assert find_cookie(["a=b", f"c=d; {NAME}={OURS}"], NAME, FORM) == OURS
    assert find_cookie([], NAME, FORM) is None


def test_the_first_of_two_counts():
    assert find_cookie([f"{NAME}={'a' * 43}; {NAME}={'b' * 43}"], NAME, FORM) == "a" * 43
