from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.signed_links import (
    LONGEST_TOKEN,
    LinkRefused,
    SignedLink,
    issue_token,
    read_key,
    read_token,
)

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
KEY, OTHER_KEY = b"k" * 32, b"o" * 32
LINK = SignedLink("acknowledge-incident", ("inc-20261130T120000Z-abcdef", "Änn"), NOW + timedelta(hours=1))

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def refusal(token: str, purpose: str = LINK.purpose, now: datetime = NOW) -> LinkRefused:
    with pytest.raises(LinkRefused) as refused:
        read_token(token, purpose, [KEY], now)
    return refused.value


@given(st.lists(texts, max_size=5))
def test_a_link_is_read_as_it_was_issued(subject):
    link = replace(LINK, subject=tuple(subject))
    assert read_token(issue_token(link, KEY), link.purpose, [KEY], NOW) == link


def test_a_token_needs_no_escaping_in_a_url():
    assert set(issue_token(LINK, KEY)) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")


def test_a_link_outlives_one_rotation_of_the_key():
    token = issue_token(LINK, OTHER_KEY)
    assert read_token(token, LINK.purpose, [KEY, OTHER_KEY], NOW) == LINK
    assert not refusal(token).expired


def test_a_link_of_one_purpose_is_not_valid_for_another():
    assert not refusal(issue_token(LINK, KEY), purpose="confirm-subscription").expired


@pytest.mark.parametrize("late", [timedelta(0), timedelta(days=400)])
def test_an_expired_link_says_since_when(late):
    refused = refusal(issue_token(LINK, KEY), now=LINK.expires_at + late)
    assert refused.expired
    assert "2026-11-30 13:00 UTC" in str(refused)
    assert "newer message" in str(refused)


@given(st.data())
def test_a_token_with_any_other_character_is_refused_and_not_quoted(data):
    token = issue_token(LINK, KEY)
    index = data.draw(st.integers(0, len(token) - 1))
    changed = data.draw(st.characters().filter(lambda one: one != token[index]))
    refused = refusal(token[:index] + changed + token[index + 1 :])
    assert not refused.expired
    assert token[:20] not in str(refused)


@pytest.mark.parametrize("part", ["", ".", "a.b", "a" * (LONGEST_TOKEN + 1), "[]"])
def test_what_is_no_token_is_refused(part):
    assert not refusal(part).expired


def test_a_token_without_its_last_character_is_refused():
    assert not refusal(issue_token(LINK, KEY)[:-1]).expired


@pytest.mark.parametrize("purpose", ["", "Acknowledge", "a\nb", "a b", "-a"])
def test_a_purpose_of_another_form_is_a_fault_of_the_caller(purpose):
    with pytest.raises(ValueError, match="is no purpose"):
        issue_token(replace(LINK, purpose=purpose), KEY)


def test_a_subject_that_makes_the_token_too_long_is_a_fault_of_the_caller():
    with pytest.raises(ValueError, match="too long"):
        issue_token(replace(LINK, subject=("x" * LONGEST_TOKEN,)), KEY)


def test_a_short_key_is_never_used():
    with pytest.raises(ValueError, match="31 bytes"):
        issue_token(LINK, b"k" * 31)
    with pytest.raises(ValueError, match="3 bytes"):
        read_token(issue_token(LINK, KEY), LINK.purpose, [b"abc"], NOW)


def test_the_key_of_a_secret_is_its_text():
    assert read_key(f" {'k' * 32}\n") == KEY


def test_a_short_secret_is_refused_and_not_quoted():
    with pytest.raises(ValueError, match="at least 32") as refused:
        read_key("hunter2")
    assert "hunter2" not in str(refused.value)
