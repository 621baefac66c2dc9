"""How long what is personal is kept: every layout is known, ends, and is cleaned up in time."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from service.login import flow
from service.login.identity_provider import MAX_SESSION_HOURS
from service.oauth import registration
from service.storage import item_codec
from tests.unit.service.conftest import ROOT
from tests.unit.service.story import STEPS, Stage

PERSONAL = {"subject", "session", "upstream", "browser"}
"""Attributes that name a person, hold their profile or session, or tell their browser."""
LONGEST_SECONDS = (MAX_SESSION_HOURS + 24) * 3600
ROW = re.compile(r"^\| `(\w+#)` \| (\w+) \|", re.MULTILINE)


@pytest.fixture
def kept(aws, variables, monkeypatch):
    """Every item after the whole story, with people whose sessions are as long as a platform may make them: (table, item)."""
    open_login = flow.identity_provider.open_login
    monkeypatch.setattr(
        flow.identity_provider, "open_login", lambda at: replace(open_login(at), session_hours=MAX_SESSION_HOURS)
    )
    stage, found, now = Stage(aws, variables), [], 0.0
    for step in STEPS:
        story, _ = stage.story()
        story.until(step)
        story.keep(step, story.tell(step))
        now = max(now, story.service.now)
        for table in ("STATE_TABLE", "TOKENS_TABLE", "REVOCATIONS_TABLE"):
            found += [(table, item) for item in aws.items(story.service.variables[table])]
    return found, now


def thing(item):
    return item["pk"]["S"].removeprefix("synthetic#").partition("#")[0] + "#"


def test_the_story_leaves_every_kind_of_item_and_everything_personal(kept):
    found, _ = kept
    assert {thing(item) for _, item in found} == {"login#", "code#", "family#", "client#", "revoked#", "disowned#"}
    assert {name for _, item in found for name in PERSONAL & item.keys()} == PERSONAL


def test_every_item_ends_and_is_cleaned_up_a_day_later(kept):
    """A redeemed code ends with the tokens that were issued from it: a replay revokes them."""
    for _, item in kept[0]:
        ends = "session_expires_at" if "redeemed_by" in item else "expires_at"
        assert int(item["delete_at"]["N"]) - int(item[ends]["N"]) == 24 * 3600, thing(item)


def test_a_redeemed_code_has_no_profile_and_names_its_person_for_an_erasure(kept):
    redeemed = [item for _, item in kept[0] if "redeemed_by" in item and not item["pk"]["S"].startswith("synthetic#")]
    assert redeemed
    assert not [item for item in redeemed if "session" in item or "subject" not in item]


def test_nothing_personal_is_kept_longer_than_the_longest_session_and_a_day(kept):
    found, now = kept
    kept_seconds = [int(item["delete_at"]["N"]) - now for _, item in found if PERSONAL & item.keys()]
    assert max(kept_seconds) <= LONGEST_SECONDS
    assert max(kept_seconds) > LONGEST_SECONDS - 3600, "the longest session was not among them: this shows nothing"


@pytest.mark.strategy("Application Security: Session management")
def test_the_session_of_a_login_is_gone_as_soon_as_the_login_has_ended(kept):
    ended = [item for _, item in kept[0] if thing(item) == "login#" and item["phase"]["S"] == "complete"]
    assert ended
    assert not [item for item in ended if "upstream" in item]


def test_a_client_s_registration_which_names_no_person_is_what_is_kept_longest():
    assert registration.LIFETIME_SECONDS > LONGEST_SECONDS


def test_the_document_lists_every_layout_with_its_table(kept):
    text = (ROOT / "docs" / "guides" / "personal-data.md").read_text()
    documented = dict(ROW.findall(text))
    layouts = set(re.findall(r"^ {4}(?:state|tokens|revocations) +(\w+#)\{", item_codec.__doc__, re.MULTILINE))
    assert documented.keys() == layouts
    for table, item in kept[0]:
        assert documented[thing(item)] in {table.removesuffix("_TABLE").lower(), "both"}
